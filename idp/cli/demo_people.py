"""The people of the demo: one with everything on their account pages, one who needs a second step, and one who looks after payments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import pyotp

from idp.errors import Refused
from idp.users.people import Person, Visitor
from idp.users.totp import STEP_SECONDS
from idp.wiring import House

_CLAIMS = {
    "name": "Demo Person",
    "given_name": "Demo",
    "family_name": "Person",
    "nickname": "Demo",
    "website": "https://example.com",
    "zoneinfo": "Europe/Berlin",
    "locale": "en",
    "phone_number": "+49 30 5550100",
    "address": {"street_address": "Hauptstr. 1", "postal_code": "10115", "locality": "Berlin", "country": "DE"},
}
_ELSEWHERE = (
    Visitor(
        "203.0.113.7",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.5 Mobile/15E148 Safari/604.1",
    ),
    Visitor("198.51.100.24", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0"),
)
SECOND, STAFF = "grace", "staff"


def fresh() -> dict[str, str]:
    """Their names and passwords."""
    return {
        "username": "demo",
        "password": secrets.token_urlsafe(12),
        "second_username": SECOND,
        "second_password": secrets.token_urlsafe(12),
        "staff_username": STAFF,
        "staff_password": secrets.token_urlsafe(12),
    }


def settle(house: House, made: Mapping[str, str]) -> dict[str, str]:
    """Make them, in place of what an unfinished first run left behind; returns what is known of them afterwards only."""
    for name in (made["username"], made["second_username"], made["staff_username"]):
        left = house.accounts.by_username(name)
        if left is not None:
            house.accounts.delete(left.sub)
    first = _person(house, made["username"], made["password"], _CLAIMS)
    for visitor in _ELSEWHERE:
        with house.database.write() as tx:
            house.sessions.open(tx, first.sub, acr="1fa", amr=("pwd",), previous=None, visitor=visitor)
    second = _person(house, made["second_username"], made["second_password"], {"name": "Grace Example"})
    _person(house, made["staff_username"], made["staff_password"], {"name": "Sam Staff"}, roles=("finance",))
    return _second_step(house, second)


def _person(house: House, name: str, password: str, claims: Mapping[str, Any], roles: tuple[str, ...] = ()) -> Person:
    return house.accounts.create(
        username=name, email=f"{name}@example.com", email_verified=True, password=password, claims=claims, roles=roles
    )


def _second_step(house: House, person: Person) -> dict[str, str]:
    """An authenticator app, whose key goes into one's own, and recovery codes for who has none at hand."""
    offer = house.authenticators.offer(person.sub, person.username)
    earlier = pyotp.TOTP(offer.secret).at(
        house.clock.now() - STEP_SECONDS
    )  # the present code stays good for the first login
    with house.database.write() as tx:
        if not house.authenticators.accept(tx, person.sub, offer.sealed, earlier):
            raise Refused("demo", "the clock moved while the demo was made: start it again")
        codes = house.recovery_codes.renew(tx, person.sub)
    return {"second_key": offer.secret, "second_recovery_code": codes[0]}
