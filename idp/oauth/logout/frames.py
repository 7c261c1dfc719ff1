"""Front-Channel Logout 1.0: the frames that the signed-out page loads, one for each app of the session that wants one (§3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from idp.oauth import response_modes
from idp.oauth.clients import ClientDirectory
from idp.oauth.redirects import origin_of
from idp.platform.db import Database
from idp.users.people import Party


@dataclass(frozen=True, slots=True)
class Frame:
    """What the browser loads: an app's own address, told whose session it was that ended, and the app's name for people."""

    url: str
    origin: str
    app: str


@dataclass(frozen=True, slots=True)
class LogoutFrames:
    """Finds the frames of a session that ended."""

    database: Database
    clients: ClientDirectory
    issuer: str

    def of(self, parties: Sequence[Party]) -> tuple[Frame, ...]:
        """A frame for each app that has a `frontchannel_logout_uri`; `iss` and `sid` are always told, whether required or not."""
        if not parties:
            return ()
        with self.database.read() as tx:
            return tuple(self._found(tx, parties))

    def _found(self, tx: sa.Connection, parties: Sequence[Party]) -> Iterator[Frame]:
        for party in parties:
            client = self.clients.get_tx(tx, party.name)
            uri = client.metadata.get("frontchannel_logout_uri") if client and not client.disabled else None
            origin = origin_of(uri) if uri else None
            if client is not None and uri is not None and origin is not None:
                yield Frame(response_modes.query(uri, {"iss": self.issuer, "sid": party.sid}), origin, client.name)
