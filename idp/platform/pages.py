"""HTML: one way to render a page with all its headers, cookies with the right names, and proof that a form is ours."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog
from flask import Flask, Request, Response, render_template, request
from werkzeug.exceptions import HTTPException

from idp.errors import IdpError, PageError, TooManyRequests
from idp.marked import N_
from idp.platform import i18n, theme
from idp.platform.http import json_answer
from idp.platform.ids import new_secret
from idp.platform.secrets import MasterKey
from idp.platform.statics import Statics
from idp.platform.telemetry import REFUSED
from idp.settings import Settings

SESSION, ASIDE, FLOW, DEVICE, BROWSER_STATE = "idp-session", "idp-aside", "idp-flow", "idp-device", "idp-browser-state"
LANGUAGE = "idp-language"
_DEVICE_AGE = 400 * 86400
_MAX_ASIDE = 512
_FETCHED_BY_US = frozenset({"same-origin", "none", ""})
log = structlog.get_logger("idp.pages")


class Pages:
    """Renders templates, sets cookies and checks forms for one deployment."""

    def __init__(self, settings: Settings, master: MasterKey, statics: Statics) -> None:
        self._settings = settings
        self._master = master
        self._prefix = "__Host-" if settings.secure else ""
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.issuer))
        self._statics = statics

    def render(
        self,
        template: str,
        status: int = 200,
        *,
        leads_away: bool = False,
        scripted: bool = False,
        framed: bool = False,
        frames: Collection[str] = (),
        **context: Any,
    ) -> Response:
        """A page. `leads_away` leaves out `form-action` and COOP: browsers apply them to every later redirect, the app's own too.

        `scripted` lets the one script run that carries the page's `nonce`; without it a page has no script at all. A `framed` page
        may stand in a frame of any site; `frames` are the origins that a page has frames of.
        """
        nonce = secrets.token_urlsafe(16)
        body = render_template(
            template,
            name=self._settings.name,
            static=self._statics.url,
            theme=theme.SHEET if theme.SHEET in self._statics else None,
            logo=theme.LOGO if theme.LOGO in self._statics else None,
            nonce=nonce,
            url=self._settings.url,
            template=template.removesuffix(".html"),
            language=i18n.language(),
            **context,
        )
        response = Response(body, status, content_type="text/html; charset=utf-8")
        response.headers["Content-Language"] = i18n.language().tag
        self.protect(response, leads_away=leads_away, nonce=nonce if scripted else None, framed=framed, frames=frames)
        return response

    def protect(
        self,
        response: Response,
        *,
        leads_away: bool,
        nonce: str | None = None,
        framed: bool = False,
        frames: Collection[str] = (),
    ) -> None:
        """Put the security headers of a page on a response; `nonce` is that of the page's script, where it has one."""
        policy = ["default-src 'none'", "style-src 'self'", "img-src 'self' data:", "base-uri 'none'"]
        if not framed:
            policy.append("frame-ancestors 'none'")
            response.headers["X-Frame-Options"] = "DENY"
        if nonce is not None:
            policy.append(f"script-src 'nonce-{nonce}'")
        if frames:
            policy.append(f"frame-src {' '.join(sorted(set(frames)))}")
        if not leads_away:
            policy.append("form-action 'self'")
            response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Content-Security-Policy"] = "; ".join(policy)
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"

    def url(self, path: str) -> str:
        """Our public URL of a path."""
        return self._settings.url(path)

    def home_url(self) -> str:
        return self.url("/")

    def redirect(self, location: str) -> Response:
        """303 to a URL that was built or proven by us; no cache keeps it."""
        response = Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    def error(self, error: IdpError) -> Response:
        """The error page: a sentence and a trace id; the private detail goes to the log."""
        trace_id = request.environ.get("idp.request_id", "-")
        request.environ[REFUSED] = error.code
        if error.detail:
            log.info("refused", code=error.code, detail=error.detail, request_id=trace_id)
        sentence = _sentence(error)
        response = self.render("error.html", error.status, error=error, sentence=sentence, trace_id=trace_id)
        response.headers.extend(error.headers)
        return response

    def cookie_name(self, name: str) -> str:
        """`__Host-` over TLS (RFC 6265bis §4.1.3.2), the bare name on loopback http."""
        return self._prefix + name

    def cookie(self, incoming: Request, name: str) -> str | None:
        """A cookie of ours, or None; an absurdly long one counts as none."""
        value = incoming.cookies.get(self.cookie_name(name))
        return value if value and len(value) <= 128 else None

    def set_cookie(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        """Set one of our cookies: HttpOnly, SameSite=Lax, for this host alone."""
        self._set(response, name, value, max_age)

    def drop_cookie(self, response: Response, name: str) -> None:
        self._set(response, name, "", 0)

    def browser(self, incoming: Request) -> str:
        """The secret by which this browser proves itself between two pages; a new one where it has none, for `keep_browser` to set."""
        return self.cookie(incoming, FLOW) or new_secret()

    def keep_browser(self, incoming: Request, response: Response, browser: str) -> Response:
        """Give the browser its secret, unless it came with it."""
        if self.cookie(incoming, FLOW) != browser:
            self.set_cookie(response, FLOW, browser)
        return response

    def aside(self, incoming: Request) -> tuple[str, ...]:
        """The cookies of the sessions that were set aside in this browser, latest first."""
        value = incoming.cookies.get(self.cookie_name(ASIDE), "")
        return tuple(filter(None, value.split("."))) if len(value) <= _MAX_ASIDE else ()

    def keep_session(self, response: Response, session: str, aside: Sequence[str] | None = None) -> None:
        """Give the browser the cookie of its new session, and the state that goes with it."""
        self.set_cookie(response, SESSION, session)
        self._keep_aside(response, session, aside)

    def drop_session(self, response: Response, aside: Sequence[str] | None = None) -> None:
        self.drop_cookie(response, SESSION)
        self._keep_aside(response, None, aside)

    def _keep_aside(self, response: Response, session: str | None, aside: Sequence[str] | None) -> None:
        """Set aside these, or whoever is; None for no change."""
        before = self.aside(request)
        now = before if aside is None else tuple(aside)
        if now != before:
            self.set_cookie(response, ASIDE, ".".join(now)) if now else self.drop_cookie(response, ASIDE)
        self.show_state(response, session, now)

    def browser_state(self, session: str | None, aside: Sequence[str]) -> str:
        """What stands for this session, or for none, and those set aside: it changes at every login and logout and opens nothing."""
        return self._master.tag(".".join((session or "", *aside)), purpose="browser-state")

    def show_state(self, response: Response, session: str | None, aside: Sequence[str]) -> None:
        """Let our own frame in an app's page see the state (OpenID Connect Session Management §3.2): scripts read it, other sites' pages send it."""
        state = self.browser_state(session, aside)
        response.set_cookie(self.cookie_name(BROWSER_STATE), state, secure=True, httponly=False, samesite="None")

    def _set(self, response: Response, name: str, value: str, max_age: int | None) -> None:
        samesite: Literal["Lax"] = "Lax"
        response.set_cookie(
            self.cookie_name(name), value, max_age, secure=self._settings.secure, httponly=True, samesite=samesite
        )

    def csrf_token(self, browser: str, purpose: str) -> str:
        """What a form carries to prove that we sent it to this browser for this purpose."""
        return self._master.tag(f"{browser}|{purpose}", purpose="csrf")

    def check_form(self, browser: str | None, purpose: str) -> None:
        """Raise `PageError` unless the posted form is ours, sent to this browser for this purpose, and came from our own page."""
        given = request.form.get("csrf", "")
        expected = self.csrf_token(browser or "", purpose)
        if not browser or not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
            raise PageError("expired", "This page has expired. Go back to the app and start again.", status=400)
        origin = request.headers.get("Origin")
        site = request.headers.get("Sec-Fetch-Site", "")
        if site not in _FETCHED_BY_US or (origin not in (None, "null") and origin != self._origin):
            raise PageError("forged", "This form did not come from our own page.", status=403)


def install_error_pages(app: Flask, pages: Pages, *, endpoints: tuple[str, ...] = ()) -> None:
    """Every error that reaches Flask becomes our page; nothing of its detail is shown.

    Below `endpoints` programs ask, not people: what is not there is said in JSON.
    """

    @app.errorhandler(IdpError)
    def _ours(error: IdpError) -> Response:
        return pages.error(error)

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status == HTTPStatus.NOT_FOUND and request.path.startswith(endpoints):
            return _no_such_endpoint()
        sentence = _SENTENCES.get(status, N_("The request could not be understood."))
        response = pages.error(PageError(f"http_{status}", sentence, status=status))
        allow = dict(error.get_headers()).get("Allow")
        if allow:
            response.headers["Allow"] = allow
        return response

    @app.errorhandler(Exception)
    def _unexpected(_error: Exception) -> Response:
        log.exception("unexpected", request_id=request.environ.get("idp.request_id"))
        return pages.error(PageError("server_error", "Something went wrong on our side.", status=500))


def _no_such_endpoint() -> Response:
    answer = json_answer({"error": "not_found", "error_description": "There is no such endpoint"}, HTTPStatus.NOT_FOUND)
    return Response(answer.body, answer.status, answer.headers)


_SENTENCES = {
    404: N_("There is no page here."),
    405: N_("This page cannot be used in that way."),
    413: N_("That was too much to send at once."),
    414: N_("That address is too long."),
}


def _sentence(error: IdpError) -> str:
    if isinstance(error, TooManyRequests):
        return wait(error)
    return i18n.said(error.description or N_("The request could not be understood."))


def wait(error: TooManyRequests) -> str:
    """That there were too many attempts, and until when."""
    return i18n.gettext("Too many attempts. Try again in %(time)s.", time=i18n.span(error.retry_after))


def device_age() -> int:
    """How long a browser is remembered as one in which a person logged in, in seconds."""
    return _DEVICE_AGE
