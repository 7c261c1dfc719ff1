"""How an authorization response reaches the app: the only place that writes one, success or error, always with `iss` (RFC 9207).

In the query or the fragment of a proven redirect URI (OAuth 2.0 Multiple Response Type Encoding Practices §2.1), or as a form that posts
itself (OAuth 2.0 Form Post Response Mode §2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Response

from idp.oauth import response_types
from idp.platform.pages import Pages

QUERY, FRAGMENT, FORM_POST = "query", "fragment", "form_post"
MODES = (QUERY, FRAGMENT, FORM_POST)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where an answer goes: a proven redirect URI, one of `MODES`, and the request's `state` as it came."""

    redirect_uri: str
    mode: str
    state: str | None


def mode_of(response_type: str, asked: str | None) -> str:
    """The asked mode where it may be had, else the default of the response type; errors go where the success would have gone."""
    default = FRAGMENT if response_types.returns_tokens(response_type) else QUERY
    if asked not in MODES or (asked == QUERY and default == FRAGMENT):
        return default
    return asked


@dataclass(frozen=True, slots=True)
class AuthorizationResponses:
    """Writes answers in the name of one issuer."""

    pages: Pages
    issuer: str

    def send(self, to: Destination, parameters: Mapping[str, str | None]) -> Response:
        """The response that takes these parameters to the app; those without a value are left out."""
        answer = {**parameters, "state": to.state, "iss": self.issuer}
        given = {name: value for name, value in answer.items() if value is not None}
        if to.mode == FORM_POST:
            return self._form(to.redirect_uri, given)
        written = fragment if to.mode == FRAGMENT else query
        return self.pages.redirect(written(to.redirect_uri, given))

    def _form(self, redirect_uri: str, parameters: Mapping[str, str]) -> Response:
        return self.pages.render(
            "form_post.html", leads_away=True, scripted=True, action=redirect_uri, parameters=parameters
        )


def query(uri: str, parameters: Mapping[str, str | None]) -> str:
    """The URI with these parameters; its own query is kept as it is (RFC 6749 §3.1.2)."""
    encoded = _encoded(parameters)
    if not encoded:
        return uri
    joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return f"{uri}{joint}{encoded}"


def fragment(uri: str, parameters: Mapping[str, str | None]) -> str:
    """The URI with these parameters behind its `#`; a registered redirect URI has none of its own."""
    return f"{uri}#{_encoded(parameters)}"


def _encoded(parameters: Mapping[str, str | None]) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})
