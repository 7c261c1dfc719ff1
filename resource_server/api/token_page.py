"""A page that takes an access token apart: what is in it, what that says, and what every check of this API finds.

The token comes in the body of a POST and goes nowhere: not into a URL, a log, a counter or a store. The page has no script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from flask import Response, render_template, request
from token_guard import Guard, Needs
from token_guard.checks import Check
from token_guard.explain import Explanation, Result, explain
from token_guard.presented import Presented

from resource_server.api.operation import Operation
from resource_server.api.problems import Problem

PATH = "/reference/token"
_FORM = "application/x-www-form-urlencoded"
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_NEEDS = Needs(on_stale="deny")
"""No scope; but that nothing is known of a revocation is said."""
_HEADER: Mapping[str, str] = {
    "typ": "what kind of token this is: an access token says at+jwt (RFC 9068 §2.1)",
    "alg": "how it is signed (RFC 7518 §3.1)",
    "kid": "which of the issuer's keys signed it (RFC 7515 §4.1.4)",
}
_CLAIMS: Mapping[str, str] = {
    "iss": "who issued it",
    "sub": "whom it speaks for: a person by an opaque id, or a service by its client_id",
    "aud": "which API it is for",
    "exp": "when it ends",
    "nbf": "when it begins",
    "iat": "when it was issued",
    "jti": "the id of this very token",
    "client_id": "the app that got it",
    "scope": "what the person allowed the app",
    "auth_time": "when the person logged in",
    "acr": "how well they logged in",
    "amr": "with what they logged in (RFC 8176)",
    "roles": "the person's roles when it was issued",
    "cnf": "the key or certificate that its sender must hold (RFC 7800)",
    "act": "who acts for the person (RFC 8693 §4.1)",
    "may_act": "who may act for the person (RFC 8693 §4.4)",
    "authorization_details": "what was allowed in detail (RFC 9396)",
    "status": "where its place in a list of revoked tokens is",
}
_TIMES = frozenset({"exp", "nbf", "iat", "auth_time"})
_ASKED: Mapping[Check, str] = {
    Check.SHAPE: "Is it three parts of base64url that are JSON?",
    Check.TYPE: "Is it an access token?",
    Check.ALGORITHM: "Is it signed as this API lets its issuer sign?",
    Check.HEADER: "Does the header name a key, and bring none of its own?",
    Check.ISSUER: "Does this API trust the issuer?",
    Check.CLAIMS: "Is every claim there that must be, and of the right kind?",
    Check.AUDIENCE: "Is it for this API?",
    Check.EXPIRED: "Is it still good?",
    Check.NOT_YET: "Has it begun?",
    Check.LIFETIME: "Does it live no longer than this API accepts?",
    Check.KEY: "Does the issuer publish the key?",
    Check.SIGNATURE: "Does the signature fit both parts, as they stand?",
    Check.BINDING: "Is it sent in the way it is bound?",
    Check.STATUS: "Has nobody revoked it?",
}
"""What concerns a token by itself; the other checks ask about a request."""


class TokenPage:
    """Judges tokens as the services of this process would, with the keys and lists of `guard`, and without a trace."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard.unobserved()

    def operations(self) -> list[Operation]:
        return [Operation("GET", PATH, None, self.show), Operation("POST", PATH, None, self.judge)]

    def show(self) -> Response:
        """The empty form."""
        return _page()

    def judge(self) -> Response:
        """What is in the token of the form; 415 for anything but a form."""
        if request.mimetype != _FORM:
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", f"The body must be {_FORM}.")
        token = _bare(request.form.get("token", ""))
        if not token:
            return _page()
        presented = Presented(authorization=(f"Bearer {token}",))
        found = explain(guard=self._guard, presented=presented, needs=_NEEDS)
        signed = token.rpartition(".")[2] if found.header else ""
        return _page(found=found, **_shown(found), signature=signed)


def _bare(text: str) -> str:
    """The token without what is often copied along."""
    words = text.strip().removeprefix("Authorization:").strip()
    scheme, _, rest = words.partition(" ")
    return rest.strip() if scheme.lower() in {"bearer", "dpop"} else words


def _shown(found: Explanation) -> dict[str, Any]:
    return {
        "header": [_row(name, value, _HEADER) for name, value in found.header.items()],
        "claims": [_row(name, value, _CLAIMS) for name, value in found.claims.items()],
        "checks": list(_checks(found)),
    }


def _row(name: str, value: Any, meanings: Mapping[str, str]) -> tuple[str, str, str]:
    """A member, its value as JSON, and what it says."""
    meaning, moment = meanings.get(name, ""), _moment(value) if name in _TIMES else ""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:  # it could just be read
        text = "..."
    return name, text, f"{meaning}: {moment}" if moment else meaning


def _moment(value: Any) -> str:
    """A time for people; nothing where it is none."""
    try:
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def _checks(found: Explanation) -> Iterator[tuple[str, str, Result]]:
    """The checks of a token, and whichever else refused."""
    for check, result in found.checks:
        if check in _ASKED or result == "refused":
            yield check, _ASKED.get(check, "Can this be found out now?"), result


def _page(**found: Any) -> Response:
    text = render_template("token.html", path=PATH, **found)
    response = Response(
        text.encode("utf-8", "replace"), content_type="text/html; charset=utf-8"
    )  # JSON has half characters
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
