"""Relying parties that Python's libraries make."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.interop.conftest import StartApp, web_client
from tests.interop.person import Person
from tests.support.running import RunningIdp

CALLBACK = "https://app.test/callback"


def test_authlib(idp: RunningIdp, somebody: Person) -> None:
    client = web_client(
        idp,
        CALLBACK,
        security_profile="oauth21",
        grant_types=["authorization_code", "refresh_token"],
        scope="openid profile offline_access",
    )
    about = requests.get(f"{idp.issuer}/.well-known/openid-configuration", timeout=30).json()
    session = OAuth2Session(
        client["client_id"],
        client["client_secret"],
        scope="openid profile offline_access",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    )
    url, state = session.create_authorization_url(
        about["authorization_endpoint"], code_verifier="v" * 48, nonce="a nonce"
    )
    landed = somebody.visit(url, until=CALLBACK).headers["Location"]
    token = session.fetch_token(
        about["token_endpoint"], authorization_response=landed, state=state, code_verifier="v" * 48
    )
    keys = KeySet.import_key_set(requests.get(about["jwks_uri"], timeout=30).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["nonce"] == "a nonce"
    assert session.get(about["userinfo_endpoint"]).json()["sub"] == claims["sub"]
    again = session.refresh_token(about["token_endpoint"])
    assert again["access_token"] != token["access_token"]
    assert session.introspect_token(about["introspection_endpoint"], again["access_token"]).json()["active"] is True
    assert session.revoke_token(about["revocation_endpoint"], again["refresh_token"]).status_code == 200
    assert session.introspect_token(about["introspection_endpoint"], again["access_token"]).json() == {"active": False}


@pytest.mark.parametrize("pkce", [False, True])
def test_mozilla_django_oidc(python_app: StartApp, somebody: Person, tmp_path: Path, pkce: bool) -> None:
    database = str(tmp_path / "django.sqlite3")
    app = python_app("with_mozilla_django_oidc", "/oidc/callback/", "client_secret_post", pkce=pkce, database=database)
    assert somebody.visit(f"{app}/me").json() == {"email": None}
    assert somebody.visit(f"{app}/oidc/authenticate/").json() == {"email": "alice@example.com"}
    assert somebody.asked == ["login", "consent"]


def test_social_auth_core(python_app: StartApp, somebody: Person) -> None:
    app = python_app("with_social_auth", "/callback", "client_secret_basic")
    me = somebody.visit(f"{app}/login").json()
    assert me["email"] == "alice@example.com"
    assert (me["first_name"], me["last_name"]) == ("Alice", "Example")
    assert me["sub"]
