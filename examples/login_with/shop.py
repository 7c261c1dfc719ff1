"""The shop: goods, an order, and its payment on the way from accepted to paid. What the APIs refuse is said in words that help."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from apis import ApiError, Moved, StepUp
from flask import Flask, abort, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

CURRENCY = "EUR"
Call = Callable[..., Any]


@dataclass(frozen=True)
class Goods:
    """Something to buy; `price` is in cents."""

    sku: str
    name: str
    about: str
    price: int


GOODS = (
    Goods("notebook", "Notebook", "Two hundred pages, stitched by hand.", 1200),
    Goods("pen", "Fountain pen", "A steel nib and a bottle of blue ink.", 4900),
    Goods("desk", "Writing desk", "Oak. So much money asks for a second step.", 124_900),
)
ODD = (
    Goods("vase", "Chipped vase", "Its payment is declined.", 6601),
    Goods("kettle", "Whistling kettle", "The bank answers too late, and is still paid only once.", 6603),
    Goods("clock", "Slow clock", "Its payment takes a few seconds: watch it.", 6605),
    Goods("globe", "Careful globe", "Your bank asks whether it is you who pays.", 6607),
)
"""Their prices are sums at which the payment simulator misbehaves."""
BY_SKU = {one.sku: one for one in (*GOODS, *ODD)}

STEPS = {
    "created": ("Accepted", "Your payment is written down. Nothing can get lost from here on."),
    "processing": ("On its way", "The bank has been asked."),
    "requires_authentication": ("Waiting for you", "Your bank wants to hear from you before it pays."),
    "authorized": ("Reserved", "The money is set aside."),
    "succeeded": ("Paid", "Thank you! The money has arrived."),
    "failed": ("Not paid", "No money was taken."),
    "canceled": ("Canceled", "What was set aside is free again."),
    "expired": ("Expired", "What was set aside is free again."),
    "partially_refunded": ("Partly given back", "A part of the money is on its way back."),
    "refunded": ("Given back", "The money is on its way back."),
}
COSTING = frozenset({"created", "processing", "authorized", "succeeded", "partially_refunded"})
"""What a called-off order does not stay at."""
REASONS = {
    "insufficient_funds": "Your bank declined: there is not enough money in the account. You can try again.",
    "authentication_failed": "Your bank declined: you did not confirm that it was you. You can try again.",
}


@dataclass(frozen=True)
class Tools:
    """What the pages need of the app around them."""

    call: Call
    """(token, method, path, **options): what an API answered; raises `ApiError` and `StepUp`."""
    logged_in: Callable[[Callable[..., Any]], Callable[..., Any]]
    authorize: Callable[..., Response]
    check_csrf: Callable[[], None]
    log_out: Callable[[Any], Response]
    """(token): to where the login that the token came of ends."""
    base_url: str
    """Where browsers find us."""


class Orders:
    """Orders and their payments, at the APIs."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def place(self, token: Any, sku: str, quantity: int, key: str) -> str:
        """Place an order, once for each key; returns its id."""
        line = {"sku": sku, "quantity": quantity, "unit_price": BY_SKU[sku].price}
        asked = {"lines": [line], "currency": CURRENCY}
        order = self._call(token, "POST", "/v2/orders", json=asked, headers={"Idempotency-Key": key})
        return str(order["id"])

    def latest(self, token: Any) -> Any:
        return self._call(token, "GET", "/v2/orders?limit=10")["items"]

    def show(self, token: Any, order_id: str) -> dict[str, Any]:
        """An order, the payment of its newest checkout with its steps so far, and where that payment is; nothing of a payment before there is one."""
        order = self._call(token, "GET", f"/v2/orders/{_named(order_id)}")
        checkouts = self._call(token, "GET", f"/v2/orders/{order['id']}/checkouts")["items"]
        newest = checkouts[-1] if checkouts else {"payment": None, "status": None}
        if newest["payment"] is None:
            status = {None: None, "running": "created"}.get(newest["status"], "failed")
            return {"order": order, "payment": None, "steps": [], "status": status}
        path = f"/v2/payments/{newest['payment']}"
        payment, taken = self._call(token, "GET", path), self._call(token, "GET", f"{path}/transitions")["items"]
        steps = [step for step in taken if step["version"] <= payment["version"]]  # it may have moved on meanwhile
        return {"order": order, "payment": payment, "steps": steps, "status": payment["status"]}

    def pay(self, token: Any, order_id: str, key: str) -> None:
        """Have an order paid, once for each key: it is acknowledged, and done later."""
        self._ask(token, f"/v2/orders/{_named(order_id)}/checkouts", key)

    def bank(self, token: Any, payment_id: str) -> str:
        """The page of their bank on which the payer confirms; raises `Moved` when nothing waits for them."""
        found = self._call(token, "GET", f"/v2/payments/{_named(payment_id)}/authentication")
        if urlsplit(found["url"]).scheme not in {"https", "http"}:
            raise ApiError("Your bank cannot be reached right now.")
        return str(found["url"])

    def call_off(self, token: Any, order_id: str, key: str) -> None:
        """Call an order off, once for each key: what it cost is given back later."""
        self._ask(token, f"/v2/orders/{_named(order_id)}/cancellations", key)

    def ask_back(self, token: Any, payment_id: str, key: str) -> None:
        """Ask for the money past the shop, which is not for customers to do."""
        self._ask(token, f"/v2/payments/{_named(payment_id)}/refunds", key)

    def _ask(self, token: Any, path: str, key: str) -> None:
        self._call(token, "POST", path, json={}, headers={"Idempotency-Key": key})


