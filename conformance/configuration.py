"""The configuration of a plan, put together from the JSON files beside: who we are, the clients, the steps of the suite's browser."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.plans import Plan

ALIAS = "idp"
"""The suite's endpoints for our clients lie below `/test/a/` and this."""

_FOLDER = Path(__file__).parent / "configurations"


def read(name: str, **values: str) -> Any:
    """A JSON file of ours with `{NAME}` replaced in every string."""
    return _replaced(json.loads((_FOLDER / name).read_text("utf-8")), values)


def _replaced(document: Any, values: Mapping[str, str]) -> Any:
    match document:
        case dict():
            return {key: _replaced(value, values) for key, value in document.items()}
        case list():
            return [_replaced(value, values) for value in document]
        case str():
            for name, value in values.items():
                document = document.replace(f"{{{name}}}", value)
    return document


def client_base(suite: str) -> str:
    """Where the clients that the suite plays live."""
    return f"{suite}/test/a/{ALIAS}"


def configuration(
    plan: Plan, *, issuer: str, person: Mapping[str, Any], clients: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What the suite is told when the plan is created."""
    document: dict[str, Any] = {
        "alias": ALIAS,
        "description": f"{plan.name} against {issuer}",
        "server": {"discoveryUrl": f"{issuer}/.well-known/openid-configuration", "login_hint": person["username"]},
        **_clients(plan, clients),
    }
    if plan.browser == "scripted":
        document |= _browser(issuer, person)
    return document


def _clients(plan: Plan, clients: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    if plan.registration == "dynamic":
        return {name: {"client_name": f"Conformance {name}"} for name in ("client", "client2")}
    return {
        name: {"client_id": client["client_id"], "client_secret": client["client_secret"]}
        for name, client in clients.items()
    }


def _browser(issuer: str, person: Mapping[str, Any]) -> dict[str, Any]:
    """The default steps of the scripted browser, and those of the modules that expect other pages."""
    steps = read("browser.json", ISSUER=issuer, USERNAME=person["username"], PASSWORD=person["password"])

    def visits(names: list[str]) -> list[dict[str, Any]]:
        found = [steps["visits"][name] for name in names]
        return [{**visit, "tasks": [steps["tasks"][task] for task in visit["tasks"]]} for visit in found]

    scripted = {module: {"browser": visits(names)} for module, names in steps["modules"].items()}
    return {
        "browser": visits(steps["default"]),
        "override": {**scripted, **{module: {"browser": []} for module in steps["looks"]}},
    }


def looks() -> dict[str, str]:
    """Modules that end on a page to look at in a real browser, and the selector of what it must show."""
    found: dict[str, str] = read("browser.json")["looks"]
    return found
