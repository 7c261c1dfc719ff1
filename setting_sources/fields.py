"""The settings that every program has: in what it runs, and where its other settings come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

SAMPLE_SECRETS = frozenset(
    {"change-me", "changeme", "secret", "password", "A" * 43, "A" * 43 + "=", "change-me-change-me-change-me-change-me"}
)
"""What stands in examples and first tries; nothing of it protects anything."""
BOOTSTRAP = frozenset(
    {"env", "secrets_dir", "config_url", "config_token", "config_ca_file", "config_last_good", "data_dir"}
)
"""What must be known before a configuration server can be asked, and so cannot come from it."""


class SourceSettings(BaseSettings):
    """The base of a program's settings."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Literal["development", "production"] = Field(
        "development", description="production refuses sample secrets, debug and generated keys"
    )
    secrets_dir: Path | None = Field(
        None, description="folder whose files, named like settings (idp-master-key, rs-secret), hold their values"
    )
    config_url: str | None = Field(
        None,
        description="a configuration server: vault+https://HOST/MOUNT/PATH (OpenBao or Vault, KV v2) or "
        "spring+https://HOST/APPLICATION/PROFILE (Spring Cloud Config); what is set here wins",
    )
    config_token: SecretStr | None = Field(
        None, description="what opens the configuration server: a token, or USER:PASSWORD for spring"
    )
    config_ca_file: Path | None = Field(None, description="PEM file of the authorities trusted for that server")
    config_refresh: Annotated[int, Field(ge=1)] = Field(
        15, description="after so long the configuration server and the folder of secrets are read again"
    )
    database_lease_url: str | None = Field(
        None,
        description="where user and password of a PostgreSQL are leased, asked with the same token: "
        "vault+https://HOST/MOUNT/creds/ROLE (OpenBao or Vault); the URL of the database then has none",
    )
    config_last_good: Path | None = Field(
        None,
        description="where the last good copy lies for when that server is down, sealed with the token; default: in the data directory",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what was gathered: `gathering` reports what the stock sources would pass over."""
        return (init_settings,)

    @field_validator("*")
    @classmethod
    def _no_sample(cls, value: Any, info: ValidationInfo) -> Any:
        sample = isinstance(value, SecretStr) and value.get_secret_value() in SAMPLE_SECRETS
        if sample and info.data.get("env") == "production":
            raise ValueError("is a sample value")
        return value
