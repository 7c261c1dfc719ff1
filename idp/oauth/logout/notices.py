"""Who must be told of the end of a session, written down as it ends: one delivery and one job for each app that listens."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from idp.clock import Clock
from idp.oauth.models import ClientRow, LogoutDeliveryRow
from idp.platform.ids import new_id
from idp.platform.jobs import Jobs
from idp.users.people import Party, SessionEnded

JOB = "backchannel-logout"
_DOCUMENTS = sa.select(ClientRow.client_id, ClientRow.document).where(ClientRow.disabled.is_(False))
_INSERT = sa.insert(LogoutDeliveryRow)


class LogoutNotices:
    """Listens to the ends of sessions."""

    def __init__(self, clock: Clock, jobs: Jobs) -> None:
        self._clock = clock
        self._jobs = jobs

    def session_ended(self, tx: sa.Connection, ended: SessionEnded) -> None:
        """Tell every app of this session that has a `backchannel_logout_uri`, once this transaction commits."""
        for party in self._listening(tx, ended):
            delivery = new_id(self._clock.precise())
            values = {
                "id": delivery,
                "client_id": party.name,
                "sub": ended.session.sub,
                "sid": party.sid,
                "state": "waiting",
                "attempts": 0,
                "created_at": self._clock.now(),
            }
            tx.execute(_INSERT, values)
            self._jobs.enqueue(tx, JOB, {"delivery": delivery})

    @staticmethod
    def _listening(tx: sa.Connection, ended: SessionEnded) -> Iterator[Party]:
        names = {party.name for party in ended.parties}
        if not names:
            return
        rows = tx.execute(_DOCUMENTS.where(ClientRow.client_id.in_(names)))
        listening = {row.client_id for row in rows if "backchannel_logout_uri" in row.document}
        yield from (party for party in ended.parties if party.name in listening)
