"""A third-party web app with a "Log in with" button: Authlib's client, PKCE, a call to an API, refresh, logout and back-channel logout.

Run it by `idp demo`, or by itself: `python examples/login_with/app.py` with the settings of `Config.from_environment`.
"""

from __future__ import annotations

import functools
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import desk
import requests
import shop
from apis import AWAY, ApiError, Moved, StepUp, exactly, refused_by
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, abort, redirect, render_template, request, session, url_for
from joserfc.errors import JoseError
from logins import Logins, read_logout_token
from told import told
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

SCOPE = "openid profile email offline_access payments:read payments:write orders:read orders:write users:read"
TIMEOUT = 10
EARLY = 30
WORDS = {
    400: "The shop does not understand that. Go back, load the page again, and try once more.",
    404: "There is no such page.",
    500: "Something went wrong on our side.",
}


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
    security_url: str
    """Where people set up a second factor."""

    @classmethod
    def from_environment(cls) -> Config:
        """APP_ISSUER, APP_CLIENT_ID, APP_CLIENT_SECRET, APP_API, APP_BASE_URL, APP_SECRET_KEY, and if it is not the issuer's own
        APP_SECURITY_URL; secrets also as NAME_FILE."""
        issuer = os.environ["APP_ISSUER"]
        return cls(
            issuer=issuer,
            client_id=os.environ["APP_CLIENT_ID"],
            client_secret=secret("APP_CLIENT_SECRET"),
            api=os.environ["APP_API"],
            base_url=os.environ["APP_BASE_URL"],
            secret_key=secret("APP_SECRET_KEY"),
            security_url=os.environ.get("APP_SECURITY_URL") or f"{issuer}/account/security",
        )


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
            raise ApiError(AWAY) from error
        if not answer.ok:
            raise refused_by(answer)
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
        return render_template("home.html", ended=logins.was_ended(key), lost=bool(key), goods=shop.GOODS)

    def authorize(**parameters: str) -> Response:
        """To the identity provider, and back to `callback`."""
        answer: Response = idp.authorize_redirect(
            f"{config.base_url}/callback", resource=config.api, code_verifier=generate_token(48), **parameters
        )
        return answer

    def forget_plans() -> None:
        """A login that begins anew is for nothing else."""
        for name in ("payment", "at_the_desk"):
            session.pop(name, None)

    @app.post("/login")
    def login() -> Response:
        check_csrf()
        forget_plans()
        return authorize()

    @app.route("/login/start", methods=["GET", "POST"])
    def started_elsewhere() -> Response:
        """Third-party-initiated login (OpenID Connect Core §4): at our provider and nobody else's, and back to a page of ours."""
        if request.values.get("iss") != config.issuer:
            abort(400)
        forget_plans()
        target = request.values.get("target_link_uri", "")
        session["target"] = target if target.startswith(f"{config.base_url}/") else None
        hint = request.values.get("login_hint")
        return authorize(**({"login_hint": hint} if hint else {}))

    @app.get("/callback")
    def callback() -> Any:
        payment = session.pop("payment", None)  # whatever comes of this answer, no later one pays it
        for_the_desk = session.pop("at_the_desk", False)
        if request.args.get("iss", config.issuer) != config.issuer:
            raise ApiError("The answer came from somebody else.")
        token = dict(idp.authorize_access_token())
        if for_the_desk:
            return at_the_desk(token)
        if payment is not None:
            return paid(payment, token)
        target = session.get("target")
        session.clear()
        session["login"] = logins.keep(token)
        return redirect(target or url_for("profile"))

    def paid(payment: dict[str, Any], fresh: dict[str, Any]) -> Any:
        """Pay what the person was sent to the identity provider for: by a login as the API wants it, or by a token for this payment alone."""
        token = logins.tokens.get(session.get("login", ""))
        if token is None or fresh["userinfo"]["sub"] != token["userinfo"]["sub"]:
            raise ApiError("Somebody else logged in meanwhile. Nothing was paid.", 400)
        if not payment["exactly"]:
            token.update(fresh)
        order = payment.get("order")
        back = url_for("payments") if order is None else url_for("show_order", order_id=order)
        try:
            if order is None:
                send(fresh, payment)
            else:
                orders.pay(fresh, order, payment["key"])
        except Moved:
            return redirect(back)
        except StepUp:
            return render_template("stronger.html", security=config.security_url, back=back, order=order), 400
        return redirect(back)

    def send(token: dict[str, Any], payment: dict[str, Any]) -> None:
        asked = {"amount": payment["amount"], "currency": payment["currency"]}
        call(token, "POST", "/v1/payments", json=asked, headers={"Idempotency-Key": payment["key"]})

    def end_session(token: dict[str, Any]) -> Response:
        query = urlencode({"id_token_hint": token["id_token"], "post_logout_redirect_uri": f"{config.base_url}/"})
        return redirect(f"{idp.load_server_metadata()['end_session_endpoint']}?{query}")

    tools = shop.Tools(call, logged_in, authorize, check_csrf, end_session, config.base_url)
    orders, at_the_desk = shop.install(app, tools), desk.install(app, tools, logins)

    @app.get("/profile")
    @logged_in
    def profile(token: dict[str, Any]) -> str:
        claims = idp.get(idp.load_server_metadata()["userinfo_endpoint"], token=token).json()
        left = int(token["expires_at"] - time.time())
        return render_template("profile.html", claims=claims, told=told, token=token, left=left)

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
        for name in ("login", "desk"):
            logins.tokens.pop(session.get(name, ""), None)
        session.clear()
        return end_session(token)

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

    def sorry(sentence: str, status: int, *, number: str | None = None, again: bool = False) -> tuple[str, int]:
        """The page for what did not work, with the number to ask for help with: the API's, or ours, which the log has."""
        if number is None:
            number = secrets.token_hex(16)
            app.logger.warning("%s: %s %r: %d %s", number, request.method, request.path, status, sentence)
        return render_template("sorry.html", sentence=sentence, number=number, again=again), status

    @app.errorhandler(OAuthError)
    def refused(error: OAuthError) -> tuple[str, int]:
        if error.error == "access_denied":
            return render_template("sorry.html", sentence="You did not allow it."), 400
        return sorry("The login did not work. Try again.", 400)

    @app.errorhandler(ApiError)
    def failed(error: ApiError) -> tuple[str, int]:
        again = request.method == "GET" and error.status >= 500
        return sorry(error.sentence, error.status, number=error.number, again=again)

    @app.errorhandler(HTTPException)
    def no_such_thing(error: HTTPException) -> tuple[str, int]:
        """What no page of ours asks for: a form from another time, an address that somebody typed."""
        status = error.code or 500
        if status == 404:  # nothing went wrong, so there is nothing to ask for help with
            return render_template("sorry.html", sentence=WORDS[status]), status
        return sorry(WORDS.get(status, "That did not work. Go back and try it again."), status)

    app.jinja_env.globals["new_key"] = lambda: secrets.token_urlsafe(12)
    return app


if __name__ == "__main__":
    create_app(Config.from_environment()).run("127.0.0.1", int(os.environ.get("APP_PORT", "8002")), threaded=True)
