"""From the text of a token to its claims: pure functions of the token and what is trusted (RFC 9068 §4, RFC 7515, RFC 8725 §3)."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from token_guard.algorithms import ALGORITHMS
from token_guard.checks import Check
from token_guard.claims import read_claims
from token_guard.errors import invalid_token
from token_guard.keys import Keys, VerificationKey
from token_guard.principal import Principal
from token_guard.trust import IssuerTrust

MAX_TOKEN = 8 * 1024
MAX_DEPTH = 16
_UNSUPPORTED_HEADERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64"})


_OPAQUE = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}={0,2}")
_JWS = re.compile(r"e[w-z0-9_-][^.]*\.[^.]*\.[^.]*")
"""Three parts, the first of which is base64url of something that begins with a brace."""


class Malformed(Exception):
    """A text that is not a JWS in compact form with JSON objects in it; says why."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """A JWS taken apart: nothing of it is trusted yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def alg(self) -> Any:
        return self.header.get("alg")

    @property
    def kid(self) -> str:
        return str(self.header["kid"])


def validate(*, token: str, trust: IssuerTrust, keys: Keys, now: float) -> Principal:
    """The caller a token speaks for, by keys at hand; raises `GuardError`. The guard does the same with keys that it fetches."""
    unverified = take_apart(token=token)
    check_header(header=unverified.header, types=trust.types, algorithms=trust.algorithms)
    principal = read_claims(claims=unverified.claims, trust=trust, now=now)
    key = keys.get(unverified.kid)
    if key is None:
        raise invalid_token(Check.KEY, "the issuer has no such key")
    if not is_signed(unverified=unverified, key=key):
        raise invalid_token(Check.SIGNATURE, "the signature is wrong")
    return principal


def is_opaque(token: str) -> bool:
    """Whether it could be a token that says nothing itself: one of RFC 6750 §2.1 that is no JWS."""
    return _JWS.fullmatch(token) is None and _OPAQUE.fullmatch(token) is not None


def take_apart(*, token: str, max_length: int = MAX_TOKEN) -> Unverified:
    """Header and claims of a compact JWS; raises `invalid_token`."""
    try:
        return split(token, max_length)
    except Malformed as error:
        raise invalid_token(Check.SHAPE, str(error)) from error


def split(text: str, max_length: int = MAX_TOKEN) -> Unverified:
    """A compact JWS in its parts; raises `Malformed`."""
    if len(text) > max_length or not text.isascii():
        raise Malformed("it is too long or not ASCII")
    parts = text.split(".")
    if len(parts) != 3:
        raise Malformed("it has not three parts")
    signed = text[: len(parts[0]) + 1 + len(parts[1])].encode("ascii")
    return Unverified(_document(parts[0]), _document(parts[1]), signed, _bytes(parts[2]))


def check_header(*, header: Mapping[str, Any], types: frozenset[str], algorithms: tuple[str, ...]) -> None:
    """An accepted type and algorithm, a key id, and nothing that could lead elsewhere; raises `invalid_token`."""
    typ, alg, kid = header.get("typ"), header.get("alg"), header.get("kid")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in types:
        raise invalid_token(Check.TYPE, f"typ is {typ!r}, not {'/'.join(sorted(types))}"[:200])
    if not isinstance(alg, str) or alg not in algorithms:
        raise invalid_token(Check.ALGORITHM, f"alg is {alg!r}, which this issuer may not use"[:200])
    if not _UNSUPPORTED_HEADERS.isdisjoint(header):
        raise invalid_token(Check.HEADER, "the header has crit or carries its own key")
    if not isinstance(kid, str) or not kid:
        raise invalid_token(Check.HEADER, "the header has no kid")


def is_signed(*, unverified: Unverified, key: VerificationKey) -> bool:
    """Whether this key, with an algorithm it is for, signed it."""
    if unverified.alg not in key.algorithms:
        return False
    return ALGORITHMS[unverified.alg].verify(signed=unverified.signed, signature=unverified.signature, key=key.key)


def _bytes(encoded: str) -> bytes:
    """base64url without padding, in its one canonical spelling (RFC 7515 §2)."""
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Malformed("a part is not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != encoded.encode("ascii"):
        raise Malformed("a part is base64url in an unusual spelling")
    return raw


def _document(encoded: str) -> Mapping[str, Any]:
    raw = _bytes(encoded)
    try:
        document = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise Malformed("a part is not an acceptable JSON object") from error
    if not isinstance(document, dict):
        raise Malformed("a part is not a JSON object")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and _is_deeper(document, MAX_DEPTH):
        raise Malformed("a part is nested too deep")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is repeated")
    return document


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)
