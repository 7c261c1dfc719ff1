"""Every setting of the identity provider: its name, default, meaning and bounds. `idp.settings_source` reads them, once."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from setting_sources.fields import SourceSettings

PREFIX = "IDP_"
_LOOPBACK_NAMES = frozenset({"localhost"})
_DATABASES = frozenset({"sqlite", "postgresql", "postgresql+psycopg"})

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())


def _words(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = tuple(tuple(pair.split("=", 1)) for pair in value.split(",") if pair.strip())
    if not all(len(pair) == 2 and all(part.strip() for part in pair) for pair in pairs):
        raise ValueError("must be NAME=VALUE pairs, comma separated")
    return tuple((name.strip(), kept.strip()) for name, kept in pairs)


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Methods = Annotated[tuple[Literal["password", "passkey", "email", "upstream"], ...], BeforeValidator(_words)]
Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
Seconds = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]
SecretUrl = SecretStr


class Settings(SourceSettings):
    """The configuration of one deployment: one issuer, one database, any number of nodes. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    debug: bool = Field(False, description="verbose logs; refused in production")
    issuer: str = Field(
        "http://127.0.0.1:8000",
        description="the issuer identifier, without a final slash; http on loopback only",
    )
    data_dir: Path = Field(Path("var"), description="where the SQLite database and other local files lie")
    keys_dir: Path = Field(Path("keys"), description="where master.key lies, mode 0600")
    master_key: SecretStr | None = Field(None, description="32 bytes in base64url; instead of keys/master.key")
    database_url: SecretUrl | None = Field(
        None,
        description="sqlite:///FILE or postgresql+psycopg://...; default: idp.sqlite3 in the data directory",
    )
    database_pool: Count = Field(8, description="database connections a worker may hold")
    redis_url: SecretUrl | None = Field(
        None,
        description="redis://...; counters of limits and used proofs live there instead of in the database; it must not evict",
    )
    mail_url: SecretUrl = Field(
        SecretStr("console://"),
        description="console://, file://DIR, smtp://USER:PASSWORD@HOST:PORT or smtps://...; "
        "mailbox://DIR, in development on loopback only, shows mail at /dev/mailbox",
    )
    mail_from: str = Field("no-reply@localhost", description="the sender of mail")
    trusted_proxies: Networks = Field((), description="networks whose X-Forwarded-For is believed, comma separated")
    outbound_allow: Networks = Field(
        (), description="special networks the outbound guard lets through, comma separated"
    )
    outbound_ca_file: Path | None = Field(None, description="PEM file of the authorities trusted for outbound TLS")
    tls_cert_file: Path | None = Field(None, description="serve TLS with this certificate chain (PEM)")
    tls_key_file: Path | None = Field(None, description="the key of the certificate (PEM)", validate_default=True)
    tls_client_ca_file: Path | None = Field(
        None,
        description="PEM file of the authorities that issue client certificates; with TLS files clients are asked for one",
    )
    client_cert_header: str | None = Field(
        None,
        pattern=r"^[A-Za-z][A-Za-z0-9-]*$",
        description="header in which trusted proxies hand over a client's certificate (RFC 9440, or URL-encoded PEM), and drop what clients send",
    )
    mtls_url: str | None = Field(
        None, description="origin at which clients are asked for certificates, announced as mtls_endpoint_aliases"
    )

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=1, le=65535, description="port to listen on")
    workers: Count = Field(2, description="worker processes; one a core")
    threads: Count = Field(128, description="requests a worker handles at once; bodies are read inside this bound")
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="port on 127.0.0.1 where /metrics answers; off when empty"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe level that is logged"
    )
    shutdown_grace: Seconds = Field(20, description="how long a stopping server lets running requests finish")

    implicit: bool = Field(
        False, description="implicit and hybrid response types, for clients of the oidc profile that registered them"
    )
    code_ttl: Annotated[int, Field(ge=1, le=60)] = Field(60, description="life of an authorization code")
    authorization_ttl: Annotated[int, Field(ge=1, le=3600)] = Field(
        900, description="how long a person may take to log in and consent"
    )
    access_token_ttl: Annotated[int, Field(ge=1, le=900)] = Field(300, description="life of an access token")
    id_token_ttl: Annotated[int, Field(ge=1, le=900)] = Field(300, description="life of an ID token")
    exchange: Literal["on", "off"] = Field(
        "on", description="token exchange (RFC 8693); what may be exchanged says idp exchange, by default nothing"
    )
    exchange_ttl: Annotated[int, Field(ge=1, le=900)] = Field(
        60, description="life of an exchanged token; it never outlives the token it was exchanged for"
    )
    exchange_depth: Annotated[int, Field(ge=1, le=8)] = Field(
        3, description="how many exchanges may follow one another"
    )
    refresh_window: Annotated[int, Field(ge=0, le=60)] = Field(
        10, description="a replayed refresh within it gets the same answer; 0 = strict"
    )
    refresh_idle_ttl: Seconds = Field(14 * 86400, description="a refresh token unused for so long is dead")
    refresh_absolute_ttl: Seconds = Field(
        30 * 86400, description="a family of refresh tokens ends so long after its login"
    )
    session_idle_ttl: Seconds = Field(3600, description="a browser session unused for so long is over")
    session_absolute_ttl: Seconds = Field(86400, description="a browser session ends so long after its login")
    jwks_max_age: Annotated[int, Field(ge=1)] = Field(
        300, description="how long others may cache the JWKS; a new key waits so long plus 60 s"
    )
    status_list_ttl: Annotated[int, Field(ge=1, le=300)] = Field(
        15, description="how long an API may rely on its copy of a status list; revocations reach it within that time"
    )
    key_rotation_days: Count = Field(90, description="age at which the job runner rotates a signing key")

    dpop_window: Annotated[int, Field(ge=1, le=600)] = Field(
        60, description="how far the time of a DPoP proof may lie from ours, in the past or the future"
    )
    dpop_nonce: bool = Field(
        False, description="whether every DPoP proof must carry a nonce of ours; they are good for 150 s at least"
    )

    login_methods: Methods = Field(
        (), description="ways to sign in, in order: password, passkey, email, upstream; empty: all that are switched on"
    )
    second_factor: Literal["optional", "required"] = Field(
        "optional", description="required: every login needs two factors; who has no second one sets it up on the way"
    )
    login_window: Seconds = Field(900, description="the time in which failed logins are counted, and the first wait")
    login_max_wait: Seconds = Field(
        3600,
        description="the longest wait; each is twice as long as the one before, and half as many failures bring it",
    )
    login_max_failures: Count = Field(10, description="failed logins per account in the window")
    login_max_failures_per_address: Count = Field(100, description="failed logins per address in the window")
    login_max_failures_per_network: Count | None = Field(
        None,
        description="failed logins in the window per network (24 bits of IPv4, 48 of IPv6); default: five times that of an address",
    )
    reset_max: Count = Field(3, description="links to a new password an hour per account")
    reset_max_per_address: Count = Field(30, description="links to a new password an hour per address that asks")
    email_change_max: Count = Field(
        5,
        description="letters to confirm or change an address an hour per account, and to one address; as many of sign-ups",
    )
    email_change_max_per_address: Count = Field(
        50, description="letters to confirm or change an address an hour per address that asks"
    )
    ask_max_wait: Seconds = Field(
        4 * 3600,
        description="the longest wait for another letter or sign-up: the first is an hour, each twice as long as the one before",
    )
    code_max_failures: Count = Field(5, description="wrong one-time codes per account in the window")
    email_login: bool = Field(False, description="signing in by a link or a code sent to one's confirmed address")
    email_login_ttl: Annotated[int, Field(ge=1, le=3600)] = Field(600, description="life of such a link and code")
    email_login_max: Count = Field(5, description="such letters an hour to one address")
    email_login_max_per_address: Count = Field(50, description="such letters an hour per address that asks")
    trusted_device_days: Count = Field(
        30, description="how long a browser is asked for no second factor, where its owner wants that"
    )
    token_max_failures: Count = Field(60, description="failed client authentications a minute per client and address")
    account_grace_days: Count = Field(30, description="how long somebody who deletes their account can come back")
    signup: Literal["off", "on", "invite"] = Field(
        "off",
        description="whether strangers may create an account, once a letter proved their address; "
        "invite: who got an invitation (idp user invite)",
    )
    signup_max: Count = Field(20, description="sign-ups an hour per address, those with other providers too")
    invitation_ttl: Seconds = Field(3 * 86400, description="life of an invitation")
    registration: Literal["closed", "token", "open"] = Field(
        "closed", description="dynamic client registration: closed, for holders of a registration token, or open"
    )
    registration_max: Count = Field(60, description="registrations an hour per address")
    registration_profile: Literal["oauth21", "oidc"] = Field(
        "oauth21", description="the security profile of clients that register themselves"
    )
    registration_scope: str = Field(
        "openid profile email address phone offline_access",
        pattern=r"^[!#-\[\]-~]+( [!#-\[\]-~]+)*$",
        description="the most that clients that register themselves may ask for, space separated",
    )
    registration_audience: Words = Field(
        (), description="resources that clients that register themselves may ask tokens for, comma separated"
    )
    software_statement_issuers: Pairs = Field(
        (), description="whose software statements count, as ISSUER=JWKS_URI pairs, comma separated"
    )
    hash_scheme: Literal["bcrypt", "argon2id"] = Field(
        "bcrypt", description="how new passwords are hashed; argon2id needs the extra of that name"
    )
    bcrypt_cost: Annotated[int, Field(ge=4, le=16)] = Field(12, description="bcrypt cost; each step doubles the time")
    password_min_length: Annotated[int, Field(ge=8, le=128)] = Field(
        15, description="shortest password accepted at sign-up and change"
    )
    hash_workers: Count = Field(1, description="passwords a worker hashes at once, in idle time; others wait in line")
    hash_queue: Count = Field(32, description="logins that may wait for hashing in a worker before it answers 503")

    name: str = Field("Account", max_length=80, description="the name people see on the pages")
    logo_file: Path | None = Field(
        None, description="the logo people see on the pages: SVG, PNG, WebP, JPEG or GIF, at most 256 kB"
    )
    accent: str | None = Field(
        None,
        pattern=r"^#[0-9A-Fa-f]{6}$",
        description="colour of buttons and links, as #rrggbb; pages show shades of it that everybody can read",
    )
    theme_file: Path | None = Field(
        None, description="a CSS file of variables, for light pages and dark ones; docs/people.md names them"
    )

    @field_validator("issuer")
    @classmethod
    def _issuer(cls, value: str) -> str:
        url = urlsplit(value)
        if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment or url.username:
            raise ValueError("must be an absolute http(s) URL without query, fragment or user")
        if value.endswith("/"):
            raise ValueError("must not end in a slash")
        if url.scheme == "http" and not is_loopback(url.hostname):
            raise ValueError("must be https; http is accepted on loopback only")
        return value

    @field_validator("host")
    @classmethod
    def _host(cls, value: str) -> str:
        return str(ipaddress.ip_address(value))

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_database_url(value.get_secret_value()):
            raise ValueError("must be sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/NAME")
        return value

    @field_validator("debug")
    @classmethod
    def _debug(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("env") == "production":
            raise ValueError("must be off in production")
        return value

    @field_validator("master_key")
    @classmethod
    def _master_key(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is not None and value.get_secret_value() else None

    @field_validator("mail_url")
    @classmethod
    def _mail_url(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        shown = value.get_secret_value().startswith("mailbox:")
        there = urlsplit(info.data.get("issuer", "")).hostname or ""
        if shown and (info.data.get("env") == "production" or not is_loopback(there)):
            raise ValueError("mailbox:// shows every letter to everybody: it is for development on loopback only")
        return value

    @field_validator("client_cert_header")
    @classmethod
    def _client_cert_header(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not info.data.get("trusted_proxies"):
            raise ValueError("is read from IDP_TRUSTED_PROXIES only: name them")
        return value

    @field_validator("mtls_url")
    @classmethod
    def _mtls_url(cls, value: str | None) -> str | None:
        if value is not None and not _is_origin(value):
            raise ValueError("must be https://HOST or https://HOST:PORT; http is accepted on loopback only")
        return value

    @field_validator("tls_key_file")
    @classmethod
    def _tls_pair(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) != (info.data.get("tls_cert_file") is None):
            raise ValueError("give it and IDP_TLS_CERT_FILE, or neither")
        return value

    @property
    def database(self) -> str:
        """The database URL in clear; never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir / 'idp.sqlite3').resolve()}"

    @property
    def asks_for_certificates(self) -> bool:
        """Whether our own TLS asks clients for certificates."""
        return self.tls_cert_file is not None and self.tls_client_ca_file is not None

    @property
    def issuer_path(self) -> str:
        """The path inside the issuer, empty for most; every endpoint stands below it."""
        return urlsplit(self.issuer).path

    @property
    def secure(self) -> bool:
        """Whether people reach us over TLS, so that cookies get their `__Host-` names."""
        return self.issuer.startswith("https://")

    def url(self, path: str) -> str:
        """The public URL of one of our paths; built from the issuer, never from a request."""
        return self.issuer + path


def _is_database_url(url: str) -> bool:
    try:
        return make_url(url).drivername in _DATABASES
    except (ArgumentError, ValueError):
        return False


def _is_origin(text: str) -> bool:
    url = urlsplit(text)
    host = url.hostname
    if not host or "@" in url.netloc or text != f"{url.scheme}://{url.netloc}":
        return False
    return url.scheme == "https" or (url.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal is this machine's own loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK_NAMES
