"""One Flask view guarded in three ways, so that the ways can be compared: `local`, `cached`, and asking the issuer each time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import requests
from flask import Flask, request
from token_guard import Guard, IssuerTrust
from token_guard.adapters.flask import FlaskGuard

View = Callable[..., Any]


def _local(cache_seconds: float) -> Callable[[View], View]:
    trust = IssuerTrust(os.environ["BENCH_ISSUER"], os.environ["BENCH_AUDIENCE"])
    return FlaskGuard(Guard(trust, cache_seconds=cache_seconds))("read")


def _asking(view: View) -> View:
    """RFC 7662 at each call, over a connection a thread keeps alive."""
    kept = threading.local()
    url = os.environ["BENCH_ISSUER"] + "/oauth/introspect"
    basic = (os.environ["BENCH_CLIENT"], os.environ["BENCH_SECRET"])

    def guarded() -> Any:
        if not hasattr(kept, "http"):
            kept.http = requests.Session()
            kept.http.auth = basic
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        told = kept.http.post(url, data={"token": token}, timeout=10).json()
        if not told["active"] or told["aud"] != os.environ["BENCH_AUDIENCE"] or "read" not in told["scope"].split():
            return {"error": "invalid_token"}, 401
        return view(principal=told)

    return guarded


_GUARDS = {"local": lambda: _local(0), "cached": lambda: _local(30), "asking": lambda: _asking}
app = Flask("bench.api")
guard = _GUARDS[os.environ["BENCH_GUARD"]]()


@app.get("/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.get("/things")
@guard
def things(principal: Any) -> dict[str, list[int]]:
    """What is protected."""
    return {"things": [1, 2, 3]}
