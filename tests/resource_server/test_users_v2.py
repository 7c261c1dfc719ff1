"""Users v2: people as the identity provider tells of them, and what the service knows of them itself."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.payments.paying import eventually
from tests.resource_server.apis import Apis, Caller, problem

PATCH = "application/merge-patch+json"
MINE = "/v2/users/me"


@pytest.fixture(scope="module")
def name(apis: Apis) -> str:
    """Ada, who has arrived."""
    made = apis.new_person("--email-verified", "--claim", "given_name=Ada", "--claim", "family_name=Lovelace")
    arrived(apis.caller(made))
    return made


@pytest.fixture(scope="module")
def ada(apis: Apis, name: str) -> Caller:
    return apis.caller(name)


@pytest.fixture(scope="module")
def support(apis: Apis) -> Caller:
    return staff(apis, "support")


def staff(apis: Apis, role: str) -> Caller:
    caller = apis.caller(apis.new_person("--role", role))
    arrived(caller)
    return caller


def arrived(caller: Caller) -> requests.Response:
    """The caller's own record, once word of them has come."""
    return eventually(lambda: caller.get(MINE), lambda response: response.status_code == 200)


def changed(caller: Caller, user: str, document: Any, tag: str | None) -> requests.Response:
    headers = {"Content-Type": PATCH, **({} if tag is None else {"If-Match": tag})}
    return caller.request("PATCH", f"/v2/users/{user}", json=document, headers=headers)


def test_a_person_sees_themselves_under_both_names(apis: Apis, ada: Caller, name: str) -> None:
    me = arrived(ada)
    document = me.json()
    assert document == {
        "id": apis.subjects[name],
        "given_name": "Ada",
        "family_name": "Lovelace",
        "email": f"{name}@example.com",
        "email_verified": True,
        "roles": [],
        "preferred_currency": None,
        "delivery_note": None,
        "newsletter": False,
        "created_at": document["created_at"],
        "version": document["version"],
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["created_at"])
    named = ada.get(f"/v2/users/{document['id']}")
    assert (named.json(), named.headers["ETag"]) == (document, me.headers["ETag"])


def test_v1_and_v2_show_the_same_person(ada: Caller) -> None:
    second = ada.get(MINE).json()
    first = ada.get(f"/v1/users/{second['id']}")
    assert first.json() == ada.get("/v1/users/me").json()
    for field in ("id", "given_name", "family_name", "email", "roles"):
        assert first.json()[field] == second[field]
    assert first.headers["Deprecation"]


def test_what_is_unchanged_is_not_sent_again(ada: Caller) -> None:
    tag = ada.get(MINE).headers["ETag"]
    again = ada.get(MINE, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


def test_another_person_is_the_same_404_as_nobody(ada: Caller, somebody_else: Caller) -> None:
    other = arrived(somebody_else).json()["id"]
    for version in ("v1", "v2"):
        theirs = problem(ada.get(f"/{version}/users/{other}"), 404, "not_found")
        nobody = problem(ada.get(f"/{version}/users/{'0' * len(other)}"), 404, "not_found")
        own = {"instance", "trace_id"}
        assert {k: v for k, v in theirs.items() if k not in own} == {k: v for k, v in nobody.items() if k not in own}


def test_own_fields_change_and_keep_what_the_patch_does_not_name(ada: Caller) -> None:
    before = ada.get(MINE)
    asked = {"preferred_currency": "JPY", "delivery_note": "Ring twice. 日本", "newsletter": True}
    after = changed(ada, before.json()["id"], asked, before.headers["ETag"])
    assert after.status_code == 200, after.text
    assert after.json() == {**before.json(), **asked, "version": before.json()["version"] + 1}
    back = changed(ada, before.json()["id"], {"delivery_note": None, "newsletter": None}, after.headers["ETag"])
    assert back.json() == {
        **after.json(),
        "delivery_note": None,
        "newsletter": False,
        "version": after.json()["version"] + 1,
    }
    assert ada.get(MINE).headers["ETag"] == back.headers["ETag"] != before.headers["ETag"]


def test_a_change_names_the_version_it_saw(ada: Caller) -> None:
    seen = ada.get(MINE)
    user = seen.json()["id"]
    problem(changed(ada, user, {"newsletter": True}, None), 428, "precondition_required")
    problem(changed(ada, user, {"newsletter": True}, '"user.0"'), 412, "precondition_failed")
    assert ada.get(MINE).json() == seen.json()


def test_of_changes_at_once_one_is_made(ada: Caller) -> None:
    seen = ada.get(MINE)

    def change(number: int) -> int:
        document = {"delivery_note": f"number {number}"}
        return changed(ada, seen.json()["id"], document, seen.headers["ETag"]).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(change, range(8)))
    assert statuses == [200, *[412] * 7]
    assert ada.get(MINE).json()["version"] == seen.json()["version"] + 1


