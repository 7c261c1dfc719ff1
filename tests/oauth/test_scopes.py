"""Narrowing of scopes and audiences: never more than registered, defined and asked; nothing left is a refusal."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.errors import ProtocolError
from idp.oauth import entitlement, scopes
from idp.oauth.clients import Client
from idp.oauth.resources import Resource
from tests.oauth.support import API, ISSUER, OTHER, RESOURCES, client, many

TOKENS = [*scopes.OPENID_SCOPES, "read", "write", "other", "unknown"]
scope_lists = st.lists(st.sampled_from(TOKENS), max_size=8)
resource_lists = st.sampled_from([[API], [OTHER], [API, OTHER], [OTHER, API], [RESOURCES[ISSUER]]])


@st.composite
def clients(draw: st.DrawFn) -> Client:
    registered = draw(st.none() | scope_lists.filter(bool))
    grants = ["authorization_code", *draw(st.sampled_from([[], ["refresh_token"]]))]
    extra = {} if registered is None else {"scope": " ".join(registered)}
    return client(grant_types=grants, audience=[API.uri, OTHER.uri], **extra)


def refused(code: str, call: object, *arguments: object, **options: object) -> None:
    assert callable(call)
    with pytest.raises(ProtocolError) as raised:
        call(*arguments, **options)
    assert raised.value.code == code


def in_order(part: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `part` is a subsequence of `whole`."""
    rest = iter(whole)
    return all(one in rest for one in part)


@many
@given(clients(), scope_lists, resource_lists, st.booleans())
def test_what_is_granted_is_registered_and_defined_and_asked(
    app: Client, asked: list[str], resources: list[Resource], person: bool
) -> None:
    defined = {scope for resource in resources for scope in resource.scopes}
    may = defined | (set(scopes.OPENID_SCOPES) if person else set())
    may &= set(app.scope) if app.scope is not None else may
    may -= set() if "refresh_token" in app.grant_types else {"offline_access"}
    may &= set(asked) if asked else may - {"offline_access"}
    text = " ".join(asked) or None
    if not may:
        refused("invalid_scope", entitlement.granted, app, text, resources, person=person)
        return
    left = entitlement.granted(app, text, resources, person=person)
    assert set(left) == may
    assert len(left) == len(set(left))
    assert not asked or in_order(left, list(dict.fromkeys(asked)))


@many
@given(scope_lists.filter(bool), scope_lists, st.sampled_from([API, OTHER, RESOURCES[ISSUER]]))
def test_a_token_carries_no_more_than_its_grant_and_its_resource(
    granted: list[str], asked: list[str], resource: Resource
) -> None:
    arguments = (" ".join(granted), " ".join(asked) or None, resource)
    wanted = asked or granted
    fitting = {scope for scope in wanted if scope in scopes.OPENID_SCOPES or scope in resource.scopes}
    if not set(asked) <= set(granted) or not fitting:
        refused("invalid_scope", entitlement.for_token, *arguments)
        return
    left = entitlement.for_token(*arguments)
    assert set(left) == fitting
    assert in_order(left, list(dict.fromkeys(wanted)))


@many
@given(st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_reading_a_scope_keeps_order_drops_repetition_and_refuses_the_malformed(text: str) -> None:
    allowed = {chr(code) for code in (0x21, *range(0x23, 0x5C), *range(0x5D, 0x7F))}
    words = text.split(" ")
    if text and not all(word and set(word) <= allowed for word in words):
        refused("invalid_scope", scopes.parse, text)
        return
    tokens = scopes.parse(text)
    assert list(tokens) == (list(dict.fromkeys(words)) if text else [])
    assert scopes.parse(scopes.text(tokens)) == tokens


@pytest.mark.parametrize("text", ["a  b", " a", "a ", 'a"b', "a\\b", "a\nb", "é", "a\tb", "a" * 1025, "\x00"])
def test_a_malformed_scope_is_refused(text: str) -> None:
    refused("invalid_scope", scopes.parse, text)


@given(scope_lists, scope_lists)
def test_narrowing_gives_a_subset_in_the_order_it_was_asked(asked: list[str], allowed: list[str]) -> None:
    left = scopes.narrow(asked, allowed)
    assert set(left) <= set(allowed)
    assert in_order(left, asked or allowed)
    assert scopes.narrow(left, allowed) == left or not left


AUDIENCES = st.lists(st.sampled_from([*RESOURCES, "https://foreign.test", ""]), max_size=4)


@many
@given(st.lists(st.sampled_from([API.uri, OTHER.uri]), unique=True), AUDIENCES)
def test_only_resources_of_the_client_and_the_issuer_are_audiences(mine: list[str], asked: list[str]) -> None:
    app = client(audience=mine)
    if not set(asked) <= {*mine, ISSUER}:
        refused("invalid_target", entitlement.audiences, app, asked, RESOURCES.get, ISSUER)
        return
    found = [resource.uri for resource in entitlement.audiences(app, asked, RESOURCES.get, ISSUER)]
    assert found == (list(dict.fromkeys(asked)) if asked else [mine[0] if mine else ISSUER])


@pytest.mark.parametrize("asked", [[], [API.uri]])
def test_a_resource_that_is_gone_is_no_audience(asked: list[str]) -> None:
    refused("invalid_target", entitlement.audiences, client(audience=[API.uri]), asked, {}.get, ISSUER)


@pytest.mark.parametrize(
    ("grants", "scope", "gives"),
    [
        (["authorization_code", "refresh_token"], "openid offline_access", True),
        (["authorization_code", "refresh_token"], "read", True),
        (["authorization_code", "refresh_token"], "openid read", False),
        (["authorization_code"], "read", False),
    ],
)
def test_when_a_refresh_token_is_given(grants: list[str], scope: str, gives: bool) -> None:
    assert entitlement.gives_refresh_token(client(grant_types=grants), scope.split()) is gives


def test_scopes_release_the_claims_of_openid_connect() -> None:
    assert scopes.claims_of(["openid"]) == ("sub",)
    assert scopes.claims_of(["openid", "email", "read"]) == ("sub", "email", "email_verified")
