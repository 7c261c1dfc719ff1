"""Logout tokens on their way: minted at each try, posted through the outbound guard, and what became of them (Back-Channel Logout 1.0 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
import structlog

from idp.clock import Clock
from idp.oauth.clients import Client, ClientDirectory
from idp.oauth.logout.notices import JOB
from idp.oauth.models import LogoutDeliveryRow
from idp.oauth.subjects import Subjects
from idp.platform import traces
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database
from idp.platform.forms import FORM
from idp.platform.ids import new_secret
from idp.platform.jobs import Jobs
from idp.tokens.keyring import Keyring
from vetted_http import Client as OutboundHttp
from vetted_http import FetchError

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
TTL = 120
ATTEMPTS = 12
"""With the growing pauses of the job runner: an app may be away for about an hour."""
STATES = ("waiting", "delivered", "failed", "dropped")
_ACCEPTED = frozenset({200, 202, 204})
_KEEP = 30 * 86400
log = structlog.get_logger("idp.logout")


class Undelivered(Exception):
    """This try failed; the job runner tries again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line of the log. `state`: waiting, delivered, failed (given up), dropped (the app no longer listens). Times are epoch seconds."""

    id: str
    client_id: str
    sub: str
    state: str
    attempts: int
    last_error: str | None
    created_at: int
    finished_at: int | None


class DeliveryLog:
    """What the operator reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def newest(self, *, limit: int, client_id: str | None = None, state: str | None = None) -> list[Delivery]:
        """The newest deliveries first, of one client or in one state where that is given."""
        columns = [LogoutDeliveryRow.__table__.c[name] for name in Delivery.__slots__]
        query = sa.select(*columns).order_by(LogoutDeliveryRow.id.desc()).limit(limit)
        if client_id is not None:
            query = query.where(LogoutDeliveryRow.client_id == client_id)
        if state is not None:
            query = query.where(LogoutDeliveryRow.state == state)
        with self._database.read() as tx:
            return [Delivery(*row) for row in tx.execute(query)]


class LogoutPost:
    """Takes logout tokens to the apps; a job each."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit,
        clients: ClientDirectory,
        keyring: Keyring,
        subjects: Subjects,
        http: OutboundHttp,
        *,
        issuer: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._clients = clients
        self._keyring = keyring
        self._subjects = subjects
        self._http = http
        self._issuer = issuer

    def register(self, jobs: Jobs) -> None:
        """Let this runner do the deliveries."""
        jobs.register(JOB, self.deliver, attempts=ATTEMPTS, buried=self.given_up)

    def deliver(self, payload: Mapping[str, Any]) -> None:
        """One try; raises `Undelivered` when there must be another."""
        with self._database.read() as tx:
            delivery = _waiting(tx, payload["delivery"])
            client = self._clients.get_tx(tx, delivery.client_id) if delivery else None
        if delivery is None:
            return
        uri = client.metadata.get("backchannel_logout_uri") if client and not client.disabled else None
        if client is None or uri is None:
            self._note(delivery, "dropped", None)
            return
        error = self._post(uri, self._token(delivery, client))
        self._note(delivery, "waiting" if error else "delivered", error)
        if error is not None:
            raise Undelivered(error)

    def given_up(self, tx: sa.Connection, payload: Mapping[str, Any]) -> None:
        """The last try failed too: the log and the audit trail say so."""
        delivery = _waiting(tx, payload["delivery"])
        if delivery is None:
            return
        tx.execute(_update(delivery.id, state="failed", finished_at=self._clock.now()))
        log.warning("logout not delivered", client_id=delivery.client_id, error=delivery.last_error)
        self._audit.append(
            tx,
            "logout.undelivered",
            outcome="failure",
            client_id=delivery.client_id,
            sub=delivery.sub,
            session=delivery.sid,
        )

    def _token(self, delivery: AnyRow, client: Client) -> str:
        """§2.4: no nonce, one event, and a `jti` of its own for every token."""
        now = self._clock.now()
        claims = {
            "iss": self._issuer,
            "sub": self._subjects.seen_by(client, delivery.sub),
            "aud": client.client_id,
            "iat": now,
            "exp": now + TTL,
            "jti": new_secret(),
            "events": {EVENT: {}},
            "sid": delivery.sid,
        }
        return self._keyring.signer(client.id_token_alg).compose(TYPE, claims)

    def _post(self, uri: str, token: str) -> str | None:
        """§2.5: a form with the token alone. None, or what went wrong."""
        body = urlencode({"logout_token": token}).encode("ascii")
        try:
            answer = self._http.post(uri, body, {"Content-Type": FORM, **traces.headers()})
        except FetchError as error:
            return error.kind
        return None if answer.status in _ACCEPTED else f"status {answer.status}"

    def _note(self, delivery: AnyRow, state: str, error: str | None) -> None:
        finished = None if state == "waiting" else self._clock.now()
        attempts = delivery.attempts + (state != "dropped")
        values = {"state": state, "attempts": attempts, "last_error": error, "finished_at": finished}
        with self._database.write() as tx:
            tx.execute(_update(delivery.id, **values))


def _waiting(tx: sa.Connection, identifier: str) -> AnyRow | None:
    mine = (LogoutDeliveryRow.id == identifier, LogoutDeliveryRow.state == "waiting")
    return tx.execute(sa.select(LogoutDeliveryRow.__table__).where(*mine)).one_or_none()


def _update(identifier: str, **values: Any) -> sa.Update:
    return sa.update(LogoutDeliveryRow).where(LogoutDeliveryRow.id == identifier).values(**values)


def prune(tx: sa.Connection, now: int, limit: int) -> int:
    """Forget what was delivered, given up or dropped more than 30 days ago; returns how many."""
    over = sa.select(LogoutDeliveryRow.id).where(LogoutDeliveryRow.finished_at < now - _KEEP).limit(limit)
    return tx.execute(sa.delete(LogoutDeliveryRow).where(LogoutDeliveryRow.id.in_(over))).rowcount
