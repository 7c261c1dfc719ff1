"""`self_signed_tls_client_auth` (RFC 8705 §2.2): a certificate that the client itself registered, in `x5c` of one of its keys."""

from __future__ import annotations

from idp.oauth.client_auth.face import AuthMethod, Presented, certificate_of_named
from idp.oauth.client_keys import ClientKeys
from idp.oauth.clients import Client

NAME, SOURCE = "self_signed_tls_client_auth", "RFC 8705 2.2"


def method(keys: ClientKeys) -> AuthMethod:
    """The method over the keys of clients. No chain is verified, nor dates: a client replaces its certificate by registering another."""

    def proves(client: Client, presented: Presented) -> bool:
        certificate = presented.certificate
        return certificate is not None and certificate.der in keys.certificates(client)

    return AuthMethod(NAME, certificate_of_named, proves, silent=True)
