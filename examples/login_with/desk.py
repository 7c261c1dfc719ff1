"""The desk of those who look after payments: how much waits, whether the books balance, and dead letters with a button that replays them.

They log in for it by themselves, with a scope that customers are never asked for; who may is for the API to say, by their role.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from apis import NotThere
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
        words = {"kinds": KINDS, "accounts": ACCOUNTS, "money": money, "span": span}
        gaps = gaps_of(condition["ledger"]["accounts"])
        return render_template("desk.html", condition=condition, letters=condition["dead_letters"], gaps=gaps, **words)

    @app.post("/desk/login")
    def log_in_at_the_desk() -> Response:
        tools.check_csrf()
        session["at_the_desk"] = True
        return tools.authorize(scope=SCOPE, prompt="login")

    @app.post("/desk/replays")
    def replay() -> Response:
        """Try those again that the form names; what somebody else was faster with is done already."""
        tools.check_csrf()
        held = token()
        for letter in request.form.getlist("letter") if held is not None else ():
            with suppress(NotThere):
                tools.call(held, "POST", f"/v2/dead-letters/{quote(letter, safe='')}/replays", json={})
        return redirect(url_for("desk"), 303)

    @app.post("/desk/logout")
    def leave_the_desk() -> Response:
        tools.check_csrf()
        held = logins.tokens.pop(session.pop("desk", ""), None)
        return redirect(url_for("desk"), 303) if held is None else tools.log_out(held)

    def arrived(fresh: dict[str, Any]) -> Response:
        logins.tokens.pop(session.get("desk", ""), None)
        session["desk"] = logins.keep(fresh)
        return redirect(url_for("desk"))

    return arrived


def gaps_of(accounts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What all accounts of a currency sum to, in minor units, where that is not zero."""
    sums = Counter[str]()
    for one in accounts:
        sums[one["currency"]] += one["value"]
    return {currency: value for currency, value in sorted(sums.items()) if value}


def span(seconds: float) -> str:
    """A time span in its largest unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def money(value: int, currency: str) -> str:
    """Minor units as people write them (ISO 4217)."""
    places = {"JPY": 0, "KWD": 3}.get(currency, 2)
    return f"{Decimal(value).scaleb(-places):,.{places}f} {currency}"
