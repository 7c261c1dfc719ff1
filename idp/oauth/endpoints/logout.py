"""RP-Initiated Logout 1.0: the end-session endpoint, its question and its goodbye.

Without a question only where a valid ID token hint names this very session; away from here only to a registered URI of a client that the
request proved to be about. A cross-site POST shows no cookies: it is sealed into a GET that does. A session that ran out is ended like a
living one: its apps have not heard of it yet.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, request

from idp.clock import Clock
from idp.errors import PageError, Refused
from idp.oauth import response_modes
from idp.oauth.clients import Client, ClientDirectory
from idp.oauth.logout.frames import Frame, LogoutFrames
from idp.platform import i18n
from idp.platform.forms import MAX_URL, Form, decode_pairs
from idp.platform.pages import Pages
from idp.platform.secrets import MasterKey
from idp.tokens.identity import IdTokenHint, ReadHint
from idp.users.accounts import Accounts
from idp.users.people import BrowserSession
from idp.users.seats import Seat, Seats
from idp.users.sessions import Sessions

_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales", "account")
_SEALED_LIFE = 300
_PATIENCE = 4
"""How long, in seconds, the browser waits for the apps' frames before it goes back to the app that asked."""
_PURPOSE = "logout-request"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A logout request: what proves it, and the proven way back."""

    carried: Mapping[str, str]
    hint: IdTokenHint | None
    way_back: str | None


@dataclass(frozen=True, slots=True)
class LogoutPages:
    """What the endpoint needs."""

    pages: Pages
    sessions: Sessions
    seats: Seats
    accounts: Accounts
    clients: ClientDirectory
    frames: LogoutFrames
    read_hint: ReadHint
    master: MasterKey
    clock: Clock

    def blueprint(self) -> Blueprint:
        rooms = Blueprint("logout", __name__)
        rooms.add_url_rule("/oauth/logout", "logout", self.logout, methods=["GET", "POST"])
        return rooms

    def logout(self) -> Response:
        """End the session, ask first, or say goodbye."""
        confirmed = request.method == "POST" and "confirm" in request.form
        form = Form(decode_pairs(request.get_data() if request.method == "POST" else request.query_string))
        if request.method == "POST" and not confirmed:
            return self._as_get(form)
        asked = self._asked(self._opened(form))
        seats = self.seats.all()
        seat = self._meant(asked, seats)
        if seat is None:
            return self._goodbye(asked, (), ())
        if confirmed:
            self.pages.check_form(seat.cookie, f"logout {seat.session.sid}")
        elif not self._proves(asked.hint, seat.session):
            return self._question(asked, seat, others=len(seats) > 1)
        gone = seats if request.form.get("confirm") == "everybody" else [seat]
        parties = [party for one in gone for party in self.sessions.end(one.session.sid)]
        return self._goodbye(asked, gone, self.frames.of(parties))

    def _meant(self, asked: _Asked, seats: Sequence[Seat]) -> Seat | None:
        """Whose session is to end: the one that was named or proven, wherever in this browser it sits, else the active one."""
        named = asked.carried.get("account")
        if named is not None:
            return next((seat for seat in seats if seat.session.sid == named), None)
        proven = (seat for seat in seats if self._proves(asked.hint, seat.session))
        return next(proven, seats[0] if seats else None)

    def _proves(self, hint: IdTokenHint | None, session: BrowserSession) -> bool:
        """Whether the request comes from an app of this session, or of one it followed after a pause."""
        if hint is None or hint.sid is None:
            return hint is not None and hint.sub == session.sub
        return hint.sid == session.sid or self.sessions.follows(session.sid, hint.sid)

    def _asked(self, parameters: Mapping[str, str]) -> _Asked:
        token, named = parameters.get("id_token_hint"), parameters.get("client_id")
        hint = self.read_hint(token) if token else None
        if hint is not None and named is not None and named != hint.client_id:
            raise PageError("invalid_request", "This sign-out request contradicts itself.")
        client_id = hint.client_id if hint else named if token is None else None
        client = self.clients.get(client_id) if client_id else None
        return _Asked(parameters, hint, self._way_back(parameters, client))

    @staticmethod
    def _way_back(parameters: Mapping[str, str], client: Client | None) -> str | None:
        """RP-Initiated Logout §3: exactly a registered URI, of a client the request is proven or said to be about."""
        uri = parameters.get("post_logout_redirect_uri")
        if uri is None or client is None:
            return None
        if client.disabled or uri not in client.post_logout_redirect_uris:
            raise PageError("invalid_request", "The app that sent you here gave an address that is not its own.")
        return response_modes.query(uri, {"state": parameters.get("state")})

    def _question(self, asked: _Asked, seat: Seat, *, others: bool) -> Response:
        person = self.accounts.find(seat.session.sub)
        i18n.hear_person(person.claims.get("locale") if person else None)
        return self.pages.render(
            "logout.html",
            leads_away=True,
            person=person,
            carried=asked.carried,
            others=others,
            csrf=self.pages.csrf_token(seat.cookie, f"logout {seat.session.sid}"),
        )

    def _goodbye(self, asked: _Asked, gone: Sequence[Seat], frames: Sequence[Frame]) -> Response:
        """Back to the app at once, or once the frames had their time (Front-Channel Logout §3)."""
        if asked.way_back is not None and not frames:
            response = self.pages.redirect(asked.way_back)
        else:
            response = self.pages.render(
                "signed_out.html",
                leads_away=True,
                scripted=asked.way_back is not None,
                frames={frame.origin for frame in frames},
                loaded=frames,
                way_back=asked.way_back,
                patience=_PATIENCE,
            )
        self.seats.leave(response, {seat.cookie for seat in gone})
        return response

    def _as_get(self, form: Form) -> Response:
        parameters = {name: form[name] for name in _PARAMETERS if name in form}
        clear = json.dumps({"until": self.clock.now() + _SEALED_LIFE, "parameters": parameters}).encode()
        sealed = base64.urlsafe_b64encode(self.master.seal(clear, purpose=_PURPOSE)).decode("ascii")
        if len(sealed) > MAX_URL - 512:
            raise PageError("invalid_request", "This sign-out request is too large.")
        return self.pages.redirect(f"{self.pages.url('/oauth/logout')}?request={sealed}")

    def _opened(self, form: Form) -> Mapping[str, str]:
        """The parameters, out of the seal where they came by a cross-site POST."""
        if "request" not in form:
            return {name: form[name] for name in _PARAMETERS if name in form}
        try:
            clear = self.master.unseal(base64.urlsafe_b64decode(form["request"]), purpose=_PURPOSE)
        except (Refused, binascii.Error, ValueError) as error:
            raise PageError("expired", "This sign-out request has expired.") from error
        stored = json.loads(clear)
        if stored["until"] < self.clock.now():
            raise PageError("expired", "This sign-out request has expired.")
        parameters: Mapping[str, str] = stored["parameters"]
        i18n.hear(app=i18n.tags(parameters.get("ui_locales", "")))
        return parameters
