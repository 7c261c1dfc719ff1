"""A worker never outlives the process that started it: whatever ends that one, its port is free again."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """Watch for the end of the parent, in a thread, and end with it at once. A parent that stops in order ends its workers first, by signal."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent,), name="parent", daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()  # the end of a pipe that only the parent, and workers younger than this one, hold open
    os._exit(1)
