"""Who sends a request: DPoP proofs with their replays and nonces, and the certificates of clients."""

from __future__ import annotations

from urllib.parse import urlsplit

from idp.oauth.certificates import Authorities
from idp.oauth.client_auth import self_signed_tls, tls_client
from idp.oauth.client_auth.face import AuthMethod
from idp.oauth.dpop_nonces import Nonces
from idp.oauth.sender import Proofs
from idp.platform.client_certificates import CertificateGate
from idp.platform.replay import DatabaseReplays, Replays
from idp.platform.web import WsgiApp
from idp.settings import Settings
from idp.wiring import House


def proofs(house: House) -> Proofs:
    """What checks proofs, the same for every endpoint: what one of them has burned, no other takes."""
    settings = house.settings
    return Proofs(
        house.clock,
        replays(house),
        origins=_origins(settings),
        window=settings.dpop_window,
        nonces=Nonces(house.master, house.clock) if settings.dpop_nonce else None,
    )


def certificate_methods(house: House) -> tuple[AuthMethod, ...]:
    """The ways to prove a client by its certificate that this deployment is set up for."""
    settings, methods = house.settings, []
    if settings.tls_client_ca_file is not None:
        methods.append(tls_client.method(Authorities.read(settings.tls_client_ca_file, house.clock)))
    if settings.client_cert_header is not None:
        methods.append(self_signed_tls.method(house.client_keys))
    return tuple(methods)


def believing_certificates(behind: WsgiApp, settings: Settings) -> WsgiApp:
    """The application, told of the certificates that can be believed, where any can come."""
    if settings.client_cert_header is None and not settings.asks_for_certificates:
        return behind
    return CertificateGate(behind, header=settings.client_cert_header, trusted=settings.trusted_proxies)


def replays(house: House) -> Replays:
    """Where used proofs are kept, for all nodes."""
    if house.settings.redis_url is None:
        return DatabaseReplays(house.database)
    from idp.platform.replay_redis import RedisReplays  # noqa: PLC0415 - an extra, loaded only where it is switched on

    return RedisReplays(house.settings.redis_url.get_secret_value(), house.database.waiting)


def _origins(settings: Settings) -> tuple[str, ...]:
    issuer = urlsplit(settings.issuer)
    here = f"{issuer.scheme}://{issuer.netloc}"
    return (here,) if settings.mtls_url is None else (here, settings.mtls_url)
