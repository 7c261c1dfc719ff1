"""Whatever is sent to the registration endpoint: a client, or a standard refusal; never a 500, never a null."""

from __future__ import annotations

import secrets
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from idp.oauth import registration
from tests.oidc_clients.registering import CALLBACK, Owned, post
from tests.support.running import RunningIdp

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = [*sorted(registration.MEMBERS), "client_name#ja", "software_statement", "client_id", "client_secret", "x"]
DOCUMENTS = st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5)
CODES = {
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "invalid_software_statement",
    "unapproved_software_statement",
}
few = settings(deadline=None, max_examples=60)


def has_null(document: Any) -> bool:
    match document:
        case dict():
            return any(map(has_null, document.values()))
        case list():
            return any(map(has_null, document))
    return document is None


@few
@given(DOCUMENTS)
def test_any_metadata_is_registered_or_refused(registry: RunningIdp, document: dict[str, Any]) -> None:
    answer = post(registry.url, {"redirect_uris": [CALLBACK], **document})
    told = answer.json()
    if answer.status_code == 201:
        assert not has_null(told)
        assert Owned(told).call("DELETE").status_code == 204
    else:
        assert (answer.status_code, told["error"] in CODES) == (400, True), answer.text


@few
@given(JSON)
def test_any_json_is_answered(registry: RunningIdp, document: Any) -> None:
    assert post(registry.url, document if document is not None else []).status_code == 400


@few
@given(DOCUMENTS, st.sampled_from(["GET", "PUT", "DELETE", "POST", "PATCH"]))
def test_any_call_without_the_right_token_is_refused(
    registry: RunningIdp, document: dict[str, Any], method: str
) -> None:
    client = Owned(
        {
            "client_id": "unknown",
            "registration_client_uri": f"{registry.url}/oauth/register?client_id=unknown",
            "registration_access_token": secrets.token_urlsafe(8),
        }
    )
    expected = {"PATCH": {405}, "POST": {201, 400}}.get(method, {401})
    assert client.call(method, document).status_code in expected
