"""A Flask app that logs people in with social-auth-core's OpenID Connect backend; prints its address."""

from __future__ import annotations

import json
import sys
from typing import Any, ClassVar
from wsgiref.simple_server import make_server

from flask import Flask, Response, jsonify, redirect, request, session
from social_core.backends.open_id_connect import OpenIdConnectAuth
from social_core.storage import AssociationMixin, BaseStorage, NonceMixin
from social_core.strategy import BaseStrategy

given = json.loads(sys.argv[1])
metadata, port = given["metadata"], given["port"]
app = Flask(__name__)
app.config.update(SECRET_KEY="only for this test", SESSION_COOKIE_NAME="social")
SETTINGS = {
    "SOCIAL_AUTH_OIDC_OIDC_ENDPOINT": given["issuer"],
    "SOCIAL_AUTH_OIDC_KEY": metadata["client_id"],
    "SOCIAL_AUTH_OIDC_SECRET": metadata["client_secret"],
}


class Nonces(NonceMixin):
    """Values that are used once, in memory."""

    known: ClassVar[set[tuple[str, int, str]]] = set()

    @classmethod
    def use(cls, server_url: str, timestamp: int, salt: str) -> bool:
        cls.known.add((server_url, timestamp, salt))
        return True

    @classmethod
    def consume(cls, server_url: str, timestamp: int, salt: str) -> bool:
        found = (server_url, timestamp, salt) in cls.known
        cls.known.discard((server_url, timestamp, salt))
        return found


class Associations(AssociationMixin):
    """What belongs to a nonce, in memory."""

    known: ClassVar[dict[str, Any]] = {}

    @classmethod
    def store(cls, server_url: str, association: Any) -> None:
        kept = cls()
        vars(kept).update(vars(association), id=association.handle)
        cls.known[association.handle] = kept

    @classmethod
    def get(cls, *, server_url: str, handle: str) -> list[Any]:
        return [cls.known[handle]] if handle in cls.known else []

    @classmethod
    def remove(cls, ids_to_delete: list[str]) -> None:
        for handle in ids_to_delete:
            cls.known.pop(handle, None)


class Storage(BaseStorage):
    """What the library keeps."""

    nonce = Nonces
    association = Associations


class Strategy(BaseStrategy):
    """What the library asks of a web framework, in Flask's words."""

    def get_setting(self, name: str) -> Any:
        if name not in SETTINGS:
            raise KeyError(name)
        return SETTINGS[name]

    def request_data(self, merge: bool = True) -> dict[str, Any]:
        return request.values.to_dict()

    def request_host(self) -> str:
        return request.host

    def build_absolute_uri(self, path: str | None = None) -> str:
        return f"http://127.0.0.1:{port}{path or ''}"

    def session_get(self, name: str, default: Any = None) -> Any:
        return session.get(name, default)

    def session_set(self, name: str, value: Any) -> None:
        session[name] = value

    def session_pop(self, name: str) -> Any:
        return session.pop(name, None)

    def redirect(self, url: str) -> Any:
        return redirect(url)

    def html(self, content: str) -> Any:
        return Response(content)


def backend() -> OpenIdConnectAuth:
    return OpenIdConnectAuth(Strategy(Storage()), redirect_uri="/callback")


@app.get("/login")
def login() -> Any:
    return backend().start()


@app.get("/callback")
def callback() -> Any:
    social = backend()
    social.data = social.strategy.request_data()
    social.process_error(social.data)
    state = social.validate_state()
    answer = social.request_access_token(
        social.access_token_url(),
        data=social.auth_complete_params(state),
        headers=social.auth_headers(),
        auth=social.auth_complete_credentials(),
        method="POST",
    )
    session["me"] = {**social.get_user_details(social.user_data(answer["access_token"])), "sub": social.id_token["sub"]}
    return redirect("/me")


@app.get("/me")
def me() -> Any:
    return jsonify(session.get("me"))


with make_server("127.0.0.1", port, app) as server:
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    server.serve_forever()
