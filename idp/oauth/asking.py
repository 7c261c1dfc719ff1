"""An app as somebody who asks for logins: what the login pages show of it, and where they lead back to."""

from __future__ import annotations

from dataclasses import dataclass

from idp.oauth import acr
from idp.oauth.clients import Client
from idp.oauth.endpoints import logo
from idp.oauth.pending import Pending
from idp.oauth.registration.about import in_language
from idp.platform import i18n
from idp.platform.pages import Pages
from idp.users.login.context import LoginContext


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a login is for, as it was when the login page was asked for or posted."""

    pending: Pending
    client: Client


@dataclass(frozen=True, slots=True)
class Asking:
    """Speaks for apps to the login pages; `levels` are the `acr` values a login can reach here."""

    pages: Pages
    levels: tuple[str, ...]

    def context(self, pending: Pending, client: Client) -> LoginContext:
        """Who asks, and what for, in the languages of this request."""
        asked, told = pending.request, client.metadata
        selects = "select_account" in asked.prompt
        languages = i18n.wishes().tags
        return LoginContext(
            flow=pending.id,
            resume_url=self.resume_url(pending.id),
            cancel_url=self.pages.url("/oauth/authorize/cancel"),
            asker_name=in_language(told, "client_name", languages) or client.name,
            asker_uri=in_language(told, "client_uri", languages),
            logo_uri=self._logo_url(client),
            policy_uri=in_language(told, "policy_uri", languages),
            tos_uri=in_language(told, "tos_uri", languages),
            login_hint=asked.login_hint,
            expected_subs=asked.subs,
            wanted_acr=acr.goal(asked.acr_values, self.levels),
            max_age=asked.max_age,
            methods=client.login_methods,
            second_factor=client.second_factor,
            choosing=pending.chosen_sid == "" or (selects and pending.chosen_sid is None),
            beside=selects or pending.chosen_sid is not None,
            waiting=Waiting(pending, client),
        )

    def resume_url(self, flow: str) -> str:
        """Where a waiting request goes on."""
        return f"{self.pages.url('/oauth/authorize/resume')}?flow={flow}"

    def _logo_url(self, client: Client) -> str | None:
        """On our own origin: nobody else learns who logs in."""
        return f"{self.pages.url(logo.PATH)}?client_id={client.client_id}" if "logo_uri" in client.metadata else None
