"""Every setting of the resource server, read once from the environment; nothing else reads it."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from token_guard.outbound import check_url

from setting_sources.fields import SourceSettings
from setting_sources.gathering import SettingsError, Sources

__all__ = ["SERVICES", "Settings", "SettingsError", "again", "load"]

PREFIX = "RS_"
SERVICES = ("users", "orders", "payments")
_QUEUES = frozenset({"db", "redis", "rediss", "amqp", "amqps"})
QUEUE = "queue"
"""The scheme of a service that is asked through the broker of RS_MESSAGES_URL."""
_BROKERS = frozenset({"redis", "rediss", "amqp", "amqps"})
_DATABASES = frozenset({"sqlite", "postgresql", "postgresql+psycopg"})
Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, Field(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]


def _parts(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Words = Annotated[tuple[Word, ...], BeforeValidator(_parts)]


def _brownout(text: str) -> tuple[int, int]:
    begin, _, seconds = text.partition("/")
    if not seconds.isascii() or not seconds.isdigit():
        raise ValueError("must be START/SECONDS")
    return int(_aware(datetime.fromisoformat(begin)).timestamp()), int(seconds)


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


Brownouts = Annotated[tuple[tuple[int, int], ...], BeforeValidator(lambda value: tuple(map(_brownout, _parts(value))))]
_V2_CAME = datetime(2026, 11, 25, tzinfo=UTC)
_NOTICE = timedelta(days=180)


Seconds = Annotated[float, Field(gt=0)]
Delays = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_parts)]
Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], BeforeValidator(_parts)]


class Settings(SourceSettings):
    """The configuration of the services. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    issuer: str = Field("http://127.0.0.1:8000", description="the identity provider whose tokens are accepted")
    audience: str = Field(
        "http://127.0.0.1:8001", description="our resource identifier and external base URL; tokens must name it"
    )
    jwks_uri: str | None = Field(None, description="where the issuer's keys are; found by its metadata when empty")
    jwks_snapshot: Path | None = Field(None, description="file that keeps the last good keys for a cold start")
    token_cache: Annotated[float, Field(ge=0, le=30)] = Field(
        0, description="seconds a verified token is remembered; 0 checks every signature"
    )
    dpop_nonce: bool = Field(False, description="whether DPoP proofs carry a nonce of ours (RFC 9449 §9)")
    data_dir: Path = Field(Path("var"), description="where the SQLite databases lie")
    database_url: SecretStr | None = Field(
        None,
        description="sqlite:///FILE or postgresql+psycopg://...; each service has a file or a schema of its own there; "
        "default: resource-server-SERVICE.sqlite3 in the data directory",
    )
    users_database_url: SecretStr | None = Field(None, description="a database for users alone")
    orders_database_url: SecretStr | None = Field(None, description="a database for orders alone")
    payments_database_url: SecretStr | None = Field(None, description="a database for payments alone")
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="random text that all nodes share: it seals kept answers and signs page tokens; "
        "default: one made in the data directory, but not in production",
    )
    secret_other: SecretStr | None = Field(
        None,
        min_length=32,
        description="another one, what was made with which is accepted too while nodes change from one to the other",
    )
    database_pool: Count = Field(8, description="database connections a process may hold")
    queue_url: SecretStr = Field(
        SecretStr("db://"),
        description="where work waits for workers: db:// (the service's own database), redis://HOST or amqp://USER:PASSWORD@HOST",
    )
    worker: Literal["inside", "apart"] = Field(
        "inside", description="whether serve does the work as well, or resource-server worker alone"
    )
    worker_threads: Count = Field(8, description="pieces of work a worker does at once")
    job_lease: Seconds = Field(30, description="after so long, work of a worker that died is another one's")
    job_retry_first: Seconds = Field(
        1, description="failed work is tried again after so long, then twice as long, 8 times in all"
    )
    provider_url: str = Field("http://127.0.0.1:8004", description="the payment provider, or its simulator")
    provider_secret: SecretStr | None = Field(
        None, description="what the provider knows us by and signs its callbacks with; made of RS_SECRET when empty"
    )
    provider_secret_other: SecretStr | None = Field(
        None, description="another one, with which it may sign callbacks while that changes"
    )
    provider_timeout: Seconds = Field(5, description="how long the provider may take")
    provider_follow: Seconds = Field(2, description="a payment that stays open is asked for after so long, then twice")
    authorization_ttl: Seconds = Field(604800, description="an authorized payment that nobody captures expires then")
    reconcile_every: Annotated[float, Field(ge=0)] = Field(
        3600, description="our books are compared with the provider's after so long each; 0 = by command alone"
    )
    reconcile_quiet: Annotated[float, Field(ge=0)] = Field(
        300, description="payments that changed within so long are left out then"
    )
    refund_support_limit: Annotated[int, Field(ge=0)] = Field(
        5_000, description="support refunds up to so many minor units"
    )
    refund_approval_from: Annotated[int, Field(ge=0)] = Field(
        50_000, description="from here on a second person approves what finance refunds; 0 = never"
    )
    webhook_retries: Delays = Field(
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
        description="a webhook that is not taken is sent again after so long each, comma separated",
    )
    outbound_allow: Networks = Field((), description="private networks that webhooks may reach, comma separated")
    events_audience: str | None = Field(None, description="the aud of events pushed to us; the audience when empty")
    events_token: SecretStr | None = Field(None, description="the receiver's token that opens the snapshot of people")
    step_up_from: Annotated[int, Field(ge=0)] = Field(
        100_000, description="payments of so many minor units and more need a fresh login; 0 = never"
    )
    step_up_max_age: Count = Field(300, description="how old that login may be")
    step_up_acr: Words = Field((), description="acr values of which that login must have one, comma separated")
    checkout_acr: Words = Field(
        ("2fa", "phr"), description="acr values of which a login must have one to check out so much, comma separated"
    )
    rate_reads: Annotated[int, Field(ge=0)] = Field(
        1200, description="reads a minute of one client and person at a service; 0 = no limit"
    )
    rate_writes: Annotated[int, Field(ge=0)] = Field(300, description="and writes; 0 = no limit")
    v1_deprecated: datetime = Field(_V2_CAME, description="since when v1 is announced to end")
    v1_sunset: datetime = Field(
        datetime(2027, 6, 30, tzinfo=UTC), description="when v1 ends, at least 180 days after that; it answers 410 then"
    )
    v1_brownouts: Brownouts = Field(
        (),
        description="when v1 is missing on purpose before: START/SECONDS, such as 2027-06-01T10:00:00Z/600, comma separated",
    )
    reference_client_id: Word | None = Field(
        None,
        description="the public client with which people log in at /reference to try calls; they only read when empty",
    )
    payments_url: str | None = Field(
        None,
        description="where orders ask payments: http(s)://, grpc(s):// or queue://payments; in the same process when empty",
    )
    orders_url: str | None = Field(None, description="where payments tell orders; in the same process when empty")
    users_url: str | None = Field(
        None, description="where orders ask users: http(s):// or grpc(s)://; in the same process when empty"
    )
    messages_url: SecretStr | None = Field(
        None,
        description="redis:// or amqp://, through which services are asked at queue://SERVICE, and answer; none when empty",
        validate_default=True,
    )
    call_ca_file: Path | None = Field(
        None, description="PEM file of the authorities that prove the other services; the machine's when empty"
    )
    client_prefix: Word = Field(
        "svc-", description="a service is the client PREFIX + its name at the issuer, such as svc-orders"
    )
    call_timeout: Seconds = Field(3, description="how long one attempt to call another service may take")
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="port on 127.0.0.1 that answers /metrics; none when empty"
    )
    service: Literal["all", "users", "orders", "payments"] = Field("all", description="which services this process is")
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8001, ge=1, le=65535, description="port to listen on")
    grpc_port: int | None = Field(
        None, ge=1, le=65535, description="port that answers gRPC too (extra grpc); none when empty"
    )
    grpc_cert_file: Path | None = Field(
        None, description="certificate chain of that port (PEM); on loopback it may lack one"
    )
    grpc_key_file: Path | None = Field(None, description="the key of that certificate (PEM)", validate_default=True)
    workers: Count = Field(1, description="worker processes")
    threads: Count = Field(64, description="requests a worker handles at once")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe level logged")
    shutdown_grace: Count = Field(20, description="how long a stopping server lets running requests finish")

    @field_validator("v1_deprecated", "v1_sunset")
    @classmethod
    def _utc(cls, value: datetime) -> datetime:
        return _aware(value)

    @field_validator("v1_sunset")
    @classmethod
    def _noticed(cls, value: datetime, info: ValidationInfo) -> datetime:
        if value - info.data.get("v1_deprecated", _V2_CAME) < _NOTICE:
            raise ValueError("must be at least 180 days after RS_V1_DEPRECATED")
        return value

    @field_validator("queue_url")
    @classmethod
    def _queue_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in _QUEUES:
            raise ValueError("must be db://, redis://HOST or amqp://USER:PASSWORD@HOST")
        return value

    @field_validator("issuer", "jwks_uri")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return value if value is None else check_url(value)

    @field_validator("payments_url", "orders_url", "users_url")
    @classmethod
    def _service_url(cls, value: str | None) -> str | None:
        """As for HTTP: without TLS on loopback only, since tokens travel."""
        if value is not None and value.removeprefix(f"{QUEUE}://") not in SERVICES:
            check_url(value.replace("grpc", "http", 1) if value.startswith("grpc") else value)
        return value

    @field_validator("users_url")
    @classmethod
    def _asked_for_people(cls, value: str | None) -> str | None:
        if value is not None and value.startswith(f"{QUEUE}:"):
            raise ValueError("people's tokens are not queued: users are asked by http(s):// or grpc(s)://")
        return value

    @field_validator("messages_url")
    @classmethod
    def _broker(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        asked = (info.data.get("payments_url"), info.data.get("orders_url"))
        if value is None and any(url and url.startswith(f"{QUEUE}:") for url in asked):
            raise ValueError("name the broker through which services are asked")
        if value is not None and value.get_secret_value().partition("://")[0] not in _BROKERS:
            raise ValueError("must be redis://HOST or amqp://USER:PASSWORD@HOST")
        return value

    @field_validator("grpc_key_file")
    @classmethod
    def _grpc_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate, host = info.data.get("grpc_cert_file"), info.data.get("host")
        if (value is None) != (certificate is None):
            raise ValueError("give it and RS_GRPC_CERT_FILE, or neither")
        if value is None and info.data.get("grpc_port") and host and not ipaddress.ip_address(host).is_loopback:
            raise ValueError("gRPC beyond loopback needs TLS: tokens travel")
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @field_validator("database_url", "users_database_url", "orders_database_url", "payments_database_url")
    @classmethod
    def _database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_database_url(value.get_secret_value()):
            raise ValueError("must be sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return value

    def database(self, service: str) -> str:
        """The URL of a service's own database in clear; never log it."""
        own: SecretStr | None = getattr(self, f"{service}_database_url")
        if own is not None:
            return own.get_secret_value()
        if self.database_url is not None:
            return _part_of(self.database_url.get_secret_value(), service)
        return f"sqlite:///{(self.data_dir / f'resource-server-{service}.sqlite3').resolve()}"

    @property
    def services(self) -> tuple[str, ...]:
        """The services this process is."""
        return SERVICES if self.service == "all" else (self.service,)

    @property
    def broker(self) -> str:
        """The broker of calls in clear; never log it."""
        assert self.messages_url is not None, "checked when the settings were read"
        return self.messages_url.get_secret_value()

    @property
    def grpc_tls(self) -> tuple[Path, Path] | None:
        """The files of the gRPC port's certificate and key, where it has TLS."""
        if self.grpc_cert_file is None or self.grpc_key_file is None:
            return None
        return self.grpc_cert_file, self.grpc_key_file

    def audiences(self, service: str) -> tuple[str, str]:
        """Whom a token for a service may name: all of us, or, for services and what they do for others, that one."""
        return self.audience, f"{self.audience}/{service}"

    def client_id(self, service: str) -> str:
        """What a service is known as at the issuer, and to the others."""
        return f"{self.client_prefix}{service}"

    @property
    def receives_as(self) -> str:
        """The audience of pushed events."""
        return self.events_audience or self.audience


def _part_of(url: str, service: str) -> str:
    """A file of the service's own beside the one that is named; on PostgreSQL the service has a schema of its own."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    file = Path(parsed.database)
    own = parsed.set(database=str(file.with_name(f"{file.stem}-{service}{file.suffix}")))
    return own.render_as_string(hide_password=False)


def _is_database_url(url: str) -> bool:
    try:
        return make_url(url).drivername in _DATABASES
    except (ArgumentError, ValueError):
        return False


_SOURCES = Sources(Settings, PREFIX)
load = _SOURCES.load
again = _SOURCES.again
