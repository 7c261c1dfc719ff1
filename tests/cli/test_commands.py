"""The `idp` command as a process: exit status, one JSON document on stdout, one sentence on stderr."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import BIN, PASSWORD, CliError, RunningIdp


def refused(home: RunningIdp, *arguments: str, status: int = 1, stdin: str = "") -> str:
    """The sentence of a command that must not succeed; run within this process, a start costs half a second."""
    with pytest.raises(CliError) as raised:
        home.cli(*arguments, stdin=stdin)
    told = str(raised.value)
    assert f": {status} Error: " in told
    assert told.count("\n") == 1
    return told.partition("Error: ")[2].strip()


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "user", "list"],
        ["client", "--json", "list"],
        ["keys", "export", "--json", "--public"],
        ["audit", "verify", "--json"],
        ["prune", "--json"],
        ["init", "--json"],
        ["check", "--json"],
    ],
    ids=" ".join,
)
def test_json_anywhere_prints_one_document(home: RunningIdp, words: list[str]) -> None:
    done = home.run(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(json.loads(done.stdout), (dict, list))


def test_without_json_it_prints_for_people(home: RunningIdp) -> None:
    home.user("reader", "--role", "editor")
    listed = home.run("user", "list")
    assert listed.returncode == 0
    assert listed.stdout.splitlines()[0].split() == ["name", "e-mail", "sub"]
    assert "reader@example.com" in listed.stdout
    shown = home.run("user", "show", "reader").stdout
    assert "username: reader" in shown
    assert '["editor"]' in shown


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["user", "nonsense"],
        ["user", "create"],
        ["user", "list", "--nonsense"],
        ["user", "create", "x", "--email", "x@example.com", "--claim", "nothing"],
        ["keys", "rotate", "--alg", "HS256"],
        ["keys", "export"],
        ["serve", "--port", "0"],
        ["serve", "--port", "x"],
        ["user", "show", "\udcff"],
    ],
    ids=ascii,
)
def test_wrong_usage_is_two(home: RunningIdp, words: list[str]) -> None:
    assert refused(home, *words, status=2)


def test_without_a_command_the_help_goes_to_stderr(home: RunningIdp) -> None:
    done = home.run("user")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: idp user" in done.stderr
    done = home.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        (["user", "show", "nobody"], ""),
        (["user", "create", "x", "--email", "no-address"], ""),
        (["user", "create", "x", "--email", "x@example.com", "--password-stdin"], "short\n"),
        (["user", "create", "bad\nname", "--email", "x@example.com"], ""),
        (["client", "show", "nothing", "--json"], ""),
        (["client", "create", "--file", "/nowhere"], ""),
        (["client", "create", "--file", "-"], "[]"),
        (["client", "create", "--file", "-"], "{"),
        (["client", "create", "--file", "-"], '{"client_name": "\\ud800"}'),
        (["client", "create", "--file", "-"], '{"scope": "a", "scope": "b"}'),
        (["client", "create", "--file", "-"], "[" * 10000),
        (["resource", "create", "no-uri"], ""),
        (["resource", "create", "http://[::1"], ""),
        (["resource", "create", "https://x.test#y"], ""),
        (["resource", "create", "https://x.test", "--token-ttl", "901"], ""),
        (["resource", "create", "https://x.test", "--signing-alg", "none"], ""),
        (["resource", "create", "https://x.test", "--scope", "openid=Mine"], ""),
        (["resource", "create", "https://x.test", "--scope", "a=b\x1bc"], ""),
        (["keys", "revoke", "unknown"], ""),
        (["keys", "import", "--file", "-"], "no key"),
        (["receiver", "create", "no-url", "--events", "user.*", "--audience", "a"], ""),
        (["receiver", "delete", "unknown"], ""),
        (["--env-file", "/nowhere", "user", "list"], ""),
    ],
    ids=lambda value: " ".join(value).encode("ascii", "replace").decode()[:50] if isinstance(value, list) else "",
)
def test_a_refused_operation_is_one_and_one_sentence(home: RunningIdp, words: list[str], stdin: str) -> None:
    assert refused(home, *words, stdin=stdin).isprintable()


@pytest.mark.parametrize(
    ("words", "status"), [(["user", "show", "nobody", "--json"], 1), (["user", "list", "--env-file"], 2)]
)
def test_a_process_that_is_refused_prints_nothing_but_its_sentence(
    home: RunningIdp, words: list[str], status: int
) -> None:
    done = home.run(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


# -- people -----------------------------------------------------------------------------------------------------------


def test_the_life_of_a_user(home: RunningIdp) -> None:
    done = home.run(
        *("user", "create", "ada", "--email", "ada@example.com", "--email-verified", "--password-stdin", "--json"),
        *("--role", "admin", "--role", "reader", "--claim", "name=Ada Lovelace", "--claim", "address.country=GB"),
        stdin=f"{PASSWORD}\n",
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = json.loads(done.stdout)
    assert (made["username"], made["email"], made["email_verified"]) == ("ada", "ada@example.com", True)
    assert made["roles"] == ["admin", "reader"]
    assert made["claims"] == {"name": "Ada Lovelace", "address": {"country": "GB"}}
    assert PASSWORD not in done.stdout
    for name in ("ada", "ada@example.com", made["sub"]):
        assert home.cli("user", "show", name) == made
    changed = home.cli("user", "update", "ada", "--claim", "name=", "--claim", "address.locality=London", "--role", "")
    assert changed["claims"] == {"address": {"country": "GB", "locality": "London"}}
    assert (changed["roles"], changed["sub"]) == ([], made["sub"])
    assert home.cli("user", "disable", "ada")["disabled"] is True
    assert home.cli("user", "enable", "ada")["disabled"] is False
    assert refused(home, "user", "create", "ada", "--email", "other@example.com") == (
        "the user name or the e-mail address is taken"
    )
    assert home.cli("user", "delete", "ada") == {"sub": made["sub"], "deleted": True}
    assert home.user("ada")["sub"] != made["sub"]


def test_a_name_that_begins_like_an_option_stands_behind_two_dashes(home: RunningIdp) -> None:
    assert home.run("user", "create", "--email", "dash@example.com", "--", "--json").returncode == 0
    assert "username: --json" in home.run("user", "show", "--", "--json").stdout


# -- clients ----------------------------------------------------------------------------------------------------------


def test_the_secret_of_a_client_is_printed_once(home: RunningIdp, tmp_path: Path) -> None:
    file = tmp_path / "client.json"
    file.write_text(json.dumps({"client_name": "Bücher", "redirect_uris": ["https://app.test/cb"]}))
    done = home.run("client", "create", "--file", str(file))
    assert done.returncode == 0
    made = json.loads(done.stdout)
    assert made["client_name"] == "Bücher"
    client_id, secret = made["client_id"], made["client_secret"]
    later = [
        home.cli("client", "show", client_id),
        home.cli("client", "list"),
        home.cli("client", "disable", client_id),
    ]
    assert secret not in json.dumps(later)
    rotated = home.cli("client", "rotate-secret", client_id, "--grace", "60")
    assert rotated["client_secret"] not in {secret, ""}
    for file in home.folder.rglob("*.sqlite3*"):
        assert secret.encode() not in file.read_bytes()


def test_a_merge_patch_changes_a_client(home: RunningIdp) -> None:
    client = home.client(redirect_uris=["https://app.test/cb"], tos_uri="https://app.test/tos", client_name="Old")
    patch = json.dumps({"client_name": "New", "tos_uri": None})
    changed = home.cli("client", "update", client["client_id"], "--file", "-", stdin=patch)
    assert changed["client_name"] == "New"
    assert "tos_uri" not in changed
    assert changed["redirect_uris"] == ["https://app.test/cb"]
    fixed = json.dumps({"client_id": "another"})
    assert "client_id stays" in refused(home, "client", "update", client["client_id"], "--file", "-", stdin=fixed)
    assert home.cli("client", "delete", client["client_id"])["deleted"] is True
    assert refused(home, "client", "show", client["client_id"]) == "there is no such client"


# -- resources, receivers, keys ---------------------------------------------------------------------------------------


def test_the_life_of_a_resource(home: RunningIdp) -> None:
    uri = "https://life.test"
    given = ["--name", "Life", "--scope", "read=Read it", "--scope", "bare", "--claim", "roles", "--token-ttl", "60"]
    made = home.cli("resource", "create", uri, *given)
    assert made == {
        "uri": uri,
        "name": "Life",
        "scopes": {"read": "Read it", "bare": "bare"},
        "claims": ["roles"],
        "signing_alg": "ES256",
        "token_ttl": 60,
        "may_act": None,
    }
    assert home.cli("resource", "show", uri) == made
    assert home.cli("resource", "update", uri, "--name", "Longer") == {**made, "name": "Longer"}
    assert home.cli("resource", "update", uri, "--scope", "write=Write")["scopes"] == {"write": "Write"}
    assert home.cli("resource", "delete", uri) == {"uri": uri, "deleted": True}
    assert refused(home, "resource", "show", uri) == "there is no such resource"


def test_the_life_of_a_receiver(home: RunningIdp) -> None:
    words = ["https://events.test/in", "--events", "user.*, user.deleted", "--audience", "https://events.test"]
    made = home.cli("receiver", "create", *words)
    assert made["events"] == ["user.*", "user.deleted"]
    assert len(made["token"]) >= 43
    (listed,) = home.cli("receiver", "list")
    assert listed["id"] == made["id"]
    assert "token" not in listed
    assert home.cli("receiver", "delete", made["id"])["deleted"] is True
    assert home.cli("receiver", "list") == []


KEYS = {
    "RS256": ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ES256": ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "Ed25519": ["genpkey", "-algorithm", "ed25519"],
}


def _openssl(*words: str, stdin: bytes = b"") -> str:
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize("alg", KEYS)
def test_a_key_made_elsewhere_can_be_brought_in(home: RunningIdp, alg: str) -> None:
    pem = _openssl(*KEYS[alg])
    (made,) = home.cli("keys", "import", "--file", "-", "--state", "active", stdin=pem)
    assert (made["alg"], made["state"]) == (alg, "active")
    active = [key["kid"] for key in home.cli("keys", "list") if key["state"] == "active" and key["alg"] == alg]
    assert active == [made["kid"]]
    exported = {key["kid"]: key for key in home.cli("keys", "export", "--public")["keys"]}
    assert exported[made["kid"]]["use"] == "sig"
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for key in exported.values() for name in key}
    assert "there already" in refused(home, "keys", "import", "--file", "-", stdin=pem)


def test_weak_foreign_and_public_keys_are_refused(home: RunningIdp) -> None:
    weak = _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    strong = _openssl(*KEYS["ES256"])
    public = _openssl("pkey", "-pubout", stdin=strong.encode())
    locked = _openssl("pkcs8", "-topk8", "-passout", "pass:x", stdin=strong.encode())
    other = _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
    jwk = json.dumps({"kty": "oct", "k": "A" * 43})
    for text in (weak, public, locked, other, jwk):
        assert refused(home, "keys", "import", "--file", "-", stdin=text)
    assert "not for" in refused(home, "keys", "import", "--file", "-", "--alg", "RS256", stdin=strong)


# -- the database and what runs ---------------------------------------------------------------------------------------


def test_a_broken_audit_trail_is_found(tmp_path: Path) -> None:
    home = RunningIdp(tmp_path)
    home.cli("init")
    home.user("watched")
    assert home.cli("audit", "verify")["entries"] >= 3
    with sqlite3.connect(tmp_path / "var" / "idp.sqlite3") as database:
        (entry,) = database.execute("SELECT min(sequence) + 1 FROM audit").fetchone()
        database.execute("UPDATE audit SET entry = replace(entry, 'key', 'kez') WHERE sequence = ?", (entry,))
    assert refused(home, "audit", "verify") == f"the audit chain is broken at entry {entry}"
    found = home.run("check", "--json")
    assert found.returncode == 1
    assert f"the audit chain is broken at entry {entry}" in json.loads(found.stdout)["findings"]


def test_a_schema_that_is_not_ours_is_found(tmp_path: Path) -> None:
    home = RunningIdp(tmp_path)
    home.cli("init")
    with sqlite3.connect(tmp_path / "var" / "idp.sqlite3") as database:
        database.execute("ALTER TABLE clients ADD COLUMN extra TEXT")
    assert "clients" in refused(home, "db", "check")
    with sqlite3.connect(tmp_path / "var" / "idp.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = ''")
    assert "migration" in refused(home, "db", "check")
    assert "db upgrade" in refused(home, "user", "list")


def test_the_job_runner_stops_at_a_signal(home: RunningIdp) -> None:
    process = subprocess.Popen([BIN / "idp", "jobs"], env=home.environ, cwd=home.folder, stderr=subprocess.PIPE)
    assert process.stderr is not None
    started = json.loads(process.stderr.readline())
    assert started["event"] == "job runner started"
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err.decode()


def test_pruning_removes_what_has_expired(home: RunningIdp) -> None:
    with sqlite3.connect(home.folder / "var" / "idp.sqlite3") as database:
        database.execute("INSERT INTO assertions (key, expires_at) VALUES ('old', 1)")
    assert home.cli("prune") == {"removed": 1}
    assert home.cli("prune") == {"removed": 0}


def test_init_may_be_repeated_and_changes_nothing(home: RunningIdp) -> None:
    def state() -> Any:
        return home.cli("keys", "list"), (home.folder / "keys" / "master.key").read_text()

    before = state()
    for _ in range(2):
        home.cli("init")
    assert state() == before
    assert (home.folder / "keys" / "master.key").stat().st_mode & 0o777 == 0o600
    assert (home.folder / "var").stat().st_mode & 0o077 == 0
