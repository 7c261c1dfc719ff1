"""Settings and secrets from a configuration server: read at the start, wrong ones refused, a last good copy for when it is down."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.settings import Settings
from idp.settings_source import SettingsError, load
from tests.settings.stores import TOKEN, Spring, Store, serving
from tests.support.ports import free_port

KEY = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store() -> Store:
    return Store(master_key=KEY, IDP_NAME="Kept elsewhere", **{"signup-max": "7"})


@pytest.fixture
def port(store: Store) -> Iterator[int]:
    with serving(store) as found:
        yield found


def environ(port: int, **more: str) -> dict[str, str]:
    return {"IDP_CONFIG_URL": f"vault+http://127.0.0.1:{port}/secret/apps/idp", "IDP_CONFIG_TOKEN": TOKEN, **more}


def faults(given: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(given)
    return raised.value.faults


def secret_of(settings: Settings) -> str | None:
    return settings.master_key.get_secret_value() if settings.master_key else None


def copy_in(folder: Path) -> Path:
    return folder / "var" / "idp-settings.last-good"


def test_settings_and_secrets_are_read_from_a_key_value_store(store: Store, port: int) -> None:
    settings = load(environ(port))
    assert (secret_of(settings), settings.name, settings.signup_max) == (KEY, "Kept elsewhere", 7)
    assert [path for path, _headers in store.asked] == ["/v1/secret/data/apps/idp"]


def test_what_is_set_on_the_machine_wins(port: int, folder: Path) -> None:
    (folder / "secrets").mkdir()
    file = folder / "secrets" / "idp-name"
    file.touch(mode=0o600)
    file.write_text("From the folder")
    given = environ(port, IDP_SECRETS_DIR=str(folder / "secrets"), IDP_SIGNUP_MAX="8")
    settings = load(given)
    assert (settings.name, settings.signup_max, secret_of(settings)) == ("From the folder", 8, KEY)


def test_a_spring_server_gives_its_special_values_before_its_general_ones() -> None:
    given = {"IDP_CONFIG_TOKEN": "config:hunter2"}
    with serving(Spring(**{"idp.name": "Production", "idp.master-key": KEY})) as port:
        settings = load({**given, "IDP_CONFIG_URL": f"spring+http://127.0.0.1:{port}/idp/production"})
    assert (settings.name, settings.signup_max, secret_of(settings)) == ("Production", 3, KEY)


def test_unknown_wrong_and_misplaced_values_stop_the_start_all_at_once(store: Store, port: int) -> None:
    store.put(nonsense="1", code_ttl="61", config_token="x", data_dir="/elsewhere")
    found = faults(environ(port, IDP_PORT="x"))
    assert found == [
        "the configuration server: nonsense is not a setting",
        "the configuration server: config_token must be known before it is asked",
        "the configuration server: data_dir must be known before it is asked",
        "IDP_PORT: Input should be a valid integer, unable to parse string as an integer",
        "IDP_CODE_TTL: Input should be less than or equal to 60",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "https://host/a/b",
        "vault+http://config.example.com/a/b",
        "vault+https://u:p@host/a/b",
        "vault+https://host/a",
        "x",
    ],
)
def test_a_place_that_no_token_may_be_sent_to_is_refused(url: str) -> None:
    (fault,) = faults({"IDP_CONFIG_URL": url, "IDP_CONFIG_TOKEN": TOKEN})
    assert fault.startswith("IDP_CONFIG_URL: must be vault+https://")


# -- down -------------------------------------------------------------------------------------------------------------


def test_a_server_that_is_down_does_not_keep_us_from_starting(store: Store, folder: Path) -> None:
    port = free_port()
    with serving(store, port):
        before = load(environ(port))
        store.status = 503
        assert load(environ(port)) == before, "sealed"
    assert load(environ(port)) == before, "gone"
    assert stat.S_IMODE(copy_in(folder).stat().st_mode) == 0o600


def test_the_copy_shows_nothing_and_opens_with_the_token_alone(store: Store, folder: Path) -> None:
    port = free_port()
    with serving(store, port):
        load(environ(port))
    kept = copy_in(folder).read_bytes()
    assert KEY.encode() not in kept
    assert b"Kept elsewhere" not in kept
    away = ["IDP_CONFIG_URL: it does not answer (ConnectionRefusedError); there is no good copy to start from"]
    assert faults({**environ(port), "IDP_CONFIG_TOKEN": "another"}) == away
    copy_in(folder).write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    assert faults(environ(port)) == away


def test_without_a_token_the_copy_has_no_secrets(folder: Path) -> None:
    class Open(Store):
        def found(self, path: str, headers: object) -> tuple[int, object]:
            return 200, {"data": {"data": self.values}}

    port = free_port()
    given = {"IDP_CONFIG_URL": f"vault+http://127.0.0.1:{port}/secret/idp"}
    with serving(Open(master_key=KEY, name="Open"), port):
        assert secret_of(load(given)) == KEY
    assert KEY.encode() not in copy_in(folder).read_bytes()
    settings = load(given)
    assert (settings.name, secret_of(settings)) == ("Open", None)


def test_values_that_were_refused_never_become_the_good_copy(store: Store) -> None:
    port = free_port()
    with serving(store, port):
        load(environ(port))
        store.put(code_ttl="61")
        assert faults(environ(port))
    assert load(environ(port)).code_ttl == 60


@pytest.mark.parametrize(("status", "copied"), [(500, True), (429, True), (403, False), (404, False), (302, False)])
def test_a_refusal_is_no_outage(store: Store, port: int, status: int, copied: bool) -> None:
    """A wrong token must be noticed, and not be papered over by yesterday's copy. Redirects are not followed."""
    before = load(environ(port))
    store.status = status
    if copied:
        assert load(environ(port)) == before
    else:
        assert faults(environ(port)) == [f"IDP_CONFIG_URL: it answers {status}; there is no good copy to start from"]


def test_an_answer_that_is_none_is_told() -> None:
    class Odd(Store):
        def found(self, path: str, headers: object) -> tuple[int, object]:
            return 200, ["nothing"]

    with serving(Odd()) as port:
        for kind, what in (("vault", "no secret of KV version 2"), ("spring", "no property sources")):
            (fault,) = faults({"IDP_CONFIG_URL": f"{kind}+http://127.0.0.1:{port}/a/b"})
            assert what in fault


def test_no_secret_of_the_server_shows(store: Store, port: int) -> None:
    store.put(master_key=KEY, database_url="postgresql://u:hunter2@h/d", issuer="hunter2")
    shown = " ".join(faults(environ(port)))
    assert KEY not in shown
    assert "hunter2" not in shown
    assert TOKEN not in shown
