"""The certification plans, what each is run with, and the short names they are asked for by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Registration = Literal["static", "dynamic"]
Browser = Literal["scripted", "chromium"]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of a plan of the suite.

    `registration`: whether we register the clients beforehand or the suite does it by itself.
    `browser`: the suite's own scripted one, or the machine's Chromium where the plan needs frames that talk to each other.
    """

    name: str
    suite_name: str
    variant: Mapping[str, str] = field(default_factory=dict)
    registration: Registration = "static"
    browser: Browser = "scripted"


RESPONSE_TYPES = ("code", "code id_token", "code token", "code id_token token", "id_token", "id_token token")


def _suite_name(name: str) -> str:
    return f"oidcc-{name}-certification-test-plan"


def _base(name: str, registration: Registration = "static") -> Plan:
    """A profile of OpenID Connect Core, with clients registered either way."""
    variant = {"server_metadata": "discovery", "client_registration": f"{registration}_client"}
    suffix = "" if registration == "static" else "-dynamic-clients"
    return Plan(name + suffix, _suite_name(name), variant, registration)


def _logout(name: str, registration: Registration = "dynamic", browser: Browser = "scripted") -> Plan:
    """A logout profile. Where the suite registers the client, only its own run of the plan hears of the logout."""
    variant = {"response_type": "code", "client_registration": f"{registration}_client"}
    return Plan(name, _suite_name(name), variant, registration, browser)


def _by_response_type(name: str, response_type: str) -> Plan:
    """A plan that registers its clients by itself and knows one response type at a time."""
    suffix = "" if response_type == "code" else ":" + response_type.replace(" ", "+")
    return Plan(name + suffix, _suite_name(name), {"response_type": response_type}, "dynamic")


PLANS: tuple[Plan, ...] = (
    Plan("config", _suite_name("config")),
    _base("basic"),
    _base("basic", "dynamic"),
    _base("implicit"),
    _base("implicit", "dynamic"),
    _base("hybrid"),
    _base("hybrid", "dynamic"),
    *(_by_response_type("dynamic", response_type) for response_type in RESPONSE_TYPES),
    _base("formpost-basic"),
    _base("formpost-implicit"),
    _base("formpost-hybrid"),
    _by_response_type("3rdparty-init-login", "code"),
    _logout("rp-initiated-logout", "static"),
    _logout("session-management", browser="chromium"),
    _logout("frontchannel-rp-initiated-logout"),
    _logout("backchannel-rp-initiated-logout"),
)


def chosen(names: list[str]) -> list[Plan]:
    """The plans of these names in our order, all of them for no name; raises `SystemExit` for a name there is not."""
    known = {plan.name for plan in PLANS}
    if unknown := sorted(set(names) - known):
        raise SystemExit(f"no plan {unknown[0]}; there are {', '.join(plan.name for plan in PLANS)}")
    return [plan for plan in PLANS if not names or plan.name in names]
