"""What an API says of itself, so that clients find its issuers and scopes without being configured (RFC 9728)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt
from jwt.algorithms import OKPAlgorithm

from token_guard.needs import Needs
from token_guard.outbound import check_url
from token_guard.trust import IssuerTrust

_WELL_KNOWN = "/.well-known/oauth-protected-resource"


def well_known_url(resource: str) -> str:
    """Where the metadata of a resource is: the well-known part goes between host and path (RFC 9728 §3.1); raises `ValueError`."""
    parts = urlsplit(check_url(resource))
    if parts.fragment:
        raise ValueError("a resource identifier has no fragment")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{parts.path.rstrip('/')}{query}"


def describe(
    *,
    resource: str,
    trusts: Iterable[IssuerTrust],
    needs: Iterable[Needs] = (),
    proof_algorithms: tuple[str, ...] = (),
    more: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """The metadata document (§2), derived from whom the API trusts and what its operations need; `more` adds names, links and the like."""
    wanted = list(needs)
    document: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": [trust.issuer for trust in trusts if trust.jwks is None],
        "scopes_supported": _sorted(scope for one in wanted for scope in one.scopes),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": list(proof_algorithms),
        "authorization_details_types_supported": _sorted(one.details.type for one in wanted if one.details is not None),
        **(more or {}),
    }
    return {name: value for name, value in document.items() if value not in (None, [], "", {})}


def signed(
    document: Mapping[str, Any], *, key: Any, kid: str, algorithm: str, issuer: str | None = None
) -> Mapping[str, Any]:
    """The document with the same said in `signed_metadata`, a JWT of the resource or of `issuer` who vouches for it (§2.2).

    `key` is a private key of the cryptography package, its public part in the document's `jwks_uri`.
    """
    signer = jwt.PyJWS()
    signer.register_algorithm("Ed25519", OKPAlgorithm())
    claims = {"iss": issuer or document["resource"], **document}
    payload = json.dumps(claims, separators=(",", ":")).encode()
    return {**document, "signed_metadata": signer.encode(payload, key, algorithm, headers={"kid": kid})}


def _sorted(names: Iterable[str]) -> list[str]:
    return sorted(set(names))
