"""PKCE with S256: the specification's own vector, and that nothing but the right verifier is accepted (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from hypothesis import assume, given
from hypothesis import strategies as st

from idp.oauth.authlib_views import CodeView, TokenRequest
from idp.oauth.codes import Code
from idp.oauth.request import PROMPTS, AuthorizationRequest, Lookups, RefusedRequest, check
from idp.oauth.server import S256
from idp.platform.forms import Form
from idp.tokens.values import Grant, same_person
from tests.oauth.support import ISSUER, RESOURCES, client, many

# RFC 7636 Appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
GRANT = Grant("g", "app", "alice", None, "openid", (ISSUER,), False, 0, "1fa", ("pwd",), None)
verifiers = st.text(UNRESERVED, min_size=43, max_size=128)


def challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def accepts(verifier: str | None, challenge: str | None) -> bool:
    """Whether a code of this challenge is given for this verifier; a refusal must be `invalid_grant`."""
    form = {} if verifier is None else {"code_verifier": verifier}
    request = TokenRequest(form, client(), call=None)
    request.authorization_code = CodeView(
        Code("d", "app", "https://app.test/cb", True, challenge, {}, GRANT, 0, False), compare_redirect_uri=True
    )
    try:
        S256(required=True).validate_code_verifier(SimpleNamespace(request=request), None)
    except InvalidGrantError:
        return False
    return True


def test_the_vector_of_the_specification() -> None:
    assert accepts(VERIFIER, CHALLENGE)


@many
@given(verifiers)
def test_the_verifier_of_a_challenge_is_accepted(verifier: str) -> None:
    assert accepts(verifier, challenge_of(verifier))


@many
@given(verifiers, verifiers)
def test_another_verifier_is_refused(verifier: str, other: str) -> None:
    assume(verifier != other)
    assert not accepts(other, challenge_of(verifier))


@many
@given(st.none() | st.text(max_size=140) | verifiers)
def test_the_challenge_itself_is_no_verifier(verifier: str | None) -> None:
    assert not accepts(CHALLENGE, CHALLENGE)
    assert accepts(verifier, CHALLENGE) is (verifier == VERIFIER)


@pytest.mark.parametrize(
    "verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "/", "a" * 42 + "é", "a" * 43 + "\n", " " * 43]
)
def test_a_malformed_verifier_is_refused_even_with_its_own_challenge(verifier: str) -> None:
    assert not accepts(verifier, challenge_of(verifier))


def test_a_verifier_for_a_code_without_challenge_is_refused() -> None:
    assert not accepts(VERIFIER, None)
    assert accepts(None, None)


def asked(profile: str = "oauth21", method: str = "client_secret_basic", **parameters: Any) -> AuthorizationRequest:
    app = client(security_profile=profile, token_endpoint_auth_method=method)
    given = {"client_id": "app", "response_type": "code", "redirect_uri": "https://app.test/cb", "scope": "openid"}
    lookups = Lookups(
        client=lambda _: app,
        resource=RESOURCES.get,
        hint=lambda _: None,
        opened=lambda form, _client, _repeatable: form,
        issuer=ISSUER,
        response_types=frozenset({"code"}),
        prompts=frozenset(PROMPTS),
        person_of=same_person,
        details=lambda *_: (),
    )
    return check(Form({**given, **parameters}.items()), lookups)


def refused(**parameters: Any) -> None:
    with pytest.raises(RefusedRequest) as raised:
        asked(**parameters)
    assert raised.value.error.code == "invalid_request"


@many
@given(
    st.text(UNRESERVED + "=+/ \n", max_size=50) | verifiers.map(challenge_of),
    st.sampled_from(["S256", "plain", "s256", "", "none"]),
)
def test_only_a_well_formed_s256_challenge_may_start_a_login(challenge: str, method: str) -> None:
    good = len(challenge) == 43 and challenge.replace("-", "a").replace("_", "a").isalnum() and method == "S256"
    parameters = {"code_challenge": challenge, "code_challenge_method": method}
    if good:
        assert asked(**parameters).code_challenge == challenge
    else:
        refused(**parameters)


def test_who_may_leave_pkce_out() -> None:
    refused()
    refused(profile="oidc", method="none")
    refused(profile="oidc", code_challenge_method="S256")
    assert asked(profile="oidc").code_challenge is None
    assert asked(profile="oidc", code_challenge=CHALLENGE, code_challenge_method="S256").code_challenge == CHALLENGE
