"""The desk of those who look after payments: how much waits, whether the books balance, and dead letters with a button that replays them.

They log in for it by themselves, with a scope that customers are never asked for; who may is for the API to say, by their role.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from flask import Flask, redirect, render_template, request, session, url_for
from logins import Logins
from shop import Tools
from werkzeug.wrappers import Response

SCOPE = "openid payments:operate"
KINDS = {
    "payment.charge": "Charge a payment",
    "payment.capture": "Take what was set aside",
    "payment.cancel": "Release what was set aside",
    "payment.refund": "Give money back",
    "payment.expire": "Release what was never taken",
    "webhook.deliver": "Tell a webhook",
    "orders.payment_changed": "Tell orders of a payment",
}
ACCOUNTS = {"receivable": "From customers", "cash": "With us", "refunds": "Given back"}


def install(app: Flask, tools: Tools, logins: Logins) -> Callable[[dict[str, Any]], Response]:
    """Put the desk's pages into the app; returns what ends a login that was made for it."""

    def token() -> dict[str, Any] | None:
        """The desk's own token while it is good; there is no refresh token beside it."""
        held = logins.tokens.get(session.get("desk", ""))
        return held if held is not None and held["expires_at"] > time.time() else None

    @app.get("/desk")
    def desk() -> str:
        held = token()
        if held is None:
            return render_template("desk_login.html")
        condition = tools.call(held, "GET", "/v2/condition")
        letters = tools.call(held, "GET", "/v2/dead-letters")["items"]
        words = {"kinds": KINDS, "accounts": ACCOUNTS, "money": money}
        return render_template("desk.html", condition=condition, letters=letters, **words)

    @app.post("/desk/login")
    def log_in_at_the_desk() -> Response:
        tools.check_csrf()
        session["at_the_desk"] = True
        return tools.authorize(scope=SCOPE, prompt="login")

    @app.post("/desk/replays")
    def replay() -> Response:
        tools.check_csrf()
        held = token()
        if held is not None:
            letter = request.form.get("letter", "")
            tools.call(held, "POST", f"/v2/dead-letters/{letter}/replays", json={})
        return redirect(url_for("desk"), 303)

    def arrived(fresh: dict[str, Any]) -> Response:
        logins.tokens.pop(session.get("desk", ""), None)
        session["desk"] = logins.keep(fresh)
        return redirect(url_for("desk"))

    return arrived


def money(value: int, currency: str) -> str:
    """Minor units as people write them (ISO 4217)."""
    places = {"JPY": 0, "KWD": 3}.get(currency, 2)
    return f"{Decimal(value).scaleb(-places):,.{places}f} {currency}"
