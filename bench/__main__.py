"""`make bench`: measure everything in one run, compare with the goals, and with peers when asked (PEER=1)."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench import cluster, guard, load, login_cpu, payments, processes, revocation, works
from bench import logins as beside
from bench.load import Measured, Repeat
from bench.peer import Peer, install
from bench.peer.canaille import Canaille
from bench.peer.pythons import PythonPeer
from bench.peer.toolkit import Toolkit
from bench.report import write
from bench.subject import Subject

_FLOW_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """How long each piece of work runs."""

    seconds: float
    rounds: int
    starts: int
    memory_requests: int
    growth_warm_up: int
    growth_tokens: int
    revocations: int
    payment_calls: int
    payments: int


FULL = Plan(5.0, 5, 5, 10_000, 20_000, 200_000, 30, 400, 1_000_000)
QUICK = Plan(1.0, 1, 1, 2_000, 2_000, 10_000, 6, 40, 10_000)


@dataclass(slots=True)
class Bench:
    """One run: its figures as they come."""

    plan: Plan
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, **figures: float) -> None:
        """Keep figures and tell them."""
        for name, value in figures.items():
            self.tell(name, value)

    def tell(self, name: str, value: float) -> None:
        self.figures[name] = value
        print(f"  {name}: {value:,.3f}", file=sys.stderr, flush=True)

    def measured(self, name: str, measured: Measured) -> None:
        self.tell(f"{name}/s", measured.rate)
        self.tell(f"{name} p50 ms", measured.p50)
        self.tell(f"{name} p99 ms", measured.p99)


def repeated(bench: Bench, address: tuple[str, int], script: Repeat) -> Callable[[], Measured]:
    return lambda: load.run(address, lambda _number: script, seconds=bench.plan.seconds)


def side_by_side(bench: Bench, subject: Subject, peer: Peer | None) -> None:
    """Tokens, JWKS and discovery, ours and the peer's in turn."""
    pairs: dict[str, tuple[Repeat, Callable[[Peer], Repeat]]] = {
        "tokens": (works.service_tokens(subject), works.peer_service_tokens),
        "JWKS": (Repeat(load.get("/oauth/jwks")), lambda _peer: Repeat(load.get("/jwks"))),
        "discovery": (
            Repeat(load.get("/.well-known/openid-configuration")),
            lambda _peer: Repeat(load.get("/.well-known/openid-configuration")),
        ),
    }
    for name, (ours, theirs) in pairs.items():
        other = repeated(bench, peer.address, theirs(peer)) if peer else None
        mine, peers = works.interleaved(repeated(bench, subject.address, ours), other, bench.plan.rounds)
        bench.measured(name, mine)
        if peers is not None:
            bench.measured(f"node {name}", peers)


def flows(bench: Bench, subject: Subject, folder: Path | None) -> None:
    """Code flows with a session that exists; the peer keeps sessions in memory, so one process of it does them."""
    seconds, ours = bench.plan.seconds, works.code_flows(subject)
    measured, cpu = works.flows_with_cpu(subject.address, subject.pid, ours, seconds, _FLOW_CONNECTIONS)
    bench.measured("code flows", measured)
    bench.tell("code flow CPU ms", cpu)
    if folder is not None:
        with Peer(folder, workers=1) as peer:
            theirs = peer.code_flows()
            measured, cpu = works.flows_with_cpu(peer.address, peer.pid, theirs, seconds, _FLOW_CONNECTIONS)
            bench.measured("node code flows", measured)
            bench.tell("node code flow CPU ms", cpu)


def in_turn(bench: Bench, subject: Subject, peer: PythonPeer, folder: Path) -> None:
    """Ours and a peer in Python: logins first, while the tables of both are empty, then tokens."""
    with peer:
        if isinstance(peer, Canaille):
            with Subject(folder / "logins-in-turn", bcrypt_cost="4") as fresh:
                mine, theirs = login_cpu.beside(fresh, peer, 2 * bench.plan.rounds)
            bench.tell(f"login CPU ms beside {peer.name}", mine)
            bench.tell(f"{peer.name} login CPU ms", theirs)
        ours = repeated(bench, subject.address, works.service_tokens(subject))
        other = repeated(bench, peer.address, peer.service_tokens())
        measured, peers = works.interleaved(ours, other, bench.plan.rounds)
        bench.tell(f"tokens/s beside {peer.name}", measured.rate)
        if peers is not None:
            bench.measured(f"{peer.name} tokens", peers)
    bench.notes.append(peer.about)


def alone(bench: Bench, subject: Subject) -> None:
    """What is compared with nobody, or with ourselves."""
    plan = bench.plan
    bench.measured("refreshes", works.refreshes(subject, plan.seconds))
    bench.measured("introspections", works.introspections(subject, plan.seconds))
    names = {"local": "local", "cached": "cached", "asking": "introspection"}
    for way, measured in works.protected_calls(subject, plan.seconds).items():
        bench.tell(f"protected calls/s, {names[way]}", measured.rate)
    bench.tell("login CPU ms", login_cpu.milliseconds(subject, 10 * plan.rounds, login_cpu.known_device(subject)))
    bench.tell("login CPU ms, new browser", login_cpu.milliseconds(subject, 10 * plan.rounds, None))
    for promise, seconds in works.promises(subject).items():
        bench.tell(f"seconds until {promise}", seconds)


