"""The other provider of the demo: a second instance of this program plays a company whose accounts open accounts here.

It has data, keys and a host name of its own: browsers give cookies to a host whatever its port.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from idp.assembly.upstream import provider_admin, provider_directory
from idp.opening import initialize, open_house
from idp.platform.files import put_file
from idp.platform.ids import new_secret
from idp.settings import PREFIX, Settings
from idp.settings_source import load
from idp.upstream.conversation import PATH
from idp.upstream.identity import Identity
from idp.users.people import Person
from idp.wiring import House

NAME, TITLE, PORT = "company", "Example Company", 8003
_CLIENT, _PERSON, _KEPT = "account", "demo", "company.json"


def environment(settings: Settings) -> dict[str, str]:
    """What its process is told; what was set for the demo itself is not for it."""
    host = "127.0.0.1" if urlsplit(settings.issuer).hostname == "localhost" else "localhost"
    own = {
        "issuer": f"http://{host}:{PORT}",
        "port": str(PORT),
        "data_dir": str(settings.data_dir / NAME),
        "keys_dir": str(settings.keys_dir / NAME),
        "name": TITLE,
    }
    unset = dict.fromkeys(settings.model_fields_set, "")
    return {f"{PREFIX}{name.upper()}": value for name, value in {**unset, **own}.items()}


def company_of(settings: Settings) -> Settings:
    """Its settings, from those of the demo."""
    return load(environment(settings))


def introduce(house: House) -> Mapping[str, str]:
    """Make the two known to each other, once, and again when one of them moved; name and password of somebody there."""
    company = company_of(house.settings)
    path = house.settings.data_dir / _KEPT
    where = {"issuer": company.issuer, "callback": house.settings.url(f"{PATH}/{NAME}/callback")}
    kept: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if where.items() <= kept.items() and provider_directory(house).find(NAME) is not None:
        return kept
    made = {"username": _PERSON, "password": kept.get("password") or secrets.token_urlsafe(12), **where}
    secret = new_secret()
    initialize(company)
    with open_house(company) as theirs:
        person = _at_the_company(theirs, made, secret)
    _at_ours(house, company.issuer, secret, person)
    put_file(path.parent, path.name, json.dumps(made, indent=2).encode())
    return made


def _at_the_company(theirs: House, made: Mapping[str, str], secret: str) -> Person:
    if theirs.clients.find(_CLIENT) is not None:
        theirs.clients.delete(_CLIENT)
    theirs.clients.create(
        {
            "client_id": _CLIENT,
            "client_secret": secret,
            "client_name": "Account",
            "redirect_uris": [made["callback"]],
            "consent": "trusted",
        }
    )
    return theirs.accounts.by_username(made["username"]) or theirs.accounts.create(
        username=made["username"],
        email="demo.person@company.example",
        email_verified=True,
        password=made["password"],
        claims={"name": "Demo Person"},
    )


def _at_ours(house: House, issuer: str, secret: str, person: Person) -> None:
    admin, given = provider_admin(house), {"title": TITLE, "issuer": issuer, "client_id": _CLIENT}
    if provider_directory(house).find(NAME) is None:
        admin.create(NAME, given, secret)
    else:
        admin.update(NAME, given, secret)
    owner = house.accounts.by_username(_PERSON)
    identity = Identity(NAME, person.sub, person.username, person.email, person.email_verified, person.claims, ())
    if owner is not None:
        with house.database.write() as tx:
            house.linked_accounts.add(tx, owner.sub, identity)
