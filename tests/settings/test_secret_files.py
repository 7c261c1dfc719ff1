"""Secrets in files: a folder of them, as containers mount it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from idp.settings import Settings as IdpSettings
from idp.settings_source import load
from resource_server.settings import Settings as ServiceSettings
from resource_server.settings import load as load_services
from setting_sources.fields import SAMPLE_SECRETS
from setting_sources.gathering import SettingsError

GOOD = "a-secret-that-is-long-enough-for-everybody"
PROGRAMS = [(load, "IDP_", IdpSettings), (load_services, "RS_", ServiceSettings)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def put(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(text)
    file.chmod(mode)


def faults(read: Callable[[dict[str, str]], object], environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        read(environ)
    return raised.value.faults


def test_each_program_takes_its_own_files_from_a_shared_folder(folder: Path) -> None:
    """As Kubernetes mounts them: links to a hidden folder of the day."""
    (folder / "..2026").mkdir()
    put(folder / "..2026", "idp-mail-url", "smtp://mail.test\n", 0o440)
    (folder / "idp-mail-url").symlink_to("..2026/idp-mail-url")
    put(folder, "RS_SECRET", GOOD)
    put(folder, "postgres-password", "somebody else's", 0o644)
    assert load({"IDP_SECRETS_DIR": str(folder)}).mail_url.get_secret_value() == "smtp://mail.test"
    secret = load_services({"RS_SECRETS_DIR": str(folder)}).secret
    assert secret is not None
    assert secret.get_secret_value() == GOOD


def test_files_that_are_open_unknown_or_missing_are_told_at_once(folder: Path) -> None:
    put(folder, "rs-secret", GOOD, 0o644)
    put(folder, "rs-nonsense", "1")
    assert faults(load_services, {"RS_SECRETS_DIR": str(folder)}) == [
        f"rs-secret: {folder / 'rs-secret'} is readable by everybody; chmod 600",
        f"{folder}: nonsense is not a setting",
    ]
    assert faults(load, {"IDP_SECRETS_DIR": "/none"}) == ["IDP_SECRETS_DIR: /none is no folder"]


def test_an_env_file_with_secrets_that_everybody_can_read_is_refused_in_production(tmp_path: Path) -> None:
    put(tmp_path, "settings", f"RS_ENV=production\nRS_SECRET={GOOD}\n", 0o644)
    with pytest.raises(SettingsError) as raised:
        load_services({}, tmp_path / "settings")
    assert raised.value.faults == [f"{tmp_path / 'settings'}: holds secrets and is readable by everybody; chmod 600"]
    (tmp_path / "settings").chmod(0o600)
    assert load_services({}, tmp_path / "settings").secret is not None
    put(tmp_path, "open", "RS_ENV=production\nRS_PORT=1\n", 0o644)
    assert load_services({}, tmp_path / "open").port == 1, "there is nothing to hide in it"


SECRETS = [
    (read, prefix + name.upper())
    for read, prefix, model in PROGRAMS
    for name, field in model.model_fields.items()
    if "SecretStr" in str(field.annotation) and not name.endswith("url")
]


@pytest.mark.parametrize(("read", "variable"), SECRETS, ids=[variable for _read, variable in SECRETS])
def test_every_secret_is_refused_in_production_when_it_stands_in_an_example(
    read: Callable[[dict[str, str]], object], variable: str
) -> None:
    env = variable.partition("_")[0] + "_ENV"
    for sample in SAMPLE_SECRETS:
        (fault,) = faults(read, {env: "production", variable: sample})
        assert fault.startswith(f"{variable}: "), "a short one may be refused for its length"
        assert fault.endswith("is a sample value") or len(sample) < 32
