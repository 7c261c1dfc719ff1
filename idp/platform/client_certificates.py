"""The certificate a client came with, from where it can be believed: our own TLS, or a header that a trusted proxy sets (RFC 9440).

Whoever is not a trusted proxy may send the header as often as they like: it is not read. The proxy must set it on every request, and must
let no header through whose name differs from it only by an underscore: WSGI cannot tell `Client_Cert` from `Client-Cert`.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

import structlog

from idp.platform.http import ClientCertificate
from idp.platform.peers import is_among
from idp.settings import Network

VARIABLE = "idp.client_certificate"
"""Where the WSGI environment holds it; no request header becomes a variable of this name."""
_BYTES = re.compile(r":([A-Za-z0-9+/=]+):\Z")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*\Z")
log = structlog.get_logger("idp.certificates")


class CertificateGate:
    """A WSGI application that finds the certificate and passes every request on; `header` None: only our own TLS is looked at."""

    def __init__(self, behind: Any, *, header: str | None, trusted: Sequence[Network]) -> None:
        self._behind = behind
        self._variable = header and "HTTP_" + header.upper().replace("-", "_")
        self._trusted = trusted

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        through_proxy = is_among(environ.get("REMOTE_ADDR", ""), self._trusted)
        environ[VARIABLE] = self._forwarded(environ) if through_proxy else _of_connection(environ)
        answer: Iterable[bytes] = self._behind(environ, start_response)
        return answer

    def _forwarded(self, environ: dict[str, Any]) -> ClientCertificate | None:
        text = environ.get(self._variable) if self._variable else None
        if not text:
            return None
        der = read_header(text)
        if der is None:
            log.warning("the proxy's certificate header cannot be read")
            return None
        return ClientCertificate(der, verified=False)


def _of_connection(environ: dict[str, Any]) -> ClientCertificate | None:
    """The certificate of the TLS connection this request came by, where the server shows it; the handshake verified its chain."""
    connection = environ.get("gunicorn.socket")
    der = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
    return ClientCertificate(der, verified=True) if der else None


def read_header(text: str) -> bytes | None:
    """The DER bytes of a header: a byte sequence of RFC 9440 §2.1, or URL-encoded PEM; None for anything else."""
    found = _BYTES.match(text) or _PEM.match(unquote(text))
    try:
        return base64.b64decode("".join(found[1].split()), validate=True) if found else None
    except binascii.Error:
        return None
