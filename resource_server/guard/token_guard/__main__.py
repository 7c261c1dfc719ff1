"""The `token-guard` command: `explain` says which check refuses a token, and how to fix it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from token_guard.certificates import pem_thumbprint
from token_guard.explain import Explanation, explain, explain_logged
from token_guard.fetch import Fetched, FetchError
from token_guard.guard import Guard
from token_guard.needs import Needs
from token_guard.outbound import Limits
from token_guard.presented import Presented
from token_guard.status_cache import StatusPolicy
from token_guard.trust import IssuerTrust

ACCEPTED, REFUSED, WRONG_USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status is 0 for a good token, 1 for one that is refused, 2 for wrong usage."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        explanation = _from_log(given) if given.log else _judged(given)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if explanation is None:
        print("no refusal with this trace id is in the log", file=sys.stderr)
        return REFUSED
    print(json.dumps(explanation.document()) if given.json else explanation.text())
    return REFUSED if explanation.check else ACCEPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("token-guard", description=__doc__)
    explains = parser.add_subparsers(required=True).add_parser(
        "explain", help="which check refuses a token, and how to fix it"
    )
    explains.add_argument(
        "token", nargs="?", default="-", help="file with the token; - (the default) reads it from stdin"
    )
    explains.add_argument("--issuer", help="the issuer this API trusts")
    explains.add_argument(
        "--audience", action="append", default=[], help="what this API is called there; may be repeated"
    )
    explains.add_argument("--jwks", type=Path, help="file with the issuer's keys; then nothing is fetched")
    explains.add_argument("--scope", action="append", default=[], help="a scope the operation needs; may be repeated")
    explains.add_argument("--dpop", type=Path, help="file with the DPoP proof of the request")
    explains.add_argument("--method", default="GET", help="the request's method")
    explains.add_argument("--url", help="the request's URL as the client sees it")
    explains.add_argument("--certificate", type=Path, help="PEM file with the client's certificate")
    explains.add_argument("--at", type=float, help="judge as of this time, in epoch seconds")
    explains.add_argument("--log", type=Path, help="look for a refusal in this log instead")
    explains.add_argument("--trace-id", help="the trace id to look for")
    explains.add_argument("--json", action="store_true", help="print one JSON document")
    return parser


def _from_log(given: argparse.Namespace) -> Explanation | None:
    if not given.trace_id:
        raise ValueError("--log needs --trace-id")
    with given.log.open(encoding="utf-8", errors="replace") as lines:
        return explain_logged(lines=lines, trace_id=given.trace_id)


def _judged(given: argparse.Namespace) -> Explanation:
    if not given.issuer or not given.audience:
        raise ValueError("--issuer and --audience say for whom the token is judged")
    token = (sys.stdin.read() if given.token == "-" else Path(given.token).read_text("utf-8")).strip()  # noqa: S105 - no secret
    parts = urlsplit(given.url or "")
    presented = Presented(
        authorization=(f"{'DPoP' if given.dpop else 'Bearer'} {token}",),
        proofs=(given.dpop.read_text("utf-8").strip(),) if given.dpop else (),
        method=given.method,
        path=parts.path,
        certificate=pem_thumbprint(given.certificate.read_text("utf-8")) if given.certificate else None,
    )
    return explain(guard=_guard(given), presented=presented, needs=Needs(scopes=tuple(given.scope)))


def _guard(given: argparse.Namespace) -> Guard:
    parts = urlsplit(given.url or "")
    jwks: Any = json.loads(given.jwks.read_text("utf-8")) if given.jwks else None
    trust = IssuerTrust(given.issuer, tuple(given.audience), jwks=jwks)
    status = StatusPolicy(fetch=_fetch_nothing) if given.jwks else None
    at = given.at
    return Guard(
        trust,
        base_url=f"{parts.scheme}://{parts.netloc}" if parts.netloc else None,
        status=status,
        now=time.time if at is None else lambda: at,
    )


def _fetch_nothing(_uri: str, _limits: Limits, _etag: str | None) -> Fetched:
    raise FetchError("nothing is fetched")


if __name__ == "__main__":
    sys.exit(main())
