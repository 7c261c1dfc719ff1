"""A third-party web app with a "Log in with" button: Authlib's client, PKCE, a call to an API, refresh, logout and back-channel logout.

Run it by `idp demo`, or by itself: `python examples/login_with/app.py` with the settings of `Config.from_environment`.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, render_template, request, session, url_for
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from werkzeug.wrappers import Response

SCOPE = "openid profile email offline_access payments:read payments:write orders:read users:read"
TIMEOUT = 10
EARLY = 30
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def secret(name: str) -> str:
    """A secret from the environment, or from the file that `NAME_FILE` names."""
    path = os.environ.get(f"{name}_FILE")
    return Path(path).read_text("utf-8").strip() if path else os.environ[name]


@dataclass(frozen=True)
class Config:
    """What the app was told when it was registered, and where things are."""

    issuer: str
    client_id: str
    client_secret: str
    api: str
    base_url: str
    secret_key: str

    @classmethod
    def from_environment(cls) -> Config:
        """APP_ISSUER, APP_CLIENT_ID, APP_CLIENT_SECRET, APP_API, APP_BASE_URL, APP_SECRET_KEY; secrets also as NAME_FILE."""
        return cls(
            issuer=os.environ["APP_ISSUER"],
            client_id=os.environ["APP_CLIENT_ID"],
            client_secret=secret("APP_CLIENT_SECRET"),
            api=os.environ["APP_API"],
            base_url=os.environ["APP_BASE_URL"],
            secret_key=secret("APP_SECRET_KEY"),
        )


@dataclass
class Logins:
    """Tokens stay on the server, by a random key in the cookie. In memory: a real app would use its database."""

    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    heard: dict[str, int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def keep(self, token: dict[str, Any]) -> str:
        key = secrets.token_urlsafe(24)
        with self.lock:
            self.tokens[key] = token
        return key

    def end(self, told: dict[str, Any]) -> None:
        """Log out whoever a logout token names: one session, or without `sid` every session of the person. Each token counts once."""
        with self.lock:
            self.heard = {jti: until for jti, until in self.heard.items() if until > time.time()}
            if told["jti"] in self.heard:
                return
            self.heard[told["jti"]] = told["exp"]
            name = "sid" if "sid" in told else "sub"
            for key in [key for key, token in self.tokens.items() if token["userinfo"].get(name) == told[name]]:
                del self.tokens[key]
                self.ended.add(key)

    def was_ended(self, key: str) -> bool:
        """Whether the identity provider ended this login; said once."""
        with self.lock:
            ended = key in self.ended
            self.ended.discard(key)
        return ended


class ApiError(Exception):
    """The API refused, or could not be reached; 400: it is for the person to do something else."""

    def __init__(self, sentence: str, status: int = 502) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


class StepUp(Exception):
    """The API wants a better or younger login; `wanted` are the parameters of the authorization request that gets it (RFC 9470)."""

    def __init__(self, wanted: dict[str, str]) -> None:
        super().__init__(str(wanted))
        self.wanted = wanted


def step_up_of(answer: requests.Response) -> StepUp | None:
    """The step-up that a refusal asks for, if it does (RFC 9470 §3)."""
    told = dict(re.findall(r'(\w+)="([^"]*)"', answer.headers.get("WWW-Authenticate", "")))
    if told.get("error") != "insufficient_user_authentication":
        return None
    return StepUp({name: told[name] for name in ("acr_values", "max_age") if name in told})


def exactly(payment: dict[str, str], api: str) -> str:
    """The authorization details of one payment and nothing else (RFC 9396); raises `ApiError` for an amount that is none."""
    try:
        value = Decimal(payment["amount"]).scaleb(0 if payment["currency"] == "JPY" else 2)
    except InvalidOperation as error:
        raise ApiError("That is no amount.", 400) from error
    if not value.is_finite() or value != value.to_integral_value() or not 0 < value < 2**53:
        raise ApiError("That is no amount.", 400)
    amount = {"value": int(value), "currency": payment["currency"]}
    entry = {"type": "payment_initiation", "actions": ["create"], "locations": [api], "instructed_amount": amount}
    return json.dumps([entry])


def read_logout_token(idp: Any, config: Config, token: str) -> dict[str, Any]:
    """The claims of a logout token of our identity provider, for us (Back-Channel Logout §2.6); raises `ValueError` or `JoseError`."""
    algorithms = [alg for alg in idp.load_server_metadata()["id_token_signing_alg_values_supported"] if alg != "none"]
    try:
        read = jwt.decode(token, KeySet.import_key_set(idp.fetch_jwk_set()), algorithms=algorithms)
    except InvalidKeyIdError:  # a new key: ask again
        read = jwt.decode(token, KeySet.import_key_set(idp.fetch_jwk_set(force=True)), algorithms=algorithms)
    needed: dict[str, Any] = {name: {"essential": True} for name in ("iat", "exp", "jti")}
    jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": config.issuer},
        aud={"essential": True, "value": config.client_id},
        **needed,
    ).validate(read.claims)
    claims: dict[str, Any] = read.claims
    if read.header.get("typ", "").lower() != "logout+jwt" or "nonce" in claims or not {"sub", "sid"} & claims.keys():
        raise ValueError("this is no logout token")
    if claims.get("events") != {LOGOUT_EVENT: {}}:
        raise ValueError("this tells of something else")
    return claims


def create_app(config: Config) -> Flask:
    """The whole app."""
    app = Flask(__name__)
    app.secret_key = config.secret_key
    app.config.update(
        SESSION_COOKIE_NAME="shop-window",  # cookies ignore ports: not the identity provider's name
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.base_url.startswith("https://"),
    )
    logins = Logins()
    idp = OAuth(app).register(
        "idp",
        client_id=config.client_id,
        client_secret=config.client_secret,
        server_metadata_url=f"{config.issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", "timeout": TIMEOUT},
    )

    def logged_in(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def wrapped(*arguments: Any, **options: Any) -> Any:
            token = logins.tokens.get(session.get("login", ""))
            return redirect(url_for("home")) if token is None else view(token, *arguments, **options)

        return wrapped

    def refresh(token: dict[str, Any]) -> None:
        """Trade the refresh token in; its successor comes with the answer."""
        try:
            fresh = idp.fetch_access_token(
                grant_type="refresh_token", refresh_token=token["refresh_token"], resource=config.api
            )
        except OAuthError as error:
            logins.tokens.pop(session.pop("login", ""), None)
            raise ApiError("Your login has ended. Please log in again.") from error
        token.update(fresh)

    def call(token: dict[str, Any], method: str, path: str, **options: Any) -> Any:
        if token["expires_at"] < time.time() + EARLY:
            refresh(token)
        headers = {"Authorization": f"Bearer {token['access_token']}", **options.pop("headers", {})}
        try:
            answer = requests.request(method, f"{config.api}{path}", headers=headers, timeout=TIMEOUT, **options)
        except requests.RequestException as error:
            raise ApiError("The shop cannot be reached right now.") from error
        step_up = step_up_of(answer)
        if step_up is not None:
            raise step_up
        if answer.status_code == 403:
            raise ApiError("You did not allow this app to do that. Log out and in again to change it.")
        if not answer.ok:
            raise ApiError(answer.json().get("detail", "The shop refused the request."))
        return answer.json()

    def csrf() -> str:
        return str(session.setdefault("csrf", secrets.token_urlsafe(16)))

    def check_csrf() -> None:
        if not secrets.compare_digest(request.form.get("csrf", "").encode(), csrf().encode()):
            abort(400)

    app.jinja_env.globals["csrf"] = csrf

    @app.get("/")
    def home() -> Any:
        key = session.get("login", "")
        if key in logins.tokens:
            return redirect(url_for("profile"))
        session.pop("login", None)
        return render_template("home.html", ended=logins.was_ended(key))

    def authorize(**parameters: str) -> Response:
        """To the identity provider, and back to `callback`."""
        answer: Response = idp.authorize_redirect(
            f"{config.base_url}/callback", resource=config.api, code_verifier=generate_token(48), **parameters
        )
        return answer

    @app.post("/login")
    def login() -> Response:
        check_csrf()
        session.pop("payment", None)
        return authorize()

    @app.route("/login/start", methods=["GET", "POST"])
    def started_elsewhere() -> Response:
        """Third-party-initiated login (OpenID Connect Core §4): at our provider and nobody else's, and back to a page of ours."""
        if request.values.get("iss") != config.issuer:
            abort(400)
        session.pop("payment", None)
        target = request.values.get("target_link_uri", "")
        session["target"] = target if target.startswith(f"{config.base_url}/") else None
        hint = request.values.get("login_hint")
        return authorize(**({"login_hint": hint} if hint else {}))

    @app.get("/callback")
    def callback() -> Any:
        payment = session.pop("payment", None)  # whatever comes of this answer, no later one pays it
        if request.args.get("iss", config.issuer) != config.issuer:
            raise ApiError("The answer came from somebody else.")
        token = dict(idp.authorize_access_token())
        if payment is not None:
            return paid(payment, token)
        target = session.get("target")
        session.clear()
        session["login"] = logins.keep(token)
        return redirect(target or url_for("profile"))

    def paid(payment: dict[str, Any], fresh: dict[str, Any]) -> Response:
        """Pay what the person was sent to the identity provider for: by a login as the API wants it, or by a token for this payment alone."""
        token = logins.tokens.get(session.get("login", ""))
        if token is None or fresh["userinfo"]["sub"] != token["userinfo"]["sub"]:
            raise ApiError("Somebody else logged in meanwhile. Nothing was paid.", 400)
        if not payment["exactly"]:
            token.update(fresh)
        try:
            send(fresh, payment)
        except StepUp as error:
            sentence = "The shop wants a stronger login. Set up a second factor in your account."
            raise ApiError(sentence, 400) from error
        return redirect(url_for("payments"))

    def send(token: dict[str, Any], payment: dict[str, Any]) -> None:
        asked = {"amount": payment["amount"], "currency": payment["currency"]}
        call(token, "POST", "/v1/payments", json=asked, headers={"Idempotency-Key": payment["key"]})

    @app.get("/profile")
    @logged_in
    def profile(token: dict[str, Any]) -> str:
        claims = idp.get(idp.load_server_metadata()["userinfo_endpoint"], token=token).json()
        return render_template("profile.html", claims=claims, token=token, left=int(token["expires_at"] - time.time()))

    @app.post("/refresh")
    @logged_in
    def refresh_now(token: dict[str, Any]) -> Response:
        check_csrf()
        refresh(token)
        return redirect(url_for("profile"))

    @app.get("/payments")
    @logged_in
    def payments(token: dict[str, Any]) -> str:
        return render_template("payments.html", payments=call(token, "GET", "/v1/payments"))

    @app.post("/payments")
    @logged_in
    def pay(token: dict[str, Any]) -> Response:
        """Pay with what the app may do anyway; where the API wants a fresh login for such a sum, go and get it."""
        check_csrf()
        payment = asked_payment()
        try:
            send(token, payment)
        except StepUp as step_up:
            session["payment"] = {**payment, "exactly": False}
            return authorize(**step_up.wanted)
        return redirect(url_for("payments"))

    @app.post("/payments/exactly")
    @logged_in
    def pay_exactly(_token: dict[str, Any]) -> Response:
        """Ask the person for this payment alone: what comes back can make it, once, and nothing else."""
        check_csrf()
        payment = asked_payment()
        details = exactly(payment, config.api)
        session["payment"] = {**payment, "exactly": True}
        return authorize(scope="openid payments:write", authorization_details=details)

    def asked_payment() -> dict[str, str]:
        return {name: request.form.get(name, "")[:64] for name in ("amount", "currency", "key")}

    @app.post("/logout")
    @logged_in
    def logout(token: dict[str, Any]) -> Response:
        check_csrf()
        logins.tokens.pop(session.get("login", ""), None)
        session.clear()
        query = urlencode({"id_token_hint": token["id_token"], "post_logout_redirect_uri": f"{config.base_url}/"})
        return redirect(f"{idp.load_server_metadata()['end_session_endpoint']}?{query}")

    @app.post("/backchannel-logout")
    def backchannel_logout() -> Response:
        """The identity provider says that somebody's session ended (OpenID Connect Back-Channel Logout §2.5)."""
        try:
            logins.end(read_logout_token(idp, config, request.form.get("logout_token", "")))
            answer = app.make_response(("", 200))
        except (JoseError, ValueError) as error:
            app.logger.warning("logout token refused: %s", error)
            answer = app.make_response(({"error": "invalid_request"}, 400))
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.errorhandler(OAuthError)
    def refused(error: OAuthError) -> tuple[str, int]:
        sentence = "You did not allow it." if error.error == "access_denied" else "The login did not work. Try again."
        return render_template("sorry.html", sentence=sentence), 400

    @app.errorhandler(ApiError)
    def failed(error: ApiError) -> tuple[str, int]:
        return render_template("sorry.html", sentence=error.sentence), error.status

    app.jinja_env.globals["new_key"] = lambda: secrets.token_urlsafe(12)
    return app


if __name__ == "__main__":
    create_app(Config.from_environment()).run("127.0.0.1", int(os.environ.get("APP_PORT", "8002")), threaded=True)
