"""The webhook API: endpoints and their keys, events and their redeliveries. A service manages its own endpoints, an admin all of theirs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from flask import Response, jsonify
from token_guard import Needs

from resource_server.api import bodies, idempotency
from resource_server.api.conditional import check_match, with_etag
from resource_server.api.idempotency import KeptAnswers
from resource_server.api.listing import QUERY, Listing
from resource_server.api.operation import Doc, Operation
from resource_server.api.permissions import Access, Reach
from resource_server.api.problems import Problem, not_found
from resource_server.payments import matrix
from resource_server.payments.models import DeliveryRow, EndpointRow, EndpointSecret, EventRow
from resource_server.payments.webhooks import documents
from resource_server.payments.webhooks.events import Announcer, wants
from resource_server.payments.webhooks.keys import Keys
from resource_server.platform.ids import new_id
from resource_server.platform.store import Row, Store
from vetted_http import Client, FetchError

_NEEDS = Needs(scopes=("webhooks:manage",))
_ALL, _ONE, _EVENTS = "/v2/webhook-endpoints", "/v2/webhook-endpoints/<endpoint_id>", "/v2/events"


class WebhooksApi:
    """Behind the scope `webhooks:manage`."""

    def __init__(
        self,
        store: Store,
        keys: Keys,
        announcer: Announcer,
        client: Client,
        *,
        kept: KeptAnswers,
        listing: Listing,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keys = keys
        self._announcer = announcer
        self._client = client
        self._kept = kept
        self._listing = listing
        self._now = now

    def mounted(self) -> list[Operation]:
        shown, page = documents.EndpointShown, documents.EndpointPage
        return [
            self._operation("POST", _ALL, self.create, "Add an endpoint", {201: shown}, documents.NewEndpoint),
            self._operation("GET", _ALL, self.listed, "List endpoints", {200: page}),
            self._operation("GET", _ONE, self.show, "Show an endpoint", {200: shown}, tagged="shown"),
            self._operation(
                "PATCH", _ONE, self.change, "Change an endpoint", {200: shown}, documents.EndpointPatch, tagged="match"
            ),
            self._operation("DELETE", _ONE, self.delete, "Remove an endpoint", {204: None}, tagged="match"),
            self._operation(
                "POST",
                f"{_ONE}/secrets",
                self.rotate,
                "Replace the key of an endpoint",
                {201: documents.SecretShown},
                documents.NewSecret,
            ),
            self._operation("GET", _EVENTS, self.events, "List events", {200: documents.EventPage}),
            self._operation(
                "POST",
                "/v2/events/<event_id>/redeliveries",
                self.redeliver,
                "Send an event anew",
                {202: documents.Redelivered},
                documents.Redelivery,
            ),
        ]

    def create(self, access: Access) -> Response:
        """An endpoint with its first key, which is shown this once."""
        asked, document = bodies.read(documents.NewEndpoint)
        self._vet(asked.url)
        use = idempotency.asked(access.principal, f"POST {_ALL}", document)
        with self._store.change() as tx:
            first = self._kept.first(tx, use)
            if first is None:
                row = self._added(tx, access, asked)
                key = self._keys.make(tx, row.id, asked.scheme)
                location = {"Location": f"{_ALL}/{row.id}"}
                answer = idempotency.Answer(201, {**documents.endpoint(row), "secret": key.shown}, location)
                self._kept.keep(tx, use, answer)
        return (first or answer).response(replayed=first is not None)

    def listed(self, access: Access) -> Response:
        query = _mine(sa.select(*EndpointRow.__table__.c), access)
        part = self._listing.asked(_ALL, {})
        with self._store.read() as tx:
            return jsonify(
                self._listing.shown(
                    tx, query, EndpointRow.__table__.c.id, part, lambda rows: [documents.endpoint(row) for row in rows]
                )
            )

    def show(self, access: Access, endpoint_id: str) -> Response:
        with self._store.read() as tx:
            row = _endpoint(tx, access, endpoint_id)
        return with_etag(jsonify(documents.endpoint(row)), row.id, row.version)

    def change(self, access: Access, endpoint_id: str) -> Response:
        """Another URL, other events, or on and off."""
        asked = bodies.read_patch(documents.EndpointPatch)
        values: dict[str, Any] = {name: getattr(asked, name) for name in asked.model_fields_set}
        if None in values.values():
            raise Problem(422, "invalid", "Nothing of it can be removed.")
        if asked.url is not None:
            self._vet(asked.url)
        with self._store.change() as tx:
            before = _endpoint(tx, access, endpoint_id)
            check_match(before.id, before.version)
            reason = {"reason": None} if asked.state == "enabled" else {}
            same = (EndpointRow.id == before.id, EndpointRow.version == before.version)
            changing = sa.update(EndpointRow).where(*same).values(**values, **reason, version=before.version + 1)
            row = tx.execute(changing.returning(*EndpointRow.__table__.c)).one_or_none()
            if row is None:
                raise Problem(412, "precondition_failed", "It was changed meanwhile; read it again.")
        return with_etag(jsonify(documents.endpoint(row)), row.id, row.version)

    def delete(self, access: Access, endpoint_id: str) -> Response:
        """It is told nothing more, and its keys are gone."""
        with self._store.change() as tx:
            row = _endpoint(tx, access, endpoint_id)
            check_match(row.id, row.version)
            tx.execute(sa.delete(EndpointRow).where(EndpointRow.id == row.id))
            tx.execute(sa.delete(EndpointSecret).where(EndpointSecret.endpoint_id == row.id))
            tx.execute(sa.delete(DeliveryRow).where(DeliveryRow.endpoint_id == row.id))
        return Response(status=204)

    def rotate(self, access: Access, endpoint_id: str) -> Response:
        """A new key; the one before signs beside it for a day."""
        asked, document = bodies.read(documents.NewSecret)
        use = idempotency.asked(access.principal, f"POST {_ALL}/{endpoint_id}/secrets", document)
        with self._store.change() as tx:
            row = _endpoint(tx, access, endpoint_id)
            first = self._kept.first(tx, use)
            if first is None:
                key = self._keys.make(tx, row.id, asked.scheme)
                answer = idempotency.Answer(201, {"scheme": key.scheme, "secret": key.shown}, {})
                self._kept.keep(tx, use, answer)
        return (first or answer).response(replayed=first is not None)

    def events(self, access: Access) -> Response:
        """What happened to payments of the calling client, or, for an admin, to all; the newest first."""
        query = sa.select(*EventRow.__table__.c)
        if access.reach is Reach.OWN:
            query = query.where(EventRow.client_id == access.principal.client_id)
        part = self._listing.asked(_EVENTS, {})
        with self._store.read() as tx:
            return jsonify(
                self._listing.shown(
                    tx, query, EventRow.__table__.c.id, part, lambda rows: [documents.event(row) for row in rows]
                )
            )

    def redeliver(self, access: Access, event_id: str) -> Response:
        """Send an event anew, with the id it had: a receiver that took it knows it again."""
        asked, document = bodies.read(documents.Redelivery)
        use = idempotency.asked(access.principal, f"POST /v2/events/{event_id}/redeliveries", document)
        with self._store.change() as tx:
            event = _event(tx, access, event_id)
            first = self._kept.first(tx, use)
            if first is None:
                sent = self._announcer.deliver(tx, event.id, self._targets(tx, access, event, asked.endpoint))
                answer = idempotency.Answer(202, {"endpoints": sent}, {})
                self._kept.keep(tx, use, answer)
        return (first or answer).response(replayed=first is not None)

    def _targets(self, tx: sa.Connection, access: Access, event: Row, named: str | None) -> list[str]:
        if named is not None:
            return [_endpoint(tx, access, named).id]
        enabled = sa.select(*EndpointRow.__table__.c).where(EndpointRow.state == "enabled")
        return [row.id for row in tx.execute(_mine(enabled, access)) if wants(row, event.type)]

    def _added(self, tx: sa.Connection, access: Access, asked: documents.NewEndpoint) -> Row:
        values = {
            "id": new_id("whe"),
            "client_id": access.principal.client_id,
            "everything": access.reach is Reach.ALL,
            "url": asked.url,
            "events": asked.events,
            "state": "enabled",
            "created_at": self._now(),
            "version": 1,
        }
        inserting = sa.insert(EndpointRow).values(**values).returning(*EndpointRow.__table__.c)
        row: Row = tx.execute(inserting).one()
        return row

    def _vet(self, url: str) -> None:
        """Refuse at once what would be refused at each delivery."""
        try:
            self._client.vet(url)
        except FetchError as error:
            found = [{"pointer": "/url", "detail": "an https URL whose address is public"}]
            raise Problem(422, "endpoint_refused", "Events are not sent there.", errors=found) from error

    def _operation(
        self,
        method: str,
        path: str,
        view: Callable[..., Response],
        summary: str,
        answers: dict[int, Any],
        body: type[bodies.Strict] | None = None,
        tagged: Any = None,
    ) -> Operation:
        problems = ("endpoint_refused",) if body in {documents.NewEndpoint, documents.EndpointPatch} else ()
        query = QUERY if method == "GET" and path in {_ALL, _EVENTS} else ()
        doc = Doc(summary=summary, answers=answers, body=body, query=query, problems=problems)
        key: Any = "required" if method == "POST" else None
        return Operation(method, path, _NEEDS, view, matrix.WEBHOOKS, key=key, tagged=tagged, doc=doc)


def _mine(query: sa.Select[Any], access: Access) -> sa.Select[Any]:
    """An admin's endpoints are all admins'; a service's are its own."""
    if access.reach is Reach.ALL:
        return query.where(EndpointRow.everything)
    return query.where(EndpointRow.client_id == access.principal.client_id, ~EndpointRow.everything)


def _endpoint(tx: sa.Connection, access: Access, endpoint_id: str) -> Row:
    query = _mine(sa.select(*EndpointRow.__table__.c).where(EndpointRow.id == endpoint_id[:32]), access)
    row: Row | None = tx.execute(query).one_or_none()
    if row is None:
        raise not_found()
    return row


def _event(tx: sa.Connection, access: Access, event_id: str) -> Row:
    row: Row | None = tx.execute(sa.select(*EventRow.__table__.c).where(EventRow.id == event_id[:32])).one_or_none()
    if row is None or (access.reach is Reach.OWN and row.client_id != access.principal.client_id):
        raise not_found()
    return row
