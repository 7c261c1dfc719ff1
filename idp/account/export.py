"""Everything that is held about a person, as one JSON document: no secret, no hash of one, nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from idp.oauth.allowed import AllowedApp, AllowedApps
from idp.platform.audit import Event, events_of
from idp.platform.db import Database
from idp.tokens.store import Grants, LivingGrant
from idp.upstream.linked import LinkedAccounts
from idp.users.accounts import document
from idp.users.devices import Devices
from idp.users.passkeys import Passkey, Passkeys
from idp.users.people import OpenSession, Person
from idp.users.recovery_codes import RecoveryCodes
from idp.users.sessions import Sessions
from idp.users.store import has_password
from idp.users.totp import Authenticators

_PAGE = 500
_INTERNAL = frozenset({"session"})
"""Digests that only we can read."""
_TIMES = ("time", "since")


@dataclass(frozen=True, slots=True)
class Export:
    """What it is put together from."""

    database: Database
    sessions: Sessions
    devices: Devices
    passkeys: Passkeys
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    linked: LinkedAccounts
    apps: AllowedApps
    grants: Grants

    def of(self, person: Person) -> dict[str, Any]:
        """The document. Times are ISO 8601 in UTC."""
        sub = person.sub
        with self.database.read() as tx:
            held = {
                "account": document(person),
                "password": has_password(tx, sub),
                "passkeys": [_passkey(one) for one in self.passkeys.of(tx, sub)],
                "authenticator_app": self.authenticators.has(tx, sub),
                "recovery_codes_left": self.recovery_codes.left(tx, sub),
                "linked_accounts": [asdict(one) for one in self.linked.of(tx, sub)],
                "sessions": [_session(one) for one in self.sessions.of(tx, sub)],
                "browsers": self.devices.of(tx, sub),
                "grants": [_grant(one) for one in self.grants.living_of(tx, sub)],
                "events": [_event(one) for one in _events(tx, sub)],
            }
        found: dict[str, Any] = _readable({**held, "apps": [_app(one) for one in self.apps.of(sub)]})
        return found


def _events(tx: sa.Connection, sub: str) -> Iterator[Event]:
    before = None
    while page := events_of(tx, sub, _PAGE, before=before):
        yield from page
        before = page[-1].sequence


def _event(event: Event) -> dict[str, Any]:
    facts = {name: value for name, value in event.facts.items() if name not in _INTERNAL}
    return {"time": event.time, "event": event.name, **facts}


def _passkey(passkey: Passkey) -> dict[str, Any]:
    names = ("name", "created_at", "used_at", "aaguid", "transports", "backup_eligible", "backed_up")
    return {name: getattr(passkey, name) for name in names}


def _session(session: OpenSession) -> dict[str, Any]:
    times = {name: getattr(session, name) for name in ("created_at", "seen_at", "expires_at")}
    return {**times, "acr": session.acr, "address": session.visitor.peer, "browser": session.visitor.agent}


def _app(app: AllowedApp) -> dict[str, Any]:
    allowed = {group.title: list(group.sentences) for group in app.groups}
    return {"client_id": app.client_id, "name": app.title, "since": app.since, "used_at": app.used_at, "may": allowed}


def _grant(living: LivingGrant) -> dict[str, Any]:
    names = ("client_id", "scope", "audiences", "authorization_details", "created_at", "expires_at")
    return {**{name: getattr(living.grant, name) for name in names}, "used_at": living.used_at}


def _readable(value: Any) -> Any:
    """The same with its moments as people write them."""
    if isinstance(value, Mapping):
        return {name: _moment(inner) if _is_time(name, inner) else _told(name, inner) for name, inner in value.items()}
    return [_readable(one) for one in value] if isinstance(value, (list, tuple)) else value


def _told(name: str, value: Any) -> Any:
    """What an app asked for stays as the app said it."""
    return value if name == "authorization_details" else _readable(value)


def _is_time(name: str, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (name in _TIMES or name.endswith("_at"))


def _moment(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat()
