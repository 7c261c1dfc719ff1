"""What a server and its children use: CPU seconds and memory, from /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

_SCHED_CLOCK = 2
"""Which of a process's CPU clocks counts what the scheduler gave it, to the nanosecond; /proc tells hundredths of a second."""


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields:
                parents[int(entry.name)] = int(fields[1])
    found = [root]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the whole tree so far."""
    return cpu_seconds_of(tree(root))


def cpu_seconds_of(found: Iterable[int]) -> float:
    """User and system time of these processes so far."""
    return sum(map(_cpu, found))


def pss_megabytes(root: int) -> float:
    """Proportional set size of the whole tree: shared pages are counted once."""
    return sum(_kilobytes(process, "smaps_rollup", "Pss:") for process in tree(root)) / 1024


def rss_megabytes(root: int) -> float:
    """Resident set size of the whole tree: shared pages are counted for each process."""
    return sum(_kilobytes(process, "status", "VmRSS:") for process in tree(root)) / 1024


def _cpu(process: int) -> float:
    """What one process used; 0 when it is gone. Its clock is made of its id as Linux does (`clock_getcpuclockid(3)`)."""
    try:
        return time.clock_gettime(~process << 3 | _SCHED_CLOCK)
    except OSError:
        return 0.0


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat after the command: state, parent, ...; empty when the process is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kilobytes(process: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