def install(app: Flask, tools: Tools) -> Orders:
    """Put the shop's pages into the app."""
    orders = Orders(tools.call)
    pages = {"by_sku": BY_SKU, "steps_in_words": STEPS, "reasons": REASONS, "price": price}
    app.jinja_env.globals.update(pages)

    @app.get("/shop")
    @tools.logged_in
    def shop(token: Any) -> str:
        return render_template("shop.html", goods=GOODS, odd=ODD, orders=orders.latest(token))

    @app.post("/orders")
    @tools.logged_in
    def place_order(token: Any) -> Response:
        tools.check_csrf()
        sku, quantity = request.form.get("sku", ""), request.form.get("quantity", "")
        if sku not in BY_SKU or quantity not in {str(number) for number in range(1, 10)}:
            abort(400)
        order = orders.place(token, sku, int(quantity), _key())
        return redirect(url_for("show_order", order_id=order), 303)

    @app.get("/orders/<order_id>")
    @tools.logged_in
    def show_order(token: Any, order_id: str) -> str:
        """Who comes back from their bank waits for what it tells us."""
        found = orders.show(token, order_id)
        hears = "back" in request.args and found["status"] == "requires_authentication"
        again = hears or unsettled(found["order"]["status"], found["status"])
        return render_template("order.html", **found, hears=hears, unsettled=again, moved="moved" in request.args)

    def moved(order_id: str) -> Response:
        """To the order as it stands now, in another window perhaps."""
        return redirect(url_for("show_order", order_id=order_id, moved=1), 303)

    @app.post("/orders/<order_id>/pay")
    @tools.logged_in
    def pay_order(token: Any, order_id: str) -> Response:
        """Pay; where the API wants a fresh or a stronger login for such a sum, go and get it."""
        tools.check_csrf()
        try:
            orders.pay(token, order_id, _key())
        except Moved:
            return moved(order_id)
        except StepUp as step_up:
            session["payment"] = {"order": order_id, "key": _key(), "exactly": False}
            return tools.authorize(**step_up.wanted)
        return redirect(url_for("show_order", order_id=order_id), 303)

    @app.post("/orders/<order_id>/bank")
    @tools.logged_in
    def go_to_the_bank(token: Any, order_id: str) -> Response:
        """To the page on which the payer confirms, and from there back to the order."""
        tools.check_csrf()
        try:
            page = orders.bank(token, request.form.get("payment", ""))
        except Moved:
            return moved(order_id)
        back = f"{tools.base_url}{url_for('show_order', order_id=order_id, back='bank')}"
        return redirect(f"{page}?{urlencode({'return_to': back})}", 303)

    @app.post("/orders/<order_id>/call-off")
    @tools.logged_in
    def call_off(token: Any, order_id: str) -> Response:
        tools.check_csrf()
        try:
            orders.call_off(token, order_id, _key())
        except Moved:
            return moved(order_id)
        return redirect(url_for("show_order", order_id=order_id), 303)

    @app.post("/orders/<order_id>/money-back")
    @tools.logged_in
    def money_back(token: Any, order_id: str) -> Response:
        tools.check_csrf()
        orders.ask_back(token, request.form.get("payment", ""), _key())
        return redirect(url_for("show_order", order_id=order_id), 303)

    return orders


def unsettled(order: str, payment: str | None) -> bool:
    """Whether an order in this status, whose payment is in that one, will soon be in another by itself."""
    waits_for_the_payer = payment == "requires_authentication"
    return (order == "awaiting_payment" and not waits_for_the_payer) or (order == "canceled" and payment in COSTING)


def price(value: int) -> str:
    """Cents as people write them."""
    return f"{value // 100:,}.{value % 100:02} {CURRENCY}"


def _named(identifier: str) -> str:
    """An id that came with a request, as one segment of a path."""
    return quote(identifier, safe="")


def _key() -> str:
    """The Idempotency-Key that came with the form, so that a form sent twice does one thing."""
    return request.form.get("key", "")[:64] or secrets.token_urlsafe(12)
