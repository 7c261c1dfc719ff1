"""OpenID Connect Session Management 1.0: how an app learns, without asking us, that the login in this browser is another one.

The app gets a `session_state`: a salted hash of its `client_id`, its origin and a value in a cookie of ours. Our frame in the app's page
(`endpoints/check_session.py`) makes the same hash from the cookie as it is now.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, after_this_request, request

from idp.oauth.redirects import origin_of
from idp.oauth.request import AuthorizationRequest
from idp.platform import pages as web
from idp.platform.pages import Pages
from idp.users.people import BrowserSession


@dataclass(frozen=True, slots=True)
class SessionStates:
    """Says the state in authorization responses, and keeps the browser's cookie in step with its session."""

    pages: Pages

    def parameters(self, asked: AuthorizationRequest, session: BrowserSession | None) -> Mapping[str, str]:
        """`session_state` for the answer to an OpenID request (§2), also for an error: the app then hears of the next login."""
        return self._told(asked, lambda: self._settled(session))

    def of_new(self, asked: AuthorizationRequest, cookie: str) -> Mapping[str, str]:
        """The same with the cookie of a session that the browser gets with this answer, alone in it."""
        return self._told(asked, lambda: self.pages.browser_state(cookie, ()))

    @staticmethod
    def _told(asked: AuthorizationRequest, state: Callable[[], str]) -> Mapping[str, str]:
        origin = origin_of(asked.redirect_uri)
        if origin is None or "openid" not in asked.scope:
            return {}
        return {"session_state": session_state(asked.client_id, origin, state(), secrets.token_urlsafe(12))}

    def _settled(self, session: BrowserSession | None) -> str:
        """The state that the browser is in once it has this answer; a frame of another site does not show us its session."""
        shown, cookie = (self.pages.cookie(request, name) for name in (web.BROWSER_STATE, web.SESSION))
        if shown is not None and cookie is None:
            return shown
        living, aside = cookie if session else None, self.pages.aside(request)
        state = self.pages.browser_state(living, aside)
        if state != shown:

            @after_this_request
            def show(response: Response) -> Response:
                self.pages.show_state(response, living, aside)
                return response

        return state


def session_state(client_id: str, origin: str, browser_state: str, salt: str) -> str:
    """The hash and the salt it was made with (§3.2)."""
    text = f"{client_id} {origin} {browser_state} {salt}"
    return f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}"
