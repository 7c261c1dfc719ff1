"""A service as a value: what a process mounts, tells of events, runs beside the requests, and upgrades."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from token_guard import Guard

from resource_server.api.operation import Operation
from resource_server.api.revocations import Revocations
from resource_server.edges.joined import Edges
from resource_server.platform.metrics import Metrics
from resource_server.platform.secret import Secret
from resource_server.platform.store import Store
from resource_server.settings import Settings
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import Kind
from resource_server.work.steps import NO_STEPS, Steps

Listener = Callable[[str, Any], None]
"""(name, event): takes over what concerns it of a pushed event and passes over the rest; raises `Unacceptable`."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something done beside the requests, again and again, or `until_done` when it says True. It is repeated after a failure."""

    name: str
    run: Callable[[], object]
    until_done: bool = False
    every: float = 0.3
    """Seconds between two runs."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service is built of. The guard is that of its process; through `edges` it asks the others, which it never imports.

    A service that answers others joins its own face (`parts.edges.join(orders=...)`) when it is built, and asks for theirs only in a call.
    """

    settings: Settings
    guard: Guard
    edges: Edges
    secret: Secret
    metrics: Metrics
    steps: Steps = NO_STEPS


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its name is that of its schema, its audience and its metadata. `kinds` are the `jobs` it does, wherever workers run.

    `hooks`: the events it sends to whoever asked for them, by type. `follow` is called with the settings when those change that may,
    `renew_seals` when another secret is accepted besides ours: nothing that is kept needs it afterwards.
    """

    name: str
    store: Store
    guard: Guard
    revocations: Revocations
    operations: tuple[Operation, ...]
    listeners: tuple[Listener, ...] = ()
    work: tuple[Work, ...] = ()
    jobs: Jobs | None = None
    kinds: tuple[Kind, ...] = ()
    hooks: Mapping[str, type[BaseModel]] = field(default_factory=dict)
    follow: Callable[[Settings], None] = lambda _settings: None
    renew_seals: Callable[[], None] = lambda: None
