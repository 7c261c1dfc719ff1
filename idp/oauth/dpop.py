"""DPoP proofs (RFC 9449 §4): what one says, whether its key signed it, and whether it is for this very request.

Pure functions of the proof, the request and the time. Whether a proof was seen before is asked last, elsewhere (`idp.oauth.sender`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import JWSRegistry

from idp.errors import ProtocolError
from idp.oauth.remote_keys import PRIVATE_MEMBERS, is_weak
from idp.oauth.signed import fitting

ALGORITHMS = ("ES256", "PS256", "Ed25519", "EdDSA")
"""What a proof may be signed with. RS256 is not among them: FAPI 2.0 §5.4 forbids it, and every client can do ES256."""
TYPE = "dpop+jwt"
MAX_PROOF, MAX_JTI = 4 * 1024, 512
JKT = re.compile(r"[A-Za-z0-9_-]{43}\Z")
"""A JWK SHA-256 thumbprint (RFC 7638)."""


class _Reading(JWSRegistry):
    """Headers as long as a proof may be: they hold a key. What else is in them is ignored, unless it is critical (RFC 7515 §4)."""

    max_header_length = MAX_PROOF


_READING = _Reading(algorithms=ALGORITHMS, strict_check_header=False)
_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\Z")
_MALFORMED = (JoseError, ValueError, TypeError, KeyError, RecursionError)
_PORTS = {"http": 80, "https": 443}
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class ProofRefused(ProtocolError):
    """A proof that does not hold (RFC 9449 §5); `nonce` is what the next one must carry (§8)."""

    def __init__(
        self,
        description: str,
        *,
        code: str = "invalid_dpop_proof",
        nonce: str | None = None,
        status: int = 400,
        challenge: str | None = None,
    ) -> None:
        super().__init__(code, description, status=status, challenge=challenge)
        self.nonce = nonce

    @property
    def headers(self) -> Mapping[str, str]:
        return {**super().headers, **({"DPoP-Nonce": self.nonce} if self.nonce else {})}


@dataclass(frozen=True, slots=True)
class Proof:
    """A well-formed proof whose own key signed it. `jkt` is the key's thumbprint; `iat` is in epoch seconds."""

    jkt: str
    jti: str
    htm: str
    htu: str
    iat: float
    ath: str | None
    nonce: str | None


def read(text: str) -> Proof:
    """What a proof says (RFC 9449 §4.3, steps 2 to 7); raises `ProofRefused` for anything malformed, forged or of a wrong key."""
    if len(text) > MAX_PROOF or not _SHAPE.match(text):
        raise ProofRefused("There must be exactly one DPoP header with one proof in it")
    try:
        key = _key(jws.extract_compact(text.encode(), registry=_READING).headers())
        claims = json.loads(jws.deserialize_compact(text, key, registry=_READING).payload or b"")
        return _proof(key, claims)
    except _MALFORMED as error:
        raise ProofRefused("The proof is malformed or its signature is wrong") from error


def _key(header: Mapping[str, Any]) -> Key:
    """The public key in the header, when type and algorithm are what they must be."""
    typ, alg, jwk = header.get("typ"), header.get("alg"), header.get("jwk")
    if not isinstance(typ, str) or typ.lower() != TYPE:
        raise ProofRefused(f"The typ of a proof is {TYPE}")
    if alg not in ALGORITHMS:
        raise ProofRefused("The proof is signed with an algorithm that is not supported")
    if not isinstance(jwk, dict) or PRIVATE_MEMBERS & jwk.keys():
        raise ProofRefused("The header of a proof holds a public key as jwk")
    key = JWKRegistry.import_key(jwk)
    if is_weak(key) or not any(fitting((key,), alg, None)):
        raise ProofRefused("The key of the proof does not fit its algorithm")
    return key


def _proof(key: Key, claims: Any) -> Proof:
    """The claims, each of the type it must have (RFC 9449 §4.2); others are ignored."""
    if not isinstance(claims, dict):
        raise ProofRefused("The claims of a proof are an object")
    jti, htm, htu, iat = (claims.get(name) for name in ("jti", "htm", "htu", "iat"))
    ath, nonce = claims.get("ath"), claims.get("nonce")
    if not all(isinstance(text, str) and text for text in (jti, htm, htu)) or len(jti or "") > MAX_JTI:
        raise ProofRefused("A proof has jti, htm and htu")
    if not isinstance(iat, (int, float)) or isinstance(iat, bool):
        raise ProofRefused("A proof has iat, a number")
    if not all(text is None or isinstance(text, str) for text in (ath, nonce)):
        raise ProofRefused("ath and nonce of a proof are strings")
    return Proof(key.thumbprint(), str(jti), str(htm), str(htu), iat, ath, nonce)


@dataclass(frozen=True, slots=True)
class Bound:
    """An access token that is presented with a proof, and the thumbprint of the key it is bound to."""

    token: str
    jkt: str


def check(
    proof: Proof, *, method: str, urls: Collection[str], now: int, window: int, bound: Bound | None = None
) -> None:
    """Whether a proof is for this request, now (RFC 9449 §4.3, steps 8, 9, 11 and 12); raises `ProofRefused`.

    `urls` are the normal forms of the addresses this request may have been sent to; `bound` is the token that comes with it.
    """
    if proof.htm != method:
        raise ProofRefused("The proof is for another method")
    if normal(proof.htu) not in urls:
        raise ProofRefused("The proof is for another address")
    if not abs(now - proof.iat) <= window:
        raise ProofRefused("The proof is too old or from the future")
    if bound is not None and proof.ath != _hash(bound.token):
        raise ProofRefused("The proof is for another access token")
    if bound is not None and proof.jkt != bound.jkt:
        raise ProofRefused("The token is bound to another key", code="invalid_token")


def _hash(token: str) -> str:
    """`ath` of an access token (RFC 9449 §4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode("ascii")


def normal(url: str) -> str | None:
    """An address without query and fragment in its normal form (RFC 3986 §6.2.2, §6.2.3); None for what is no http(s) address."""
    if not _VISIBLE.match(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    named = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, _PORTS[scheme]) else f":{port}"
    return f"{scheme}://{named}{shown}{_path(parts.path)}"


def _path(path: str) -> str:
    """Escapes in one spelling, no dot segments, never empty."""
    kept: list[str] = []
    for segment in _ESCAPE.sub(_unescaped, path or "/").split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    ends_in_dots = path.endswith(("/.", "/.."))
    return "/" + "/".join([*kept, ""] if ends_in_dots else kept)


def _unescaped(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    return char if char in _UNRESERVED else escape[0].upper()
