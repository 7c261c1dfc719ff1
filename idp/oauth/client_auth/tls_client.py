"""`tls_client_auth` (RFC 8705 §2.1): a certificate that an authority of the operator's choice issued, for the one subject that is registered."""

from __future__ import annotations

from idp.oauth.certificates import SUBJECTS, Authorities, names, parsed
from idp.oauth.client_auth.face import AuthMethod, Presented, certificate_of_named
from idp.oauth.clients import Client

NAME, SOURCE = "tls_client_auth", "RFC 8705 2.1"


def method(authorities: Authorities) -> AuthMethod:
    """The method over the authorities. Our own TLS has verified a chain already; what a proxy hands over is verified here."""

    def proves(client: Client, presented: Presented) -> bool:
        certificate = presented.certificate
        found = parsed(certificate) if certificate else None
        if certificate is None or found is None:
            return False
        if not certificate.verified and not authorities.vouch_for(found):
            return False
        registered = [member for member in SUBJECTS if member in client.metadata]
        return bool(registered) and all(names(found, member, client.metadata[member]) for member in registered)

    return AuthMethod(NAME, certificate_of_named, proves, silent=True)
