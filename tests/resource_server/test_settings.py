"""What stops the services from starting: every fault at once, in sentences, with status 1."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from pathlib import Path
from unittest import mock

import pytest

from resource_server.cli import run
from resource_server.settings import SERVICES, SettingsError, load
from tests.support.ports import free_port
from tests.support.running import clean_environment


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def faults(environ: dict[str, str], env_file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(environ, env_file)
    return raised.value.faults


def command(*arguments: str, **environ: str) -> tuple[int, list[str]]:
    """The exit status of one command line, and what it says on stderr."""
    errors = io.StringIO()
    given = {**clean_environment(), **environ}
    with mock.patch.dict(os.environ, given, clear=True), contextlib.redirect_stderr(errors):
        status = run(list(arguments))
    return status, errors.getvalue().splitlines()


def test_defaults_need_no_environment(tmp_path: Path) -> None:
    settings = load({})
    assert (settings.issuer, settings.audience) == ("http://127.0.0.1:8000", "http://127.0.0.1:8001")
    for service in settings.services:
        assert settings.database(service) == f"sqlite:///{tmp_path / 'var' / f'resource-server-{service}.sqlite3'}"


def test_each_service_has_its_own_part_of_the_database_or_a_database_of_its_own() -> None:
    files = load({"RS_DATABASE_URL": "sqlite:////data/apis.db", "RS_ORDERS_DATABASE_URL": "sqlite:////data/mine.db"})
    assert files.database("users") == "sqlite:////data/apis-users.db"
    assert files.database("orders") == "sqlite:////data/mine.db"
    server = "postgresql+psycopg://u:hunter2@h/d"
    assert load({"RS_DATABASE_URL": server}).database("payments") == server


def test_all_faults_are_listed_at_once() -> None:
    wrong = {
        "RS_NONSENSE": "1",
        "RS_EMPTY": "",
        "RS_PORT": "many",
        "RS_HOST": "everywhere",
        "RS_ISSUER": "http://idp.test",
        "RS_JWKS_URI": "ftp://127.0.0.1/keys",
        "RS_TOKEN_CACHE": "31",
        "RS_DATABASE_URL": "mysql://user:hunter2@host/name",
        "RS_EVENTS_TOKEN_FILE": "/nowhere",
        "RS_SERVICE": "other",
    }
    status, told = command("serve", **wrong)
    assert status == 1
    assert {line.removeprefix("Error: ").partition(":")[0] for line in told} == set(wrong)
    assert len(told) == len(wrong)
    assert "hunter2" not in " ".join(told)


@pytest.mark.parametrize("url", ["nonsense", "sqlite", "mysql://h/d", "postgresql+asyncpg://h/d", "postgresql://h:x/d"])
@pytest.mark.parametrize("arguments", [("serve",), ("worker",), ("db", "upgrade")])
def test_a_database_that_is_none_is_a_fault_not_a_traceback(arguments: tuple[str, ...], url: str) -> None:
    status, told = command(*arguments, RS_DATABASE_URL=url)
    expected = "RS_DATABASE_URL: must be sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME"
    assert (status, told) == (1, [f"Error: {expected}"])


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_database_that_is_away_is_a_sentence(kind: str) -> None:
    postgres = f"postgresql+psycopg://u:hunter2@127.0.0.1:{free_port()}/d?connect_timeout=2"
    url = postgres if kind == "postgresql" else "sqlite:////nowhere/at/all.sqlite3"
    assert command("db", "upgrade", RS_DATABASE_URL=url) == (1, ["Error: the database cannot be reached"])


def test_a_data_directory_that_is_a_file_is_a_sentence(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    assert command("db", "upgrade", RS_DATA_DIR=str(taken)) == (1, [f"Error: {taken}: File exists"])


def test_a_port_that_is_taken_is_a_sentence_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, told = command("serve", "--port", str(port))
    assert (status, told) == (1, [f"Error: cannot listen on 127.0.0.1 port {port}: Address already in use"])
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("arguments", [("dance",), ("serve", "--port", "0"), ("serve", "--service", "x"), ()])
def test_wrong_usage_is_status_2(arguments: tuple[str, ...]) -> None:
    status, told = command(*arguments)
    assert status == 2
    assert told


def test_an_upgrade_makes_the_schema_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        assert command("db", "upgrade", RS_DATA_DIR=str(tmp_path / "made")) == (0, [])
    made = {file.name for file in (tmp_path / "made").glob("*.sqlite3")}
    assert made == {f"resource-server-{service}.sqlite3" for service in SERVICES}


def test_the_environment_wins_over_the_file_and_the_file_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RS_PORT=1001\n")
    (tmp_path / "other").write_text("RS_PORT=1002\n")
    assert load({}).port == 1001
    assert load({}, tmp_path / "other").port == 1002
    assert load({"RS_PORT": "1003"}, tmp_path / "other").port == 1003


def test_a_file_of_settings_must_be_there_and_be_text(tmp_path: Path) -> None:
    assert faults({}, tmp_path / "none") == [f"--env-file: {tmp_path / 'none'} does not exist"]
    (tmp_path / "binary").write_bytes(b"RS_PORT=\xff")
    assert faults({}, tmp_path / "binary") == [f"{tmp_path / 'binary'}: cannot be read as UTF-8"]


def test_a_secret_may_lie_in_a_file_that_only_we_read(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")
    secret.chmod(0o600)
    token = load({"RS_EVENTS_TOKEN_FILE": str(secret)}).events_token
    assert token is not None
    assert token.get_secret_value() == "s3cret"
    assert "too" in faults({"RS_EVENTS_TOKEN_FILE": str(secret), "RS_EVENTS_TOKEN": "x"})[0]
    secret.chmod(0o644)
    assert "readable by everybody" in faults({"RS_EVENTS_TOKEN_FILE": str(secret)})[0]


def test_only_a_secret_may_lie_in_a_file() -> None:
    assert faults({"RS_PORT_FILE": "/port"}) == ["RS_PORT_FILE: is not a setting"]


def test_no_secret_shows_in_the_settings() -> None:
    shown = repr(load({"RS_DATABASE_URL": "postgresql://u:hunter2@h/d", "RS_EVENTS_TOKEN": "hunter2"}))
    assert "hunter2" not in shown
