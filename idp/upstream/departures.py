"""Sending a browser to a provider."""

from __future__ import annotations

from dataclasses import dataclass

from idp.upstream.conversation import Conversations
from idp.upstream.directory import ProviderDirectory
from idp.upstream.journeys import Journeys
from idp.upstream.providers import Known
from idp.upstream.stopped import Stopped


@dataclass(frozen=True, slots=True)
class Departures:
    """What it takes to leave."""

    directory: ProviderDirectory
    journeys: Journeys
    conversations: Conversations

    def usable(self, name: str) -> Known:
        """The provider, when people may use it; raises `Stopped`."""
        known = self.directory.usable(name)
        if known is None:
            raise Stopped("unknown", "This way to sign in is not offered any more.", status=404)
        return known

    def leave(
        self, known: Known, browser: str, *, flow: str | None = None, sub: str | None = None, fresh: bool = False
    ) -> str:
        """The URL to send the browser to: to log in for the waiting request `flow`, or to link an account there with `sub` here."""
        self.conversations.discovery.endpoints(known)  # nobody is under way to where nobody answers
        state = self.journeys.begin(known.name, browser, flow=flow, sub=sub)
        return self.conversations.authorization_url(known, state, fresh=fresh)
