"""`python -m conformance --suite URL`: run the certification plans of a running suite against this provider."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from conformance.chromium import Chromium
from conformance.plans import PLANS, chosen
from conformance.provider import Provider
from conformance.report import explanations, page, unexplained
from conformance.results import Outcome, Results
from conformance.run import Runner
from conformance.suite import Suite

_ROOT = Path(__file__).parents[1]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument(
        "--suite", required=True, metavar="URL", help="where the suite runs, e.g. https://localhost:8443"
    )
    parser.add_argument("--issuer", default="https://127.0.0.1:9443", metavar="URL", help="where to start the provider")
    parser.add_argument("--cert", required=True, type=Path, help="the provider's TLS certificate (PEM)")
    parser.add_argument("--key", required=True, type=Path, help="its key (PEM)")
    parser.add_argument("--ca", type=Path, help="the authority that signed both sides' certificates (PEM)")
    parser.add_argument("--data", type=Path, help="keep the provider's data and log in this folder")
    parser.add_argument("--results", type=Path, default=_ROOT / "artifacts" / "conformance.json")
    parser.add_argument("--report", type=Path, help="write all results so far as a page, e.g. docs/conformance.md")
    parser.add_argument("--module", action="append", default=[], help="run this module only; results are not kept")
    parser.add_argument(
        "plans", nargs="*", metavar="PLAN", help=f"{', '.join(plan.name for plan in PLANS)}; default all"
    )
    return parser.parse_args()


def main() -> int:
    """Run, keep and report; 1 when a module failed or has a warning or skip without a written reason."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that what was started is stopped
    given = _arguments()
    plans = chosen(given.plans)
    suite = Suite(given.suite, given.ca)
    results = Results.read(given.results)
    results.suite = suite.version()
    everything: list[Outcome] = []
    provider = Provider(issuer=given.issuer, certificate=given.cert, key=given.key, ca=given.ca, folder=given.data)
    with provider, Chromium(provider.person) as chromium:
        provider.register_clients(suite.url)
        for plan in plans:
            outcomes = Runner(suite, provider, chromium).run(plan, given.module)
            everything += outcomes
            if not given.module:
                results.put(plan.name, datetime.now(UTC).date().isoformat(), outcomes)
    if given.report:
        given.report.write_text(page(results), "utf-8")
    return _verdict(everything)


def _verdict(outcomes: list[Outcome]) -> int:
    left = unexplained(outcomes, explanations())
    for outcome in left:
        print(f"not accepted: {outcome.result} {outcome.plan} {outcome.module} {outcome.variant}")
    print(f"{len(outcomes)} modules, {len(left)} not accepted")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
