"""Accounts: made, changed, disabled and deleted in one transaction with all that follows, one name and one address a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idp.errors import Refused
from idp.platform.audit import verify
from idp.users.accounts import document, told
from idp.users.people import Change, Person
from tests.users.support import PASSWORD, Town


def refusal(attempt: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(Refused) as raised:
        attempt(*arguments, **named)
    assert raised.value.description
    return raised.value.code


def trail(town: Town) -> list[str]:
    with town.database.read() as tx:
        assert verify(tx).broken_at is None
        return [row[0] for row in tx.exec_driver_sql("SELECT event FROM audit ORDER BY sequence")]


# -- the life of an account -------------------------------------------------------------------------------------------


def test_a_person_is_made_as_asked_and_found_by_everything(town: Town) -> None:
    made = town.person("Ada", roles=("reader", "admin", "reader"), claims={"name": "Ada L"}, email_verified=True)
    assert (made.username, made.email, made.email_verified) == ("Ada", "Ada@example.com", True)
    assert (made.roles, made.claims, made.disabled, made.version) == (("reader", "admin"), {"name": "Ada L"}, False, 1)
    assert made.created_at == made.updated_at == town.clock.now()
    assert town.accounts.find(made.sub) == made == town.accounts.by_username("ADA")
    assert town.accounts.sub_of("ada") == town.accounts.sub_of("ADA@EXAMPLE.COM") == made.sub
    assert town.authenticate("aDa", PASSWORD) == made
    assert "Ada" not in made.sub


def test_a_change_changes_what_it_names_and_the_version(town: Town) -> None:
    made = town.person(roles=("reader",), claims={"name": "A"})
    town.clock.advance(60)
    changed = town.accounts.update(made.sub, roles=("admin",))
    assert (changed.roles, changed.claims, changed.email) == (("admin",), {"name": "A"}, made.email)
    assert (changed.version, changed.updated_at, changed.created_at) == (2, town.clock.now(), made.created_at)
    assert town.accounts.find(made.sub) == changed


def test_disabled_people_stay_out_until_enabled(town: Town) -> None:
    sub = town.person().sub
    town.accounts.disable(sub)
    assert town.authenticate("alice", PASSWORD) is None
    assert town.accounts.enable(sub).version == 3
    assert town.authenticate("alice", PASSWORD) is not None


def test_a_deleted_person_is_gone_and_their_name_is_free_for_somebody_new(town: Town) -> None:
    old = town.person()
    town.accounts.delete(old.sub)
    assert town.accounts.find(old.sub) is None
    assert town.authenticate("alice", PASSWORD) is None
    assert town.person().sub != old.sub


def test_nobody_unknown_can_be_changed(town: Town) -> None:
    for attempt in (town.accounts.disable, town.accounts.enable, town.accounts.update, town.accounts.delete):
        assert refusal(attempt, "unknown") == "unknown"
    assert refusal(town.accounts.set_password, "unknown", PASSWORD) == "unknown"
    assert (town.told, trail(town)) == ([], [])


def test_every_change_is_told_and_audited_once_and_a_password_is_told_to_nobody(town: Town) -> None:
    sub = town.person().sub
    town.accounts.update(sub, roles=("admin",))
    town.accounts.set_password(sub, "another horse 48 staple")
    town.accounts.disable(sub)
    town.accounts.enable(sub)
    town.accounts.delete(sub)
    assert [type_ for type_, _payload in town.told] == [
        *("user.created", "user.updated", "user.disabled", "user.enabled", "user.deleted")
    ]
    assert [payload["version"] for _type, payload in town.told] == [1, 2, 4, 5, 6], "a password raises it untold"
    assert town.told[-1][1] == {"sub": sub, "version": 6}
    assert town.changes == [*(Change.CREATED, Change.UPDATED, Change.PASSWORD_SET), *list(Change)[2:5]]
    assert trail(town) == [f"user.{change}" for change in town.changes]
    assert PASSWORD not in json.dumps(town.told)


def test_receivers_learn_no_more_than_an_api_needs(town: Town) -> None:
    person = town.person(claims={"name": "Ada", "birthdate": "1815-12-10", "phone_number": "+44 1234 5678"})
    assert told(person).keys() == {
        *("sub", "username", "email", "email_verified", "roles", "disabled", "created_at", "updated_at", "version"),
        *("name", "given_name", "family_name"),
    }
    assert document(person)["claims"] == person.claims


def test_a_failing_listener_undoes_the_change(town: Town) -> None:
    sub = town.person().sub

    def fails(*_arguments: object) -> None:
        raise RuntimeError

    town.accounts._listeners = [fails]
    for attempt in (lambda: town.accounts.disable(sub), lambda: town.person("bob"), lambda: town.accounts.delete(sub)):
        with pytest.raises(RuntimeError):
            attempt()
    assert town.accounts.by_username("bob") is None
    assert town.authenticate("alice", PASSWORD) is not None
    assert trail(town) == ["user.created"]


# -- one name, one address --------------------------------------------------------------------------------------------

TWINS = [
    *({"username": "alice"}, {"username": "ALICE"}, {"username": "ａｌｉｃｅ"}),
    *({"email": "alice@example.com"}, {"email": "Alice@EXAMPLE.com"}),
]


def test_a_name_and_an_address_are_taken_in_any_case_and_width(town: Town) -> None:
    first = town.person()
    other = town.person("bob")
    for twin in TWINS:
        assert refusal(town.person, **{"name": "carol", **twin}) == "taken"
        assert refusal(town.accounts.update, other.sub, **twin) == "taken"
    assert town.accounts.find(other.sub) == other
    assert town.accounts.update(first.sub, username="Alice", email="ALICE@example.com").username == "Alice"


def test_the_same_letters_written_otherwise_are_the_same_name(town: Town) -> None:
    made = town.person("José", email=None)
    assert town.accounts.sub_of("Jose\u0301") == made.sub
    assert refusal(town.person, "JOSE\u0301", email=None) == "taken"
    assert town.accounts.update(made.sub, username="Jose\u0301").username == "José"
    assert town.person("straße", email=None).sub == town.accounts.sub_of("STRASSE")


def test_many_people_may_have_no_address(town: Town) -> None:
    assert len({town.person(name, email=None).sub for name in ("a", "b", "c")}) == 3


def test_of_many_who_want_a_name_at_once_one_gets_it(town: Town) -> None:
    def attempt(number: int) -> bool:
        try:
            town.person(("Alice", "alice")[number % 2], password=None, email=f"{number}@example.com")
        except Refused as refused:
            assert refused.code == "taken"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert trail(town) == ["user.created"]


def test_nobody_can_be_called_like_somebody_elses_address(town: Town) -> None:
    """A name wins over an address at login, so such a name would lock the owner of the address out."""
    victim = town.person("victim")
    assert refusal(town.person, "victim@example.com", email="eve@example.com") == "username"
    assert refusal(town.person, "free@example.com", email=None) == "username"
    eve = town.person("eve")
    assert refusal(town.accounts.update, eve.sub, username="victim@example.com") == "username"
    assert town.authenticate("victim@example.com", PASSWORD) == victim
    own = town.person("Own@example.com", email="own@example.com")
    assert refusal(town.accounts.update, own.sub, email="other@example.com") == "username"
    assert town.accounts.disable(own.sub).disabled


# -- what is accepted -------------------------------------------------------------------------------------------------

NO_NAMES = ["", " ", " a", "a ", "a\nb", "a\x00b", "a\x7f", "a\u200bb", "a\u202eb", "\udcff", "x" * 65, "ﷺ" * 10]
NO_ADDRESSES = [
    *("", "x", "@", "a@", "@b", "a b@c.de", "a@b c", "a@b\n", "a@b..c", "a@.b", "a@b.", "a@b@c", "a\r\nBcc:x@y.de"),
    *("x" * 65 + "@b.de", "a@" + "b" * 253, "\udcff@b.de", "a\x00@b.de", "ß" * 64 + "@" + "ß" * 100),
]


def test_what_is_no_name_no_address_no_role_and_no_claim_is_refused(town: Town) -> None:
    person = town.person()
    bad: list[tuple[str, str, Any]] = [
        *(("username", "username", name) for name in NO_NAMES),
        *(("email", "email", address) for address in NO_ADDRESSES),
        *(("role", "roles", (role,)) for role in ("", "Admin", "a b", "1a", "ä", "x" * 65, "a\n")),
        ("role", "roles", tuple(f"r{number}" for number in range(33))),
        *(("claim", "claims", claims) for claims in ({"sub": "x"}, {"email": "x"}, {"x": 1}, {"name": ""})),
    ]
    for code, field, value in bad:
        assert refusal(town.person, **{"name": "bob", field: value}) == code, value
        assert refusal(town.accounts.update, person.sub, **{field: value}) == code, value
    assert town.accounts.find(person.sub) == person
    assert [one.username for one in town.accounts.all()] == ["alice"]


def test_unusual_names_and_addresses_are_welcome(town: Town) -> None:
    for name in ("O'Brien", "日本 太郎", "a", "x" * 64, "Zoë-Ann d'Arc", "--json", "'; DROP TABLE users; --", "%", "_"):
        person = town.person(name, password=None, email=None)
        assert town.accounts.by_username(name) == person
    for address in ("x+tag@example.com", "üser@exämple.de", "a@localhost", "o'brien@example.com"):
        town.person(f"of {len(address)}", password=None, email=address)
        assert town.accounts.sub_of(address.upper()) is not None


def test_a_bad_password_makes_nobody_and_changes_nothing(town: Town) -> None:
    for password in ("", "short", "correct horse battery staple", "bob@example.com\x00 and more", "x" * 1025):
        assert refusal(town.person, "bob", password) == "password"
    sub = town.person().sub
    assert refusal(town.accounts.set_password, sub, "short") == "password"
    assert town.authenticate("alice", PASSWORD) is not None
    assert town.accounts.by_username("bob") is None


def test_another_address_is_unverified_unless_it_is_said_to_be(town: Town) -> None:
    sub = town.person(email_verified=True).sub
    assert town.accounts.update(sub, roles=("x",)).email_verified
    assert town.accounts.update(sub, email="ALICE@example.com").email_verified
    assert not town.accounts.update(sub, email="new@example.com").email_verified
    assert town.accounts.update(sub, email="newer@example.com", email_verified=True).email_verified


# -- at once ----------------------------------------------------------------------------------------------------------


def test_changes_at_once_are_all_kept_or_refused_and_none_is_lost(town: Town) -> None:
    sub = town.person(password=None).sub

    def change(number: int) -> bool:
        try:
            town.accounts.update(sub, claims={"nickname": f"n{number}"})
        except Refused as refused:
            assert refused.code == "conflict"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(change, range(24)))
    person = town.accounts.find(sub)
    assert isinstance(person, Person)
    assert person.version == 1 + kept
    assert len(trail(town)) == 1 + kept


def test_of_many_who_delete_at_once_one_does(town: Town) -> None:
    sub = town.person(password=None).sub

    def delete(_number: int) -> bool:
        try:
            town.accounts.delete(sub)
        except Refused as refused:
            assert refused.code == "unknown"
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(delete, range(6))) == 1
    assert trail(town) == ["user.created", "user.deleted"]


def test_pages_show_everybody_once(town: Town) -> None:
    subs = sorted(town.person(f"p{number}", password=None).sub for number in range(7))
    first = town.accounts.page("", 3)
    second = town.accounts.page(first[-1].sub, 10)
    assert [one.sub for one in (*first, *second)] == subs == [one.sub for one in town.accounts.all()]
    assert town.accounts.page(subs[-1], 3) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda town, sub: town.accounts.set_password(sub, "another horse 48 staple"),
        lambda town, sub: town.accounts.disable(sub),
        lambda town, sub: town.accounts.delete(sub),
    ],
    ids=["another password", "disabled", "deleted"],
)
def test_who_changes_between_proof_and_session_gets_none(town: Town, change: Callable[[Town, str], object]) -> None:
    town.person("alice")
    proven = town.authenticate("alice", PASSWORD)
    assert proven is not None
    with town.database.write() as tx:
        assert town.accounts.hold(tx, proven)
    change(town, proven.sub)
    with town.database.write() as tx:
        assert not town.accounts.hold(tx, proven)
