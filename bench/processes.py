"""What a server and its children use: CPU seconds and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


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
    total = 0
    for process in found:
        fields = _stat(process)
        total += int(fields[11]) + int(fields[12]) if fields else 0
    return total / _TICKS


def pss_megabytes(root: int) -> float:
    """Proportional set size of the whole tree: shared pages are counted once."""
    return sum(_kilobytes(process, "smaps_rollup", "Pss:") for process in tree(root)) / 1024


def rss_megabytes(root: int) -> float:
    """Resident set size of the whole tree: shared pages are counted for each process."""
    return sum(_kilobytes(process, "status", "VmRSS:") for process in tree(root)) / 1024


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
