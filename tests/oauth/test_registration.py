"""Client metadata (RFC 7591): every value that cannot be honoured is refused, what is accepted comes back unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk

from idp.errors import Refused
from idp.oauth import registration
from idp.oauth.clients import Client
from idp.oauth.registration.credentials import MIN_SECRET, check_client_id, check_client_secret
from idp.opening import initialize, open_house
from idp.settings_source import load
from idp.wiring import House
from tests.oauth.support import API, many

WEB = {"redirect_uris": ["https://app.test/cb"]}
SERVICE = {"grant_types": ["client_credentials"]}
PUBLIC_KEY = jwk.ECKey.generate_key("P-256").as_dict(private=False)
SIGNED = {"token_endpoint_auth_method": "private_key_jwt"}


def checked(document: dict[str, Any]) -> dict[str, Any]:
    return registration.checked(document, {API.uri}.__contains__)


def refusal(document: dict[str, Any]) -> str:
    with pytest.raises(Refused) as raised:
        checked(document)
    assert raised.value.description
    return raised.value.code


def test_the_defaults_of_the_specification() -> None:
    assert checked(WEB) == {
        **WEB,
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
        "security_profile": "oauth21",
        "consent": "ask",
        "application_type": "web",
    }
    assert checked(SERVICE)["response_types"] == []


BAD_REDIRECTS = [
    [],
    ["http://app.test/cb"],
    ["https://app.test/cb#x"],
    ["https://app.test/*"],
    ["https://u:p@app.test/cb"],
    ["javascript:alert(1)"],
    ["data:text/html,x"],
    ["file:///etc/passwd"],
    ["com.example.app:/cb"],
    ["/cb"],
    ["https:///cb"],
    ["https://app.test/\x00"],
    ["https://app.test/cb", "https://app.test:99999/"],
]


@pytest.mark.parametrize("uris", BAD_REDIRECTS)
def test_a_redirect_uri_that_cannot_be_safe_is_refused(uris: list[str]) -> None:
    assert refusal({"redirect_uris": uris}) == "invalid_redirect_uri"


def test_a_native_app_may_use_a_private_scheme() -> None:
    native = {"redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"], "application_type": "native"}
    assert native.items() <= checked(native).items()


def test_texts_for_people_come_in_several_languages() -> None:
    tagged = {"client_name": "Shop", "client_name#ja-Jpan-JP": "店", "logo_uri#de": "https://app.test/logo-de.png"}
    assert tagged.items() <= checked({**WEB, **tagged}).items()


def test_a_login_needs_somewhere_to_go_back_to() -> None:
    assert refusal({}) == "invalid_redirect_uri"


BAD: list[dict[str, Any]] = [
    {"grant_types": ["password"]},
    {"grant_types": ["implicit"], "response_types": ["token"]},
    {"grant_types": ["refresh_token"]},
    {"grant_types": ["refresh_token", "client_credentials"]},
    {"grant_types": "authorization_code"},
    {"grant_types": [1]},
    {"grant_types": [""]},
    {"grant_types": ["authorization_code"], "response_types": []},
    {"grant_types": ["client_credentials"], "response_types": ["code"]},
    {"response_types": ["code id_token"]},
    {"response_types": ["token"]},
    {"token_endpoint_auth_method": "client_secret_jwt"},
    {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
    {"token_endpoint_auth_method": 1},
    {"token_endpoint_auth_signing_alg": "none"},
    {"token_endpoint_auth_signing_alg": "HS256"},
    {"id_token_signed_response_alg": "none"},
    {"id_token_signed_response_alg": "HS256"},
    {"subject_type": "ephemeral"},
    {"subject_type": "pairwise", "redirect_uris": ["https://one.test/cb", "https://two.test/cb"]},
    {"subject_type": "pairwise", "redirect_uris": ["com.example.app:/cb"], "application_type": "native"},
    {"subject_type": "pairwise", "grant_types": ["client_credentials"], "redirect_uris": []},
    {"sector_identifier_uri": "http://app.test/sector"},
    {"application_type": "desktop"},
    {"consent": "never"},
    {"security_profile": "fapi2"},
    {"security_profile": "mcp"},
    {"security_profile": "none"},
    {"client_name": "x" * 201},
    {"client_name": "a\nb"},
    {"client_name": "a\x7fb"},
    {"client_name": None},
    {"client_name": ["x"]},
    {"client_uri": "javascript:alert(1)"},
    {"logo_uri": "data:image/png;base64,x"},
    {"tos_uri": "x"},
    {"policy_uri": "file:///x"},
    {"post_logout_redirect_uris": ["javascript:alert(1)"]},
    {"post_logout_redirect_uris": ["http://app.test/"]},
    {"default_max_age": -1},
    {"default_max_age": True},
    {"default_max_age": "60"},
    {"default_max_age": 1.5},
    {"contacts": "me@app.test"},
    {"contacts": ["\x00"]},
    {"software_id": "a\x00"},
    {"scope": "a  b"},
    {"scope": 'a"b'},
    {"scope": ["openid"]},
    {"scope": "x" * 1025},
    {"audience": ["https://unknown.test"]},
    {"audience": API.uri},
    {"introspects": ["https://unknown.test"]},
    {"jwks": {"keys": [PUBLIC_KEY]}, "jwks_uri": "https://app.test/jwks"},
    {"jwks_uri": "http://app.test/jwks"},
    {"jwks_uri": "https://app.test/jwks#now"},
    {"jwks_uri": "file:///etc/passwd"},
    {"jwks_uri": ["https://app.test/jwks"]},
    {"software_statement": "x"},
    {"require_pushed_authorization_requests": True},
    {"id_token_encrypted_response_alg": "RSA-OAEP"},
    {"id_token_encrypted_response_alg": "RSA-OAEP-256"},
    {"id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": {"keys": [PUBLIC_KEY]}},
    {"id_token_encrypted_response_alg": "ECDH-ES", "jwks": {"keys": [{**PUBLIC_KEY, "use": "sig"}]}},
    {"id_token_encrypted_response_enc": "A128GCM"},
    {"userinfo_encrypted_response_enc": "A128GCM"},
    {"userinfo_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_enc": "A192GCM"},
    {"userinfo_signed_response_alg": "none"},
    {"userinfo_signed_response_alg": "HS256"},
    {"request_object_signing_alg": "none"},
    {"anything": "else"},
    {"client_name#": "x"},
    {"client_name#j a": "x"},
    {"client_name#ja": 5},
    {"logo_uri#ja": "javascript:alert(1)"},
    {"scope#ja": "openid"},
    {"": "x"},
]


@pytest.mark.parametrize("change", BAD, ids=lambda change: json.dumps(change)[:24])
def test_what_cannot_be_honoured_is_refused(change: dict[str, Any]) -> None:
    assert refusal({**WEB, **change}) == "invalid_client_metadata"


BAD_JWKS: list[Any] = [
    None,
    "x",
    [],
    {},
    {"keys": []},
    {"keys": "x"},
    {"keys": ["x"]},
    {"keys": [{}]},
    {"keys": [{"kty": "nope"}]},
    {"keys": [{"kty": "oct", "k": "AAAA"}]},
    {"keys": [{**PUBLIC_KEY, "x": "AA"}]},
    {"keys": [jwk.ECKey.generate_key("P-256").as_dict(private=True)]},
    {"keys": [{"kty": "RSA", "e": "AQAB", "n": "v" * 171}]},
    {"keys": [{"kty": "RSA", "e": 3, "n": "v" * 342}]},
    {"keys": [{"kty": []}]},
    {"keys": [{**PUBLIC_KEY, "crv": 1}]},
    {"keys": [{**PUBLIC_KEY, "x": "é"}]},
    {"keys": [{**PUBLIC_KEY, "kid": 5}]},
    {"keys": [{**PUBLIC_KEY, "key_ops": 5}]},
    {"keys": [{**PUBLIC_KEY, "use": "fun"}]},
    {"keys": [{"kty": "OKP", "crv": "Ed25519"}]},
    {"keys": [PUBLIC_KEY] * 33},
]


@pytest.mark.filterwarnings("ignore:Key size")
@pytest.mark.parametrize("jwks", BAD_JWKS, ids=lambda jwks: json.dumps(jwks)[:12])
def test_keys_that_prove_nothing_are_refused(jwks: Any) -> None:
    assert refusal({**SERVICE, **SIGNED, "jwks": jwks}) == "invalid_client_metadata"


def test_a_signing_client_needs_its_keys() -> None:
    assert refusal({**SERVICE, **SIGNED}) == "invalid_client_metadata"
    assert checked({**SERVICE, **SIGNED, "jwks": {"keys": [PUBLIC_KEY]}})["jwks"] == {"keys": [PUBLIC_KEY]}
    assert checked({**SERVICE, **SIGNED, "jwks_uri": "https://app.test/jwks"})["jwks_uri"] == "https://app.test/jwks"


def test_a_client_with_a_secret_may_have_keys_too() -> None:
    assert checked({**WEB, "jwks": {"keys": [PUBLIC_KEY]}})["jwks"] == {"keys": [PUBLIC_KEY]}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [*registration.MEMBERS, "client_name#ja", "logo_uri#de-CH"]


@many
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_any_json_is_accepted_or_refused_by_name_and_never_breaks(document: dict[str, Any]) -> None:
    try:
        metadata = checked({**WEB, **document})
    except Refused as refused:
        assert refused.code in {"invalid_client_metadata", "invalid_redirect_uri"}
        assert refused.description
    else:
        assert checked(metadata) == metadata
        json.dumps(metadata, ensure_ascii=False).encode()


@pytest.mark.parametrize("client_id", ["", "a b", "ä", "x" * 256, "a/b", "a\n", None, 1])
def test_a_client_id_that_would_need_encoding_is_refused(client_id: object) -> None:
    with pytest.raises(Refused):
        check_client_id(client_id)


@pytest.mark.parametrize("secret", ["", "x" * 31, "x" * 513, "x" * 31 + " ", "x" * 31 + "\n", "ä" * 32, None, 5])
def test_a_secret_that_is_none_is_refused(secret: object) -> None:
    with pytest.raises(Refused):
        check_client_secret(secret)


# -- registered and read back -----------------------------------------------------------------------------------------

FULL: dict[str, Any] = {
    **WEB,
    "client_name": "Bücher & Co",
    "client_uri": "https://app.test",
    "logo_uri": "https://app.test/logo.png",
    "tos_uri": "https://app.test/tos",
    "policy_uri": "https://app.test/privacy",
    "contacts": ["ops@app.test"],
    "software_id": "app",
    "software_version": "1.0",
    "post_logout_redirect_uris": ["https://app.test/", "https://app.test"],
    "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    "scope": "openid email offline_access read",
    "audience": [API.uri],
    "introspects": [API.uri],
    "default_max_age": 0,
    "id_token_signed_response_alg": "ES256",
    "consent": "trusted",
    "security_profile": "oidc",
    "application_type": "native",
    "subject_type": "public",
    "token_endpoint_auth_method": "client_secret_post",
}
OURS = {"client_id", "client_id_issued_at", "client_secret", "client_secret_expires_at", "disabled"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    settings = load({"IDP_DATA_DIR": str(folder / "var"), "IDP_KEYS_DIR": str(folder / "keys")})
    initialize(settings)
    with open_house(settings) as opened:
        opened.resources.create(uri=API.uri, scopes=API.scopes)
        yield opened


@pytest.mark.parametrize(
    "document",
    [WEB, SERVICE, FULL, {**SERVICE, **SIGNED, "jwks": {"keys": [PUBLIC_KEY]}}],
    ids=["web", "service", "everything", "signed"],
)
def test_a_client_that_is_shown_can_be_registered_again_the_same(house: House, document: dict[str, Any]) -> None:
    made = house.clients.create(document)
    shown = house.clients.show(made["client_id"])
    assert shown == {name: value for name, value in made.items() if not name.startswith("client_secret")}
    again = house.clients.create({name: value for name, value in shown.items() if name not in OURS})
    same = {name: value for name, value in again.items() if name not in OURS}
    assert same == {name: value for name, value in shown.items() if name not in OURS}
    assert document.items() <= shown.items()
    assert again["client_id"] != made["client_id"]


def test_the_secret_is_shown_once_and_kept_as_a_digest(house: House) -> None:
    made = house.clients.create(WEB)
    assert len(made["client_secret"]) >= MIN_SECRET
    assert made["client_secret_expires_at"] == 0
    shown = json.dumps([house.clients.show(made["client_id"]), house.clients.list()])
    assert made["client_secret"] not in shown
    with house.database.read() as tx:
        dump = [str(row) for row in tx.exec_driver_sql("SELECT * FROM clients")]
    assert made["client_secret"] not in str(dump)


def test_a_client_id_is_given_once(house: House) -> None:
    house.clients.create({**WEB, "client_id": "the-one"})
    with pytest.raises(Refused) as raised:
        house.clients.create({**WEB, "client_id": "the-one"})
    assert raised.value.code == "invalid_client_metadata"


def test_only_a_client_with_a_secret_may_bring_one(house: House) -> None:
    secret = "s" * 32
    assert house.clients.create({**WEB, "client_secret": secret})["client_secret"] == secret
    with pytest.raises(Refused):
        house.clients.create({**WEB, "token_endpoint_auth_method": "none", "client_secret": secret})
    assert "client_secret" not in house.clients.create({**WEB, "token_endpoint_auth_method": "none"})


def test_a_merge_patch_changes_what_it_names_and_null_removes(house: House) -> None:
    client_id = house.clients.create(FULL)["client_id"]
    changed = house.clients.update(client_id, {"client_name": "New", "logo_uri": None, "scope": None})
    assert changed["client_name"] == "New"
    assert not {"logo_uri", "scope"} & changed.keys()
    assert changed["policy_uri"] == FULL["policy_uri"]
    assert house.clients.show(client_id) == changed


@pytest.mark.parametrize(
    "patch", [{"client_id": "x"}, {"client_secret": "s" * 32}, {"redirect_uris": None}, {"grant_types": ["password"]}]
)
def test_a_patch_that_breaks_a_client_changes_nothing(house: House, patch: dict[str, Any]) -> None:
    client_id = house.clients.create(FULL)["client_id"]
    before = house.clients.show(client_id)
    with pytest.raises(Refused):
        house.clients.update(client_id, patch)
    assert house.clients.show(client_id) == before


def test_a_public_client_that_becomes_confidential_gets_a_secret_and_loses_it_again(house: House) -> None:
    client_id = house.clients.create({**WEB, "token_endpoint_auth_method": "none"})["client_id"]
    assert house.clients.update(client_id, {"token_endpoint_auth_method": "client_secret_basic"})["client_secret"]
    assert "client_secret" not in house.clients.update(client_id, {"client_name": "Same"})
    house.clients.update(client_id, {"token_endpoint_auth_method": "none"})
    assert _stored(house, client_id).secrets == ()


def test_a_rotated_secret_leaves_the_old_one_its_grace(house: House) -> None:
    client_id = house.clients.create(WEB)["client_id"]
    house.clients.rotate_secret(client_id)
    assert len(_stored(house, client_id).secrets) == 1
    house.clients.rotate_secret(client_id, grace=60)
    new, old = _stored(house, client_id).secrets
    assert new.expires_at == 0
    assert 0 < old.expires_at - house.clock.now() <= 60


def _stored(house: House, client_id: str) -> Client:
    with house.database.read() as tx:
        found = house.client_directory.get_tx(tx, client_id)
    assert found is not None
    return found
