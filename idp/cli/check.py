"""`idp check`, a doctor: one line for each unsafe or broken setting, exit 1 if there is any."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from idp.assembly.senders import replays
from idp.assembly.upstream import provider_directory
from idp.cli.base import REFUSED, Invocation, emit, sentence_of
from idp.errors import IdpError
from idp.opening import ALWAYS_THERE, open_house
from idp.platform import mailer
from idp.platform.audit import verify
from idp.platform.jobs import dead
from idp.settings import Settings
from idp.settings_source import SettingsError
from idp.wiring import House

_MIN_FREE = 256 * 1024 * 1024
Finding = str


@click.command()
def check() -> int:
    """Look for unsafe or broken settings."""
    findings = list(_findings(click.get_current_context().ensure_object(Invocation)))
    emit({"ok": not findings, "findings": findings}, "\n".join(findings) or "Nothing to complain about")
    return REFUSED if findings else 0


def _findings(invocation: Invocation) -> Iterator[Finding]:
    try:
        settings = invocation.settings()
    except SettingsError as error:
        yield from error.faults
        return
    for look in _LOOKS_AT_SETTINGS:
        yield from look(settings)
    try:
        with open_house(settings) as house:
            for examine in _LOOKS_AT_HOUSE:
                yield from examine(house)
    except IdpError as error:
        yield sentence_of(error)


def _production(settings: Settings) -> Iterator[Finding]:
    if settings.env != "production":
        return
    if not settings.secure:
        yield "IDP_ISSUER: production needs https; cookies cannot be protected without it"
    if settings.mail_url.get_secret_value().startswith("console:"):
        yield "IDP_MAIL_URL: mail goes to the log; name a mail server"
    if settings.bcrypt_cost < 10:
        yield "IDP_BCRYPT_COST: below 10 passwords are cheap to guess"
    if settings.outbound_allow:
        yield "IDP_OUTBOUND_ALLOW: the outbound guard lets special networks through"


def _network(settings: Settings) -> Iterator[Finding]:
    if settings.secure and settings.tls_cert_file is None and not settings.trusted_proxies:
        yield "IDP_TRUSTED_PROXIES: the issuer is https but neither TLS files nor a proxy are named; addresses in limits will be the proxy's"
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        yield "IDP_TRUSTED_PROXIES: everybody is trusted; anyone can forge an address"
    files = (settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file, settings.outbound_ca_file)
    for path in filter(None, files):
        if not path.is_file():
            yield f"{path}: does not exist"


def _certificates(settings: Settings) -> Iterator[Finding]:
    arrive = settings.client_cert_header is not None or settings.asks_for_certificates
    if settings.tls_client_ca_file is not None and not arrive and settings.mtls_url is None:
        yield "IDP_TLS_CLIENT_CA_FILE: no certificate can arrive; name TLS files, or the header of a proxy"
    if settings.mtls_url is not None and settings.tls_client_ca_file is None and settings.client_cert_header is None:
        yield "IDP_MTLS_URL: is not announced without IDP_TLS_CLIENT_CA_FILE or IDP_CLIENT_CERT_HEADER"


def _replays(house: House) -> Iterator[Finding]:
    fault = replays(house).fault()
    if fault is not None:
        yield f"IDP_REDIS_URL: {fault}"


def _files(settings: Settings) -> Iterator[Finding]:
    for path in (settings.keys_dir / "master.key", settings.tls_key_file):
        if path is not None and path.is_file() and _open_to_others(path):
            yield f"{path}: is open to others; chmod 600"
    if settings.data_dir.is_dir() and shutil.disk_usage(settings.data_dir).free < _MIN_FREE:
        yield f"{settings.data_dir}: less than 256 MiB are free"


def _open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def _keys(house: House) -> Iterator[Finding]:
    active = {record.alg for record in house.keyring.list() if record.state == "active"}
    for alg in sorted(set(ALWAYS_THERE) - active):
        yield f"there is no active {alg} key: run idp init"
    house.keyring.reload()  # opens every active key with the master key


def _audit(house: House) -> Iterator[Finding]:
    with house.database.read() as tx:
        verdict = verify(tx)
    if verdict.broken_at is not None:
        yield f"the audit chain is broken at entry {verdict.broken_at}"


def _receivers(house: House) -> Iterator[Finding]:
    for receiver in house.receivers.list():
        if receiver.failures:
            yield f"receiver {receiver.id}: {receiver.failures} failed deliveries, the last: {receiver.last_error}"


def _clients(house: House) -> Iterator[Finding]:
    if house.settings.env == "production" and house.clients.find("demo-app") is not None:
        yield "the demo's client is registered; delete demo-app"


def _registration(house: House) -> Iterator[Finding]:
    for uri in house.settings.registration_audience:
        if uri != house.settings.issuer and house.resources.find(uri) is None:
            yield f"IDP_REGISTRATION_AUDIENCE: {uri} is not a resource; register it with idp resource create"


def _letters(house: House) -> Iterator[Finding]:
    with house.database.read() as tx:
        lost, error = dead(tx, mailer.KIND)
    if lost:
        yield f"IDP_MAIL_URL: {lost} letters were given up, the last: {error}"


def _upstream(house: House) -> Iterator[Finding]:
    yield from provider_directory(house).faults()


_LOOKS_AT_SETTINGS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _production,
    _network,
    _certificates,
    _files,
)
_LOOKS_AT_HOUSE: tuple[Callable[[House], Iterator[Finding]], ...] = (
    _keys,
    _audit,
    _receivers,
    _letters,
    _replays,
    _clients,
    _registration,
    _upstream,
)
