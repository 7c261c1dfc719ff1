"""ID tokens and userinfo in the algorithms a client registered: signed, encrypted, or both (OpenID Connect Core §5.3.2, §16.14)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from joserfc import jwe, jwk, jwt
from joserfc.jwk import KeySet

from tests.oidc_clients.registering import CALLBACK, post, registered
from tests.support.flows import App, Browser
from tests.support.published import Site
from tests.support.running import RunningIdp

SIGNING = ["RS256", "PS256", "ES256", "Ed25519"]
KEYS: dict[str, jwk.Key] = {
    "RSA-OAEP-256": jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "enc"}),
    "ECDH-ES": jwk.ECKey.generate_key("P-256", {"kid": "ec", "use": "enc"}),
    "ECDH-ES+A128KW": jwk.OKPKey.generate_key("X25519", {"kid": "okp"}),
    "ECDH-ES+A256KW": jwk.ECKey.generate_key("P-384", {"kid": "ec384"}),
}
DECOY = jwk.ECKey.generate_key("P-256", {"kid": "signs", "use": "sig"})


def public(*keys: jwk.Key) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in (DECOY, *keys)]}


def read(registry: RunningIdp, token: str, alg: str) -> jwt.Token:
    jwks = requests.get(f"{registry.url}/oauth/jwks").json()
    return jwt.decode(token, KeySet.import_key_set(jwks), algorithms=[alg])


def opened(token: str, key: jwk.Key, alg: str, enc: str) -> tuple[dict[str, Any], str]:
    found = jwe.decrypt_compact(token, key, algorithms=[alg, enc])
    assert (found.protected["alg"], found.protected["enc"], found.protected["kid"]) == (alg, enc, key.kid)
    return dict(found.protected), (found.plaintext or b"").decode()


def app_of(registry: RunningIdp, **metadata: Any) -> App:
    return App(registry.url, registered(registry.url, **metadata).document)


def tokens_of(app: App, **parameters: Any) -> dict[str, Any]:
    return app.tokens(Browser(app.idp), "alice", **parameters)


@pytest.mark.parametrize("alg", SIGNING)
def test_an_id_token_is_signed_as_registered(registry: RunningIdp, alg: str) -> None:
    """oidcc-idtoken-rs256 and its siblings: a key is made when the first client asks for the algorithm."""
    app = app_of(registry, id_token_signed_response_alg=alg)
    token = read(registry, tokens_of(app)["id_token"], alg)
    assert token.header["alg"] == alg
    assert token.header["kid"]
    assert token.claims["aud"] == app.client_id


@pytest.mark.parametrize("alg", SIGNING)
def test_userinfo_is_signed_as_registered(registry: RunningIdp, alg: str) -> None:
    """oidcc-userinfo-rs256: `iss` and `aud`, and no nonce."""
    app = app_of(registry, userinfo_signed_response_alg=alg)
    tokens = tokens_of(app, scope="openid email", nonce="once")
    answer = app.userinfo(tokens["access_token"])
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/jwt")
    assert "no-store" in answer.headers["Cache-Control"]
    claims = read(registry, answer.text, alg).claims
    assert claims["sub"] == read(registry, tokens["id_token"], "RS256").claims["sub"]
    assert claims == {
        "sub": claims["sub"],
        "email": "alice@example.com",
        "email_verified": True,
        "iss": registry.issuer,
        "aud": app.client_id,
    }


def test_signed_userinfo_is_no_hint(registry: RunningIdp) -> None:
    app = app_of(registry, userinfo_signed_response_alg="RS256")
    browser = Browser(registry.url)
    told = app.userinfo(app.tokens(browser, "alice")["access_token"]).text
    response = browser.open(app.authorize_url(prompt="none", id_token_hint=told)[0])
    assert "error=invalid_request" in response.headers["Location"]


@pytest.mark.parametrize("alg", KEYS)
@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A128GCM", "A256GCM"])
def test_an_id_token_is_encrypted_as_registered(registry: RunningIdp, alg: str, enc: str) -> None:
    wish = {"id_token_encrypted_response_alg": alg, "id_token_encrypted_response_enc": enc}
    app = app_of(registry, jwks=public(KEYS[alg]), grant_types=["authorization_code", "refresh_token"], **wish)
    tokens = tokens_of(app, scope="openid offline_access", nonce="n")
    header, inner = opened(tokens["id_token"], KEYS[alg], alg, enc)
    assert header["cty"] == "JWT"
    claims = read(registry, inner, "RS256").claims
    assert (claims["aud"], claims["nonce"]) == (app.client_id, "n")
    fresh = app.refresh(tokens["refresh_token"]).json()
    assert read(registry, opened(fresh["id_token"], KEYS[alg], alg, enc)[1], "RS256").claims["sub"] == claims["sub"]


def test_the_default_encoding_is_the_specifications(registry: RunningIdp) -> None:
    app = app_of(registry, jwks=public(KEYS["ECDH-ES"]), id_token_encrypted_response_alg="ECDH-ES")
    opened(tokens_of(app)["id_token"], KEYS["ECDH-ES"], "ECDH-ES", "A128CBC-HS256")


@pytest.mark.parametrize("signed", [None, "ES256"])
def test_userinfo_is_encrypted_as_registered(registry: RunningIdp, signed: str | None) -> None:
    alg, enc = "RSA-OAEP-256", "A256GCM"
    wish = {"userinfo_encrypted_response_alg": alg, "userinfo_encrypted_response_enc": enc}
    app = app_of(
        registry, jwks=public(KEYS[alg]), **wish, **({"userinfo_signed_response_alg": signed} if signed else {})
    )
    answer = app.userinfo(tokens_of(app, scope="openid email")["access_token"])
    assert answer.headers["Content-Type"] == "application/jwt"
    header, inner = opened(answer.text, KEYS[alg], alg, enc)
    claims = read(registry, inner, signed).claims if signed else json.loads(inner)
    assert (header.get("cty"), claims["email"]) == ("JWT" if signed else None, "alice@example.com")


def test_the_key_is_looked_up_where_the_client_publishes_it(registry: RunningIdp, site: Site) -> None:
    alg, key = "ECDH-ES", KEYS["ECDH-ES"]
    url = site.publish("/jwks", public())
    app = app_of(registry, jwks_uri=url, id_token_encrypted_response_alg=alg)
    assert site.asked == []
    browser = Browser(registry.url)
    answer, verifier = app.login(browser, "alice")
    refused = app.redeem(answer["code"], verifier)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")
    other = app_of(registry, jwks_uri=site.publish("/later", public(key)), id_token_encrypted_response_alg=alg)
    opened(tokens_of(other)["id_token"], key, alg, "A128CBC-HS256")


def test_it_is_announced(registry: RunningIdp) -> None:
    document = requests.get(f"{registry.url}/.well-known/openid-configuration").json()
    assert document["userinfo_signing_alg_values_supported"] == SIGNING
    assert document["id_token_signing_alg_values_supported"] == SIGNING
    for what in ("id_token", "userinfo"):
        assert document[f"{what}_encryption_alg_values_supported"] == list(KEYS)
        assert "A128CBC-HS256" in document[f"{what}_encryption_enc_values_supported"]


def test_a_client_cannot_ask_for_what_it_has_no_key_for(registry: RunningIdp) -> None:
    wish = {"redirect_uris": [CALLBACK], "id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": public()}
    assert post(registry.url, wish).json()["error"] == "invalid_client_metadata"