def test_a_change_at_the_identity_provider_is_a_new_version_here(apis: Apis) -> None:
    name = apis.new_person("--claim", "given_name=Grace")
    caller = apis.caller(name)
    seen = arrived(caller)
    apis.idp.cli("user", "update", name, "--claim", "given_name=Hopper")
    after = eventually(lambda: caller.get(MINE), lambda response: response.json()["given_name"] == "Hopper")
    assert after.json()["version"] > seen.json()["version"]
    response = changed(caller, seen.json()["id"], {"newsletter": True}, seen.headers["ETag"])
    problem(response, 412, "precondition_failed")


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({"email": "a@example.com"}, ["/email"]),
        ({"roles": ["admin"], "newsletter": True}, ["/roles"]),
        ({"given_name": "A", "family_name": "B", "unknown": 1}, ["/family_name", "/given_name"]),
        ({"email_verified": True}, ["/email_verified"]),
        ({"username": None}, ["/username"]),
    ],
)
def test_what_the_identity_provider_keeps_is_changed_there(
    apis: Apis, ada: Caller, document: dict[str, Any], pointers: list[str]
) -> None:
    seen = ada.get(MINE)
    response = changed(ada, seen.json()["id"], document, seen.headers["ETag"])
    assert (response.status_code, response.json()["code"]) == (409, "managed_elsewhere")
    assert [error["pointer"] for error in response.json()["errors"]] == pointers
    assert response.json()["account"] == f"{apis.idp.issuer}/account"
    assert response.headers["Link"] == f'<{apis.idp.issuer}/account>; rel="edit"; type="text/html"'
    assert ada.get(MINE).json() == seen.json()


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"newsletter": 1}, "/newsletter"),
        ({"preferred_currency": "EURO"}, "/preferred_currency"),
        ({"preferred_currency": "XXX"}, "/preferred_currency"),
        ({"delivery_note": "n" * 501}, "/delivery_note"),
        ({"id": "x"}, "/id"),
        ([], ""),
    ],
)
def test_a_change_that_does_not_fit_is_told_where(ada: Caller, document: Any, pointer: str) -> None:
    seen = ada.get(MINE)
    response = changed(ada, seen.json()["id"], document, seen.headers["ETag"])
    assert [error["pointer"] for error in problem(response, 422, "invalid")["errors"]] == [pointer]
    assert ada.get(MINE).json() == seen.json()


def test_a_change_is_a_merge_patch(ada: Caller) -> None:
    seen = ada.get(MINE)
    headers = {"If-Match": seen.headers["ETag"]}
    response = ada.request("PATCH", f"/v2/users/{seen.json()['id']}", json={"newsletter": True}, headers=headers)
    problem(response, 415, "unsupported_media_type")
    assert response.headers["Accept-Patch"] == PATCH


def test_a_deleted_person_takes_what_was_known_of_them_along(apis: Apis, support: Caller) -> None:
    name = apis.new_person()
    caller = apis.caller(name)
    seen = arrived(caller)
    user = seen.json()["id"]
    assert changed(caller, user, {"delivery_note": "the blue door"}, seen.headers["ETag"]).status_code == 200
    apis.idp.cli("user", "delete", name)
    gone = eventually(lambda: support.get(f"/v2/users/{user}"), lambda response: response.status_code == 404)
    assert "blue door" not in gone.text
    assert support.get(f"/v2/users?email={name}@example.com").json()["items"] == []


def test_staff_list_everybody_once(support: Caller, ada: Caller) -> None:
    mine = ada.get(MINE).json()
    found: list[dict[str, Any]] = []
    token = ""
    while token is not None:
        page = support.get(f"/v2/users?limit=2{token and f'&page_token={token}'}").json()
        assert len(page["items"]) <= 2
        found += page["items"]
        token = page["next_page_token"]
    assert mine in found
    ids = [one["id"] for one in found]
    assert ids == sorted(set(ids))


def test_staff_find_people_by_their_address(support: Caller, ada: Caller) -> None:
    mine = ada.get(MINE).json()
    page = support.get("/v2/users", params={"email": mine["email"].upper()}).json()
    assert page == {"items": [mine], "next_page_token": None}
    assert support.get("/v2/users?email=nobody@example.com").json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x"])
def test_a_list_that_cannot_be_is_refused(support: Caller, query: str) -> None:
    problem(support.get(f"/v2/users?{query}"), 400, "invalid_parameter")


def test_a_page_token_belongs_to_its_list(support: Caller, ada: Caller) -> None:
    token = support.get("/v2/users?limit=1").json()["next_page_token"]
    email = ada.get(MINE).json()["email"]
    problem(support.get(f"/v2/users?email={email}&page_token={token}"), 400, "invalid_page_token")
