"""What stops a command or the server from starting: every fault at once, unsafe production, a foreign master key."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from idp.platform.models import JobRow
from idp.settings_source import load
from tests.support import databases
from tests.support.databases import empty_postgres
from tests.support.ports import free_port
from tests.support.running import BIN, CliError, RunningIdp


@pytest.fixture
def fresh(tmp_path: Path) -> RunningIdp:
    """Settings only: nothing is initialized."""
    return RunningIdp(tmp_path / "fresh")


def faults(idp: RunningIdp, *arguments: str, **environ: str) -> list[str]:
    """The sentences with which a command is refused."""
    before = dict(idp.environ)
    idp.environ.update(environ)
    try:
        with pytest.raises(CliError) as raised:
            idp.cli(*(arguments or ("user", "list")))
    finally:
        idp.environ = before
    status, _, told = str(raised.value).partition(": ")[2].partition(" ")
    assert status == "1"
    lines = told.splitlines()
    assert all(line.startswith("Error: ") for line in lines), told
    return [line.removeprefix("Error: ") for line in lines]


def test_all_faults_of_the_settings_are_listed_at_once(home: RunningIdp) -> None:
    wrong = {
        "IDP_NONSENSE": "1",
        "IDP_PORT": "many",
        "IDP_HOST": "everywhere",
        "IDP_ISSUER": "http://idp.test",
        "IDP_DATABASE_URL": "mysql://user:hunter2@host/name",
        "IDP_MASTER_KEY_FILE": "/nowhere",
        "IDP_CODE_TTL": "61",
        "IDP_TRUSTED_PROXIES": "not-a-network",
        "IDP_TLS_CERT_FILE": "only-one",
    }
    done = subprocess.run(
        [BIN / "idp", "serve", "--json"],
        env={**home.environ, **wrong},
        cwd=home.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    named = [line.removeprefix("Error: ").partition(":")[0] for line in done.stderr.splitlines()]
    assert sorted(named) == sorted({*wrong, "IDP_TLS_KEY_FILE"} - {"IDP_TLS_CERT_FILE"})
    assert "hunter2" not in done.stderr
    told = json.loads(home.run("check", "--json").stdout)
    assert told["ok"] is True


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x/y", "postgresql+psycopg://u:hunter2@h:port/x", "redis://x"])
def test_a_database_that_we_do_not_speak_to_is_refused(home: RunningIdp, url: str) -> None:
    (sentence,) = faults(home, IDP_DATABASE_URL=url)
    assert sentence.startswith("IDP_DATABASE_URL: must be")
    assert "hunter2" not in sentence


def test_a_database_that_is_away_is_said_in_a_sentence(home: RunningIdp) -> None:
    away = f"postgresql+psycopg://u:hunter2@127.0.0.1:{free_port()}/x"
    (sentence,) = faults(home, IDP_DATABASE_URL=away)
    assert "database" in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize("variable", ["IDP_DATA_DIR", "IDP_KEYS_DIR"])
def test_a_folder_that_cannot_be_made_is_named(fresh: RunningIdp, variable: str) -> None:
    (sentence,) = faults(fresh, "init", **{variable: "/dev/null/here"})
    assert sentence.startswith("/dev/null/here")


# -- where settings come from -----------------------------------------------------------------------------------------


def test_settings_come_from_the_environment_then_the_named_file_then_dotenv(fresh: RunningIdp) -> None:
    del fresh.environ["IDP_ISSUER"]
    (fresh.folder / ".env").write_text("IDP_ISSUER=http://localhost:1001\n")
    (fresh.folder / "other.env").write_text("IDP_ISSUER=http://localhost:1002\n")
    assert fresh.cli("init")["issuer"] == "http://localhost:1001"
    assert fresh.cli("init", "--env-file", "other.env")["issuer"] == "http://localhost:1002"
    assert fresh.cli("--env-file=other.env", "init")["issuer"] == "http://localhost:1002"
    fresh.environ["IDP_ISSUER"] = "http://localhost:1003"
    assert fresh.cli("init", "--env-file", "other.env")["issuer"] == "http://localhost:1003"


def test_a_fault_in_the_named_file_is_a_fault(fresh: RunningIdp) -> None:
    (fresh.folder / "bad.env").write_text("IDP_NONSENSE=1\nOTHER=ignored\n")
    (fresh.folder / "binary.env").write_bytes(b"\xff\xfe")
    assert faults(fresh, "init", "--env-file", "bad.env") == ["IDP_NONSENSE: is not a setting"]
    assert faults(fresh, "init", "--env-file", "binary.env") == ["binary.env: cannot be read as UTF-8"]


def test_a_master_key_may_come_from_a_file_of_its_own(fresh: RunningIdp) -> None:
    file = fresh.folder / "key"
    file.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() + "\n")
    file.chmod(0o600)
    fresh.environ["IDP_MASTER_KEY_FILE"] = str(file)
    fresh.cli("init")
    assert not (fresh.folder / "keys").exists()
    assert fresh.cli("keys", "list")
    assert "too" in faults(fresh, IDP_MASTER_KEY=file.read_text())[0]
    file.chmod(0o644)
    assert "readable by everybody" in faults(fresh)[0]


def test_the_database_url_may_come_from_a_file_and_be_postgresql(fresh: RunningIdp, postgres_server: str) -> None:
    with empty_postgres(postgres_server) as url:
        file = fresh.folder / "url"
        file.write_text(url)
        file.chmod(0o600)
        fresh.environ["IDP_DATABASE_URL_FILE"] = str(file)
        assert fresh.cli("init")["signing_keys"] == 2
        assert fresh.cli("db", "check") == {"pending": False, "drift": []}
        assert fresh.user("ada")["username"] == "ada"
        assert not list((fresh.folder / "var").glob("*.sqlite3"))


# -- the master key ---------------------------------------------------------------------------------------------------


def test_nothing_runs_before_init(fresh: RunningIdp) -> None:
    assert "run idp init" in faults(fresh)[0]


def test_a_master_key_that_is_not_of_this_database_is_refused(fresh: RunningIdp) -> None:
    fresh.cli("init")
    other = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    for command in (("user", "list"), ("init",), ("serve",), ("jobs",), ("keys", "rotate")):
        assert faults(fresh, *command, IDP_MASTER_KEY=other) == ["this database was made with another master key"]
    assert fresh.cli("user", "list") == []


@pytest.mark.parametrize("key", ["short", "A" * 44, "é" * 43, "=" * 43])
def test_a_master_key_that_is_none_is_refused(fresh: RunningIdp, key: str) -> None:
    assert faults(fresh, "init", IDP_MASTER_KEY=key) == ["the master key must be 32 bytes in base64url"]


def test_a_master_key_that_others_can_read_is_refused(fresh: RunningIdp) -> None:
    fresh.cli("init")
    key = fresh.folder / "keys" / "master.key"
    key.chmod(0o640)
    assert "chmod 600" in faults(fresh)[0]
    assert fresh.run("check").returncode == 1


# -- production -------------------------------------------------------------------------------------------------------

PRODUCTION = {"IDP_ENV": "production", "IDP_ISSUER": "https://idp.test"}


def test_production_refuses_debug_sample_secrets_and_http(fresh: RunningIdp) -> None:
    for issuer in ("http://idp.test", "http://10.0.0.1:8000", "http://127.0.0.1.evil.test"):
        (sentence,) = faults(fresh, "serve", IDP_ENV="production", IDP_ISSUER=issuer)
        assert sentence == "IDP_ISSUER: must be https; http is accepted on loopback only"
    assert faults(fresh, "serve", **PRODUCTION, IDP_DEBUG="1", IDP_MASTER_KEY="change-me", IDP_PORT="x") == [
        "IDP_DEBUG: must be off in production",
        "IDP_MASTER_KEY: is a sample value",
        "IDP_PORT: Input should be a valid integer, unable to parse string as an integer",
    ]


def test_a_production_server_makes_no_key_and_no_schema(fresh: RunningIdp) -> None:
    fresh.environ.update(PRODUCTION, IDP_PORT=str(free_port()))
    assert "run idp init" in faults(fresh, "serve")[0]
    assert not (fresh.folder / "keys").exists()
    assert not (fresh.folder / "var").exists()
    fresh.environ["IDP_MASTER_KEY"] = secrets.token_urlsafe(32)
    (fresh.folder / "var").mkdir()
    assert "not initialized" in faults(fresh, "serve")[0]
    with sqlite3.connect(fresh.folder / "var" / "idp.sqlite3") as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_the_demo_does_not_run_in_production(fresh: RunningIdp) -> None:
    assert faults(fresh, "demo", **PRODUCTION) == ["the demo does not run in production"]


def test_the_doctor_names_what_is_unsafe(fresh: RunningIdp) -> None:
    fresh.cli("init")
    unsafe = {"IDP_ENV": "production", "IDP_MAIL_URL": "console://", "IDP_TRUSTED_PROXIES": "0.0.0.0/0"}
    fresh.environ.update(unsafe)
    done = fresh.run("check", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"]) == (1, False)
    named = {finding.partition(":")[0] for finding in found["findings"]}
    assert named == {"IDP_ISSUER", "IDP_MAIL_URL", "IDP_BCRYPT_COST", "IDP_OUTBOUND_ALLOW", "IDP_TRUSTED_PROXIES"}


def test_the_doctor_tells_of_letters_that_were_given_up(fresh: RunningIdp) -> None:
    fresh.cli("init")
    values = {"id": "a" * 26, "kind": "mail", "payload": {}, "state": "dead", "run_at": 0.0, "attempts": 30}
    database = databases.open_database(load(fresh.environ).database)
    with database.write() as tx:
        tx.execute(sa.insert(JobRow).values(**values, last_error="SMTPAuthenticationError", finished_at=1))
    database.engine.dispose()
    (found,) = json.loads(fresh.run("check", "--json").stdout)["findings"]
    assert found == "IDP_MAIL_URL: 1 letters were given up, the last: SMTPAuthenticationError"


# -- addresses and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["--port", "IDP_METRICS_PORT"])
def test_a_port_that_is_taken_is_said_before_any_worker_starts(home: RunningIdp, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if which == "--port":
            told = faults(home, "serve", "--port", port)
        else:
            told = faults(home, "serve", "--port", str(free_port()), IDP_METRICS_PORT=port)
    assert told == [f"cannot listen on 127.0.0.1 port {port}: Address already in use"]


def test_tls_files_that_cannot_be_read_are_named(home: RunningIdp) -> None:
    told = faults(home, "serve", IDP_TLS_CERT_FILE="/nowhere/cert", IDP_TLS_KEY_FILE="/nowhere/key")
    assert told == ["/nowhere/cert cannot be read"]
