"""Servers fork: what holds locks or waits for threads starts anew in the child, where those threads are not."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something that must know when its process is a fresh child."""

    def after_fork(self) -> None:
        """Called in the child, before anything else runs there."""


_ALL: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def survive_forks(one: ForkAware) -> None:
    """Let it be told in every child, for as long as it lives."""
    _ALL.add(one)


def _tell() -> None:
    for one in list(_ALL):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
