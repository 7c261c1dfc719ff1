"""Any object at all: its parameters, or a standard refusal; never what the client may not say outside either."""

from __future__ import annotations

import json
from typing import Any, NoReturn, cast

from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError
from idp.oauth.client_keys import ClientKeys
from idp.oauth.remote_keys import RemoteKeys
from idp.oauth.request_objects import RequestObjects
from idp.platform.forms import Form
from tests.oauth.support import ISSUER, client, many
from tests.oidc.objects import unsigned
from tests.support.clocks import ManualClock

NAMES = ("scope", "state", "resource", "max_age", "claims", "response_type", "aud", "exp", "nbf", "iss", "request", "x")
TEXT = st.text(st.characters(exclude_categories=[]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.sampled_from(["openid", ISSUER]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def nowhere(_url: str) -> NoReturn:
    raise AssertionError("nothing is fetched here")


def opened(form: dict[str, str]) -> Form | None:
    clock = ManualClock()
    objects = RequestObjects(ClientKeys(RemoteKeys(nowhere, clock)), nowhere, clock, ISSUER)
    try:
        return objects.opened(Form(form.items()), client(security_profile="oidc"), frozenset({"resource"}))
    except ProtocolError as error:
        assert error.code in {"invalid_request", "invalid_request_object", "invalid_request_uri"}
        assert error.description
        return None


@many
@given(st.dictionaries(st.sampled_from(NAMES) | TEXT, JSON, max_size=5), st.sampled_from(["openid", "email"]))
def test_any_claims_are_parameters_or_refused(claims: dict[str, Any], scope: str) -> None:
    outside = {"client_id": "app", "scope": scope, "state": "outside"}
    form = opened({**outside, "request": unsigned(json.dumps(claims, ensure_ascii=True))})
    if form is None:
        return
    assert form["client_id"] == "app"
    assert not {"request", "request_uri"} & form.keys()
    for name, value in form.pairs():
        (name + value).encode("utf-8", "surrogatepass")
        value.encode("utf-8")
        assert not {chr(code) for code in range(32) if code not in (9, 10, 13)} & set(value)
    if isinstance(claims.get("state"), str):
        assert form.get("state", "") == claims["state"]
    elif "state" not in claims:
        assert form.get("state") == ("outside" if scope == "openid" else None)


@many
@given(TEXT | st.binary(max_size=40).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_no_object(text: str) -> None:
    if text:
        assert opened({"client_id": "app", "scope": "openid", "request": text}) is None
        assert opened({"client_id": "app", "scope": "openid", "request_uri": text}) is None


def test_what_is_none_is_not_there() -> None:
    form = opened({"client_id": "app", "scope": "openid", "request": unsigned({"state": None, "resource": [1, "x"]})})
    assert form is not None
    assert "state" not in form
    assert form.all("resource") == ("1", "x")
    assert cast(Any, opened({"client_id": "app"})).keys() == {"client_id"}
