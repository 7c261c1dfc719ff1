"""What a WSGI environment shows of the caller (PEP 3333): used by Flask, Django and plain WSGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from token_guard.adapters.tracing import trace_id
from token_guard.certificates import CertificateHeader, pem_thumbprint, thumbprint
from token_guard.presented import Presented

_PATH = "/!$&'()*+,;=:@-._~"


def presented_by(environ: Mapping[str, Any], certificates: CertificateHeader | None = None) -> Presented:
    """What to judge. Servers join repeated header fields with a comma, which the guard sees."""
    return Presented(
        authorization=_fields(environ, "Authorization"),
        proofs=_fields(environ, "DPoP"),
        method=environ["REQUEST_METHOD"],
        path=_path(environ),
        certificate=_certificate(environ, certificates),
        trace_id=trace_id(environ.get("HTTP_TRACEPARENT")),
    )


def _fields(environ: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = environ.get(f"HTTP_{name.upper().replace('-', '_')}")
    return () if value is None else (value,)


def _path(environ: Mapping[str, Any]) -> str:
    """The path as it came where the server tells, else encoded anew from what it was decoded to."""
    raw: str | None = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw:
        return urlsplit(raw).path if not raw.startswith("//") else raw.partition("?")[0]
    decoded = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(decoded.encode("latin-1"), safe=_PATH)


def _certificate(environ: Mapping[str, Any], header: CertificateHeader | None) -> str | None:
    """From the header of a proxy of ours, else from the TLS connection, as mod_wsgi, Werkzeug and gunicorn show it."""
    if header is not None and header.trusts(environ.get("REMOTE_ADDR")):
        return header.thumbprint(_fields(environ, header.name))
    pem = environ.get("SSL_CLIENT_CERT")
    if pem:
        return pem_thumbprint(pem)
    connection: Any = environ.get("gunicorn.socket")
    certificate = connection.getpeercert(True) if hasattr(connection, "getpeercert") else None
    return thumbprint(certificate) if certificate else None
