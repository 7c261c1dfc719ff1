"""What the APIs answer when they do not do it, said so that a person knows what to do."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation

import requests

AWAY = "The shop cannot be reached right now."


class ApiError(Exception):
    """The API refused, or could not be reached; 400: it is for the person to do something else.

    `number`: how the API's log knows the request.
    """

    def __init__(self, sentence: str, status: int = 502, number: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.number = number


class NotThere(ApiError):
    """There is no such thing, or it is somebody else's."""


class Moved(ApiError):
    """What was asked for does not fit any more, or is being done already: look again."""


class StepUp(Exception):
    """The API wants a better or younger login; `wanted` are the parameters of the authorization request that gets it (RFC 9470)."""

    def __init__(self, wanted: dict[str, str]) -> None:
        super().__init__(str(wanted))
        self.wanted = wanted


def step_up_of(answer: requests.Response) -> StepUp | None:
    """The step-up that a refusal asks for, if it does (RFC 9470 §3)."""
    told = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
    if told.get("error") != "insufficient_user_authentication":
        return None
    return StepUp({name: told[name] for name in ("acr_values", "max_age") if name in told})


def exactly(payment: dict[str, str], api: str) -> str:
    """The authorization details of one payment and nothing else (RFC 9396); raises `ApiError` for an amount that is none."""
    try:
        value = Decimal(payment["amount"]).scaleb(0 if payment["currency"] == "JPY" else 2)
    except InvalidOperation as error:
        raise ApiError("That is no amount.", 400) from error
    if not value.is_finite() or value != value.to_integral_value() or not 0 < value < 2**53:
        raise ApiError("That is no amount.", 400)
    amount = {"value": int(value), "currency": payment["currency"]}
    entry = {"type": "payment_initiation", "actions": ["create"], "locations": [api], "instructed_amount": amount}
    return json.dumps([entry])


def refused_by(answer: requests.Response) -> Exception:
    """What to raise for an answer that is no success (RFC 6750 §3, RFC 9457)."""
    step_up = step_up_of(answer)
    if step_up is not None:
        return step_up
    number = answer.headers.get("X-Request-Id")
    if answer.status_code == 403:
        return ApiError(_not_allowed(answer), 403, number)
    if answer.status_code == 404:
        return NotThere(_detail(answer), 400, number)
    if answer.status_code == 409:
        return Moved(_detail(answer), 400, number)
    return ApiError(_detail(answer), 400 if answer.status_code in {400, 422} else 502, number)


def _not_allowed(answer: requests.Response) -> str:
    told = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
    if told.get("error") != "insufficient_scope":
        return "You may not do that. Nothing was changed."
    needed = f" (it would need “{told['scope']}”)" if "scope" in told else ""
    return f"This shop was not given the right to do that{needed}. Nothing was changed."


def _detail(answer: requests.Response) -> str:
    """The sentence of a problem document; a balancer that finds nobody behind it sends none."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return AWAY if answer.status_code >= 500 else "The shop refused the request."
