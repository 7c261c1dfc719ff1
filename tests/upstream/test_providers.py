"""`idp upstream`: what an operator registers, sees and changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from idp.platform.db import Database
from idp.platform.secrets import MasterKey
from idp.upstream.directory import ProviderDirectory
from idp.upstream.models import UpstreamProviderRow
from tests.support.provider import apple_key
from tests.support.running import CliError, RunningIdp
from tests.upstream.support import new_name


@pytest.fixture
def name(idp: RunningIdp) -> Iterator[str]:
    """A name for a provider, which is gone afterwards."""
    made = new_name()
    yield made
    idp.tried("upstream", "delete", made)


def create(idp: RunningIdp, name: str, **given: Any) -> dict[str, Any]:
    made: dict[str, Any] = idp.cli("upstream", "create", name, "--file", "-", stdin=json.dumps(given))
    return made


@pytest.mark.parametrize("preset", ["google", "microsoft", "github", "gitlab"])
def test_a_preset_needs_an_id_and_a_secret(idp: RunningIdp, name: str, preset: str) -> None:
    made = idp.cli(
        "upstream", "create", name, "--preset", preset, "--client-id", "us", "--secret-file", "-", stdin="s3cret\n"
    )
    assert made["preset"] == preset
    assert made["client_id"] == "us"
    assert made["secret"] is True
    assert "s3cret" not in json.dumps(made)
    assert made["trusts_email"] is (preset in {"google", "github"})


def test_the_name_of_a_preset_is_enough(idp: RunningIdp) -> None:
    made = idp.cli("upstream", "create", "gitlab", "--client-id", "us", "--secret-file", "-", stdin="secret")
    assert made["issuer"] == "https://gitlab.com"
    idp.cli("upstream", "delete", "gitlab")


def test_apple_wants_its_key(idp: RunningIdp, name: str, tmp_path: Path) -> None:
    given = {"preset": "apple", "client_id": "com.example.app", "team_id": "T", "key_id": "K"}
    with pytest.raises(CliError, match="private key"):
        create(idp, name, **given, client_secret="not a key")
    file = tmp_path / "AuthKey.p8"
    file.write_text(apple_key())
    made = idp.cli("upstream", "create", name, "--file", "-", "--secret-file", str(file), stdin=json.dumps(given))
    assert made["response_mode"] == "form_post"


def test_what_is_given_is_changed_by_a_patch(idp: RunningIdp, name: str) -> None:
    create(idp, name, issuer="https://a.test", title="A", client_id="us", client_secret="one")
    changed = idp.cli("upstream", "update", name, "--title", "B", "--position", "3")
    assert (changed["title"], changed["position"], changed["issuer"]) == ("B", 3, "https://a.test")
    patch = {"position": None, "trusts_email": True, "client_secret": "two"}
    changed = idp.cli("upstream", "update", name, "--file", "-", stdin=json.dumps(patch))
    assert (changed["position"], changed["trusts_email"], changed["title"]) == (100, True, "B")
    assert "two" not in json.dumps(idp.cli("upstream", "show", name))
    assert idp.cli("upstream", "disable", name)["disabled"] is True
    assert idp.cli("upstream", "enable", name)["disabled"] is False
    assert name in [one["name"] for one in idp.cli("upstream", "list")]
    idp.cli("upstream", "delete", name)
    for command in ("show", "disable", "enable", "delete", "update"):
        assert idp.tried("upstream", command, name).returncode == 1


GOOD = {"issuer": "https://a.test", "title": "A", "client_id": "us", "client_secret": "secret"}
BAD: dict[str, dict[str, Any]] = {
    "no issuer": {"issuer": None},
    "http": {"issuer": "http://a.test"},
    "no URL": {"issuer": "a.test"},
    "with a password in it": {"issuer": "https://me:pw@a.test"},
    "no client id": {"client_id": None},
    "no secret": {"client_secret": None},
    "a secret that is no text": {"client_secret": 7},
    "an unknown preset": {"preset": "myspace"},
    "an unknown setting": {"colour": "blue"},
    "an unknown claim": {"claims": {"sub": "sub", "roles": "groups"}},
    "claims without sub": {"claims": {"name": "name"}},
    "a parameter of ours": {"parameters": {"state": "x"}},
    "no openid": {"scope": "email"},
    "a title with control characters": {"title": "A\n"},
    "a title that is no text": {"title": ["A"]},
    "a place below zero": {"position": -1},
    "plain OAuth without endpoints": {"kind": "oauth2"},
    "no secret wanted": {"auth_method": "none"},
}


@pytest.mark.parametrize("fault", BAD)
def test_what_cannot_work_is_refused_in_a_sentence(idp: RunningIdp, name: str, fault: str) -> None:
    given = {key: value for key, value in {**GOOD, **BAD[fault]}.items() if value is not None}
    done = idp.tried("upstream", "create", name, "--file", "-", stdin=json.dumps(given))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert idp.tried("upstream", "show", name).returncode == 1


@pytest.mark.parametrize("bad", ["Google", "a b", "../x", "", "x" * 33, "9a"])
def test_a_name_stands_in_urls(idp: RunningIdp, bad: str) -> None:
    assert idp.tried("upstream", "create", bad, "--file", "-", stdin=json.dumps(GOOD)).returncode == 1


def test_two_cannot_have_one_name(idp: RunningIdp, name: str) -> None:
    create(idp, name, **GOOD)
    with pytest.raises(CliError, match="already"):
        create(idp, name, **GOOD)


def test_settings_this_version_does_not_take_close_nothing_but_their_own_button(database: Database) -> None:
    given = {"title": "Old", "issuer": "https://a.test", "client_id": "us"}
    row = {"secret": None, "disabled": False, "created_at": 1, "updated_at": 1}
    with database.write() as tx:
        tx.execute(sa.insert(UpstreamProviderRow), {"name": "old", "given": {**given, "gone": 1}, **row})
        tx.execute(sa.insert(UpstreamProviderRow), {"name": "new", "given": given, **row})
    directory = ProviderDirectory(database, MasterKey(b"m" * 32))
    assert [one.name for one in directory.enabled()] == ["new"]
    assert directory.usable("old") is None
    assert directory.titles() == {"new": "Old"}
    assert [fault.partition(":")[0] for fault in directory.faults()] == ["provider old"]


def test_the_doctor_says_where_addresses_of_every_tenant_are_trusted(idp: RunningIdp, name: str) -> None:
    given = {"preset": "microsoft", "client_id": "us", "client_secret": "secret", "trusts_email": True}
    create(idp, name, **given)
    assert f"provider {name}: trusts_email" in idp.tried("check").stdout
    idp.cli("upstream", "update", name, "--file", "-", stdin=json.dumps({"tenants": ["one"]}))
    assert f"provider {name}" not in idp.tried("check").stdout
