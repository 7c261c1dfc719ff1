"""A Flask API behind token_guard.

ISSUER=http://127.0.0.1:8000 AUDIENCE=http://127.0.0.1:8010 python examples/guarded_flask/app.py
"""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request
from token_guard import Guard, IssuerTrust, Needs, Principal, at_least
from token_guard.adapters.flask import FlaskGuard

READ = Needs(scopes=("payments:read",))
WRITE = Needs(scopes=("payments:write",), on_stale="deny")
STRONG = Needs(acr_values=at_least("2fa", order=("1fa", "2fa", "phr")), max_age=300)
MUCH = 100_000


def create_app(issuer: str, audience: str) -> Flask:
    """The API; what an operation needs stands beside it, and in the metadata that clients read."""
    app = Flask("payments")
    guard = Guard(IssuerTrust(issuer, audience), resource=audience)
    guarded = FlaskGuard(guard)

    @app.get("/payments")
    @guarded(needs=READ)
    def payments(principal: Principal) -> dict[str, Any]:
        return {"payments_of": principal.subject}

    @app.post("/payments")
    @guarded(needs=WRITE)
    def pay(principal: Principal) -> tuple[dict[str, Any], int]:
        cents = request.get_json()["cents"]
        if cents >= MUCH:
            guard.require(principal, STRONG)
        return {"paid": cents, "by": principal.subject}, 201

    @app.get("/.well-known/oauth-protected-resource")
    def metadata() -> dict[str, Any]:
        return dict(guard.metadata([READ, WRITE], resource_name="Payments"))

    @app.get("/metrics")
    def metrics() -> tuple[str, dict[str, str]]:
        return guard.metrics(), {"Content-Type": "text/plain; version=0.0.4"}

    return app


if __name__ == "__main__":
    create_app(os.environ["ISSUER"], os.environ["AUDIENCE"]).run(port=int(os.environ.get("PORT", "8010")))
