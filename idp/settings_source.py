"""Where settings come from: the only reader of the environment.

Sources, the first wins: the process environment, the file named by `--env-file`, `.env` in the working directory. A secret `X` may be
given as `X_FILE`. An unknown or malformed setting stops start-up, and all faults are reported at once.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from idp.settings import PREFIX, Settings


class SettingsError(Exception):
    """Start-up is refused; `faults` holds one sentence for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def load(
    environ: Mapping[str, str], env_file: Path | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read all settings, `overrides` by field name first; raises `SettingsError` that names every fault at once."""
    faults: list[str] = []
    values = _gather({**_file_values(env_file, faults), **_ours(environ)}, faults)
    try:
        settings = Settings(**{**values, **(overrides or {})})
    except ValidationError as error:
        raise SettingsError(faults + [_sentence(dict(one)) for one in error.errors()]) from None
    if faults:
        raise SettingsError(faults)
    return settings


def _ours(values: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name.startswith(PREFIX) and value is not None}


def _file_values(env_file: Path | None, faults: list[str]) -> dict[str, str]:
    path = env_file or Path(".env")
    if not path.is_file():
        if env_file is not None:
            faults.append(f"--env-file: {env_file} does not exist")
        return {}
    try:
        return _ours(dotenv_values(path, interpolate=False))
    except (OSError, UnicodeDecodeError):
        faults.append(f"{path}: cannot be read as UTF-8")
        return {}


def _gather(given: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in sorted(given.items()):
        name = variable.removeprefix(PREFIX).lower()
        secret = name.removesuffix("_file")
        if name in Settings.model_fields:
            if value != "":
                values[name] = value
        elif name.endswith("_file") and _is_secret(secret):
            if f"{PREFIX}{secret.upper()}" in given:
                faults.append(f"{variable}: {PREFIX}{secret.upper()} is given too; give one of them")
            values[secret] = _secret_file(variable, Path(value), faults)
        else:
            faults.append(f"{variable}: is not a setting")
    return values


def _is_secret(name: str) -> bool:
    field = Settings.model_fields.get(name)
    return field is not None and "SecretStr" in str(field.annotation)


def _secret_file(variable: str, path: Path, faults: list[str]) -> str | None:
    try:
        if stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
            faults.append(f"{variable}: {path} is readable by everybody; chmod 600")
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        faults.append(f"{variable}: {path} cannot be read")
        return None


def _sentence(error: dict[str, Any]) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in error["loc"][:1])
    return f"{PREFIX}{where.upper()}: {message}" if where else message
