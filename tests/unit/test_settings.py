"""Settings: where they come from, what stops start-up, and that the example file is the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from idp.settings import Settings
from idp.settings_source import SettingsError, load
from resource_server.settings import Settings as ResourceServerSettings

EXAMPLE = Path(__file__).parents[2] / "config.example.env"
MODELS = [(Settings, "IDP_"), (ResourceServerSettings, "RS_")]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load(environ)
    return raised.value.faults


def test_defaults_need_no_environment() -> None:
    settings = load({})
    assert settings.issuer == "http://127.0.0.1:8000"
    assert (settings.code_ttl, settings.refresh_window, settings.bcrypt_cost) == (60, 10, 12)


def test_all_faults_are_reported_at_once() -> None:
    found = faults(
        {"IDP_FOO": "1", "IDP_PORT": "x", "IDP_ISSUER": "http://example.com", "IDP_MASTER_KEY_FILE": "/none"}
    )
    assert [fault.split(":")[0] for fault in found] == ["IDP_FOO", "IDP_MASTER_KEY_FILE", "IDP_ISSUER", "IDP_PORT"]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://example.com",
        "https://example.com/",
        "ftp://example.com",
        "https://a@example.com",
        "https://example.com?x=1",
        "x",
    ],
)
def test_an_issuer_that_nobody_may_trust_is_refused(issuer: str) -> None:
    assert faults({"IDP_ISSUER": issuer})


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:9", "http://localhost", "http://[::1]:80", "https://example.com/auth"]
)
def test_http_is_accepted_on_loopback_only(issuer: str) -> None:
    assert load({"IDP_ISSUER": issuer}).issuer == issuer


def test_production_refuses_debug_and_sample_secrets() -> None:
    found = faults({"IDP_ENV": "production", "IDP_DEBUG": "true", "IDP_MASTER_KEY": "change-me"})
    assert found == ["IDP_DEBUG: must be off in production", "IDP_MASTER_KEY: is a sample value"]


def test_the_environment_wins_over_the_file_and_the_file_over_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IDP_PORT=1001\nIDP_NAME=dot\n")
    (tmp_path / "other").write_text("IDP_PORT=1002\nIDP_HOST=::1\n")
    assert load({}).port == 1001
    assert load({}, tmp_path / "other").port == 1002
    assert load({"IDP_PORT": "1003"}, tmp_path / "other").port == 1003


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///x.db\n")
    secret.chmod(0o600)
    assert load({"IDP_DATABASE_URL_FILE": str(secret)}).database == "sqlite:///x.db"


def test_a_secret_file_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///x.db")
    secret.chmod(0o644)
    assert "readable by everybody" in faults({"IDP_DATABASE_URL_FILE": str(secret)})[0]


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("sqlite:///x.db")
    secret.chmod(0o600)
    assert "too" in faults({"IDP_DATABASE_URL_FILE": str(secret), "IDP_DATABASE_URL": "sqlite:///y.db"})[0]


def test_no_secret_shows_in_a_fault_or_in_the_settings() -> None:
    found = faults({"IDP_DATABASE_URL": "postgresql://u:hunter2@h/d", "IDP_PORT": "hunter2x"})
    shown = repr(load({"IDP_DATABASE_URL": "postgresql://u:hunter2@h/d"}))
    assert "hunter2" not in " ".join(found) + shown


def test_lifetimes_have_bounds() -> None:
    assert faults({"IDP_CODE_TTL": "61"})
    assert faults({"IDP_ACCESS_TOKEN_TTL": "901"})
    assert load({"IDP_ACCESS_TOKEN_TTL": "1", "IDP_CODE_TTL": "1"}).code_ttl == 1


def test_lists_and_pairs_are_comma_separated() -> None:
    settings = load(
        {
            "IDP_REGISTRATION_AUDIENCE": "https://a.test, https://b.test",
            "IDP_SOFTWARE_STATEMENT_ISSUERS": "https://a.test=https://a.test/jwks?x=1 , b=c",
        }
    )
    assert settings.registration_audience == ("https://a.test", "https://b.test")
    assert settings.software_statement_issuers == (("https://a.test", "https://a.test/jwks?x=1"), ("b", "c"))
    assert faults({"IDP_SOFTWARE_STATEMENT_ISSUERS": "https://a.test"})
    assert faults({"IDP_REGISTRATION_SCOPE": 'openid "x"', "IDP_REGISTRATION": "maybe"})


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("model", "prefix"), MODELS)
def test_the_example_file_lists_every_setting_with_its_default(model: type[BaseSettings], prefix: str) -> None:
    listed = dict(re.findall(rf"^#({prefix}\w+)=(.*)$", EXAMPLE.read_text("utf-8"), re.MULTILINE))
    assert listed == {prefix + name.upper(): _text(field.default) for name, field in model.model_fields.items()}


def test_the_example_file_says_what_each_setting_means() -> None:
    text = " ".join(line.lstrip("# ") for line in EXAMPLE.read_text("utf-8").splitlines())
    for model, _prefix in MODELS:
        for field in model.model_fields.values():
            assert field.description
            assert field.description in text


def _text(default: object) -> str:
    match default:
        case None | ():
            return ""
        case SecretStr():
            return default.get_secret_value()
        case bool():
            return str(default).lower()
        case tuple():
            return ",".join(map(str, default))
        case _:
            return str(default)
