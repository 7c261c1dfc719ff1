"""The cluster: its nodes behind its balancer. Dead nodes are started again; a rolling restart takes them one after the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from cluster.balancer import Balancer
from cluster.node import Node, NotReady, Plan
from cluster.round_robin import RoundRobin

_WATCH_SECONDS = 0.2
_STARTS_AT_ONCE = 3


class Cluster:
    """A context manager: everything runs inside it. `revive` starts nodes again that died by themselves; `balance` makes what stands before them.

    `tell` is told of each that was started again, in words.
    """

    def __init__(
        self,
        folder: Path,
        plans: Iterable[Plan],
        *,
        listen: Mapping[str, int],
        revive: bool = True,
        balance: type[Balancer] | type[RoundRobin] = Balancer,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.nodes = {plan.name: Node(plan, folder) for plan in plans}
        servers: dict[str, list[str]] = {}
        for node in self.nodes.values():
            servers.setdefault(node.plan.group, []).append(node.plan.address)
        self.balancer = balance(folder / "balancer", listen=listen, servers=servers)
        self._ports = [*listen.values(), *(node.plan.port for node in self.nodes.values())]
        self._revive = revive
        self._tell = tell
        self._ended = threading.Event()
        self._changing = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def __enter__(self) -> Self:
        _require_free(self._ports)
        try:
            self.balancer.start()  # first: the services fetch the issuer's keys through it
            with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
                list(pool.map(_started, self.nodes.values()))
        except BaseException:
            self._stop()
            raise
        if self._revive:
            self._watcher.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._stop()

    def group(self, name: str) -> list[Node]:
        """The nodes of an upstream."""
        return [node for node in self.nodes.values() if node.plan.group == name]

    def serving(self, address: str) -> Node:
        """The node at this address, as nginx's log names it."""
        return next(node for node in self.nodes.values() if node.plan.address == address)

    def roll(self, names: Iterable[str] | None = None) -> dict[str, int]:
        """Restart nodes one at a time without a request being lost: out of nginx, drained, started, ready, in again.

        Returns each one's exit status.
        """
        return {name: self._restart(self.nodes[name]) for name in names or list(self.nodes)}

    def _restart(self, node: Node) -> int:
        with self._changing:
            self.balancer.take_out(node.plan.address)
            status = node.stop()
            _started(node)
            self.balancer.put_in(node.plan.address)
        return status

    def _watch(self) -> None:
        """nginx passes dead nodes over by itself, and finds them again once they answer."""
        while not self._ended.wait(_WATCH_SECONDS):
            with self._changing:
                for node in self.nodes.values():
                    if node.wanted and not node.alive:
                        node.start()
                        if self._tell is not None:
                            self._tell(f"{node.plan.name} was gone and is started again: process {node.pid}")

    def _stop(self) -> None:
        self.balancer.stop()
        with ThreadPoolExecutor(len(self.nodes) or 1) as pool:
            list(pool.map(Node.stop, self.nodes.values()))


def _require_free(ports: Iterable[int]) -> None:
    """Raises `RuntimeError`: whoever listens there would be taken for one of ours."""
    taken = [str(port) for port in ports if not _is_free(port)]
    if taken:
        raise RuntimeError(f"something else listens on port {', '.join(taken)}: stop it first")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what ended a moment ago is no hindrance
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _started(node: Node) -> None:
    node.start()
    try:
        node.wait_ready()
    except NotReady:
        node.kill()
        raise
