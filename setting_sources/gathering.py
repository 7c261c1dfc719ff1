"""Reading all settings of a program, once; all that is wrong is told at once.

The first of these wins: the process environment, the file named by `--env-file`, `.env` in the working directory, the directory of secrets, the
configuration server. In the environment and its files a secret `X` may be given as `X_FILE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError

from setting_sources.directory import read_directory
from setting_sources.fields import BOOTSTRAP, SourceSettings
from setting_sources.files import open_to_everybody, read_secret

S = TypeVar("S", bound=SourceSettings)


class SettingsError(Exception):
    """Start-up is refused; `faults` holds one sentence for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Sources(Generic[S]):
    """Where the settings of `model` come from; their names begin with `prefix`."""

    model: type[S]
    prefix: str

    def load(
        self,
        environ: Mapping[str, str],
        env_file: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
        *,
        last_good: bool = True,
    ) -> S:
        """Read all settings, `overrides` by field name first; raises `SettingsError` that names every fault at once.

        `last_good`: whether a copy does where the configuration server is away.
        """
        faults: list[str] = []
        values = self._given(environ, env_file, faults)
        folder = values.get("secrets_dir")
        if folder:
            values = {**self._checked(read_directory(Path(folder), self.prefix, faults), str(folder), faults), **values}
        keep: Callable[[], None] | None = None
        if values.get("config_url"):
            values, keep = self._with_server(values, last_good, faults)
        if values.get("database_lease_url"):
            self._check_lease(str(values["database_lease_url"]), faults)
        settings = self._validated({**values, **(overrides or {})}, faults)
        if keep is not None:
            keep()
        return settings

    def again(
        self, environ: Mapping[str, str], env_file: Path | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Callable[[], S]:
        """What reads the same sources anew, later and in other processes; the server itself must answer then."""
        ours = self._ours(environ)
        return lambda: self.load(ours, env_file, overrides, last_good=False)

    def _validated(self, values: Mapping[str, Any], faults: list[str]) -> S:
        try:
            settings = self.model(**values)
        except ValidationError as error:
            raise SettingsError(faults + [self._sentence(dict(one)) for one in error.errors()]) from None
        if faults:
            raise SettingsError(faults)
        return settings

    def _given(self, environ: Mapping[str, str], env_file: Path | None, faults: list[str]) -> dict[str, Any]:
        """What the environment and its files say."""
        filed, path = self._env_file(env_file, faults)
        values = self._gather({**filed, **self._ours(environ)}, faults)
        secret = any(self._is_secret(name.removeprefix(self.prefix).lower()) for name in filed)
        if secret and values.get("env") == "production" and path is not None and open_to_everybody(path):
            faults.append(f"{path}: holds secrets and is readable by everybody; chmod 600")
        return values

    def _ours(self, values: Mapping[str, str | None]) -> dict[str, str]:
        return {name: value for name, value in values.items() if name.startswith(self.prefix) and value is not None}

    def _env_file(self, env_file: Path | None, faults: list[str]) -> tuple[dict[str, str], Path | None]:
        path = env_file or Path(".env")
        if not path.is_file():
            if env_file is not None:
                faults.append(f"--env-file: {env_file} does not exist")
            return {}, None
        try:
            return self._ours(dotenv_values(path, interpolate=False)), path
        except (OSError, UnicodeDecodeError):
            faults.append(f"{path}: cannot be read as UTF-8")
            return {}, None

    def _gather(self, given: Mapping[str, str], faults: list[str]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for variable, value in sorted(given.items()):
            name = variable.removeprefix(self.prefix).lower()
            secret = name.removesuffix("_file")
            if name in self.model.model_fields:
                if value != "":
                    values[name] = value
            elif name.endswith("_file") and self._is_secret(secret):
                if f"{self.prefix}{secret.upper()}" in given:
                    faults.append(f"{variable}: {self.prefix}{secret.upper()} is given too; give one of them")
                values[secret] = read_secret(Path(value), variable, faults)
            else:
                faults.append(f"{variable}: is not a setting")
        return values

    def _with_server(
        self, values: dict[str, Any], last_good: bool, faults: list[str]
    ) -> tuple[dict[str, Any], Callable[[], None] | None]:
        """The values with those of the server below them, and what keeps a copy of these once all is known to be good."""
        from setting_sources.remote import Remote  # noqa: PLC0415 - HTTP, TLS and ciphers, for who has such a server

        remote = Remote(
            values,
            default=Path(values.get("data_dir") or self.model.model_fields["data_dir"].default),
            name=self.prefix.strip("_").lower(),
            is_secret=self._is_secret,
        )
        found = remote.read(last_good, faults)
        if found is None:
            return values, None
        checked = self._checked(found, "the configuration server", faults, refused=BOOTSTRAP)
        return {**checked, **values}, lambda: remote.keep(checked)

    def _check_lease(self, url: str, faults: list[str]) -> None:
        from setting_sources.leases import fault_of  # noqa: PLC0415 - HTTP and TLS, for who has such a server

        fault = fault_of(url)
        if fault is not None:
            faults.append(f"{self.prefix}DATABASE_LEASE_URL: {fault}")

    def _checked(
        self, found: Mapping[str, str], where: str, faults: list[str], refused: frozenset[str] = frozenset()
    ) -> dict[str, str]:
        """What a source knows by the names of fields; the rest is a fault."""
        for name in sorted(set(found) - set(self.model.model_fields)):
            faults.append(f"{where}: {name} is not a setting")
        for name in sorted(set(found) & refused):
            faults.append(f"{where}: {name} must be known before it is asked")
        return {name: value for name, value in found.items() if name in self.model.model_fields and name not in refused}

    def _is_secret(self, name: str) -> bool:
        field = self.model.model_fields.get(name)
        return field is not None and "SecretStr" in str(field.annotation)

    def _sentence(self, error: dict[str, Any]) -> str:
        message = str(error["msg"]).removeprefix("Value error, ")
        where = ".".join(str(part) for part in error["loc"][:1])
        return f"{self.prefix}{where.upper()}: {message}" if where else message