def logins(bench: Bench, subject: Subject, folder: Path) -> None:
    """What a login costs beside its hash, and what it costs others."""
    bench.tell("login beside the hash ms", beside.beside_the_hash(subject, 20 * bench.plan.rounds))
    for name, value in beside.tokens_meanwhile(folder / "logins", bench.plan.seconds, bench.plan.rounds).items():
        bench.tell(name, value)


def revocations(bench: Bench, folder: Path) -> None:
    """What APIs spend: on a token, and on status lists, with how soon these reach them, how large they are, what they cost each token."""
    bench.add(**guard.validations())
    bench.add(**revocation.lists())
    bench.add(**revocation.handing_out(folder, bench.plan.memory_requests * 10))
    bench.add(**revocation.reaching(folder / "revocation", bench.plan.revocations))


def sizes(bench: Bench, subject: Subject, folder: Path) -> None:
    """Cold start, memory, and growth under load."""
    plan = bench.plan
    bench.tell("cold start s", works.cold_start(subject, plan.starts))
    bench.tell("RSS growth %", 100 * works.growth(subject, plan.growth_warm_up, plan.growth_tokens))
    for workers, word in ((2, "two workers"), (1, "one worker")):
        found = works.memory(folder / f"memory-{workers}", workers, plan.memory_requests)
        bench.tell(f"PSS MB at start, {word}", found["at start"])
        bench.tell(f"PSS MB, {word}", found["after load"])


def nodes(bench: Bench, folder: Path) -> None:
    """From one node to three, where there is an nginx to stand before them."""
    try:
        bench.add(**cluster.growth(folder / "cluster", bench.plan.seconds))
    except RuntimeError as error:
        bench.notes.append(f"Several nodes were not measured: {error}.")


def paying(bench: Bench, folder: Path) -> None:
    """What asking first and doing later is worth, and that payments which are many cost no more than few."""
    plan = bench.plan
    bench.add(**payments.taken(folder / "paying", plan.seconds))
    bench.add(**payments.waiting(folder / "waiting", plan.payment_calls))
    bench.add(**payments.growth(folder / "payments", plan.payment_calls, plan.payments))


def run(bench: Bench, folder: Path, peer_folder: Path | None, pythons: Sequence[PythonPeer]) -> None:
    bench.tell("raw ES256/s", works.raw_signatures(bench.plan.seconds / 2))
    with ExitStack() as stack:
        subject = stack.enter_context(Subject(folder / "subject", bcrypt_cost="4"))
        peer = stack.enter_context(Peer(peer_folder, workers=2)) if peer_folder else None
        if peer is not None:
            bench.tell("node PSS MB at start", processes.pss_megabytes(peer.pid))
        side_by_side(bench, subject, peer)
        flows(bench, subject, peer_folder)
        for python in pythons:
            in_turn(bench, subject, python, folder)
        alone(bench, subject)
        logins(bench, subject, folder)
        sizes(bench, subject, folder)
    revocations(bench, folder)
    paying(bench, folder)
    nodes(bench, folder)
    if peer_folder is not None:
        starts = []
        for _ in range(bench.plan.starts):
            with Peer(peer_folder, workers=2) as started:
                starts.append(started.cold_start)
        bench.tell("node cold start s", sorted(starts)[len(starts) // 2])


def installed(bench: Bench, folder: Path) -> tuple[Path | None, list[PythonPeer]]:
    """Where the npm package is, and the peers in Python; the report tells which could not be installed."""
    faults = {"oidc-provider": install(folder / "peer")}
    pythons = [kind(folder / kind.name) for kind in (Canaille, Toolkit)]
    faults |= {python.name: python.install() for python in pythons}
    bench.notes += [f"{name} was not run: {fault}." for name, fault in faults.items() if fault]
    return None if faults["oidc-provider"] else folder / "peer", [one for one in pythons if not faults[one.name]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a short run that shows everything works; its figures mean little"
    )
    parser.add_argument(
        "--peer",
        action="store_true",
        help="also run peers: the npm package oidc-provider (needs node and npm), Canaille and django-oauth-toolkit (from PyPI)",
    )
    parser.add_argument("--out", type=Path, default=Path("bench/results"), help="where the report goes")
    given = parser.parse_args()
    bench = Bench(QUICK if given.quick else FULL)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if given.peer or os.environ.get("PEER") == "1":
            run(bench, folder, *installed(bench, folder))
        else:
            run(bench, folder, None, ())
    print(write(given.out, bench.figures, bench.notes))


if __name__ == "__main__":
    main()
