"""An issuer's JWKS, read with suspicion: public signature keys of known types only, one algorithm a key (RFC 7517, RFC 8725)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from token_guard.algorithms import KeyUnusable, algorithms_of, has_private_members, public_key


class KeysError(Exception):
    """A document that is not a JWKS we accept."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key and the algorithms it may verify."""

    kid: str
    algorithms: tuple[str, ...]
    key: Any


Keys = Mapping[str, VerificationKey]


def parse_jwks(document: bytes, *, max_keys: int) -> Keys:
    """The usable keys by `kid`; raises `KeysError` for a document with private members, repeated kids or no usable key."""
    try:
        listed = json.loads(document)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise KeysError("not a JWKS") from error
    if not isinstance(listed, list) or len(listed) > max_keys:
        raise KeysError("not a list of keys, or too many")
    keys: dict[str, VerificationKey] = {}
    for jwk in listed:
        key = _usable(jwk)
        if key is None:
            continue
        if key.kid in keys:
            raise KeysError("a kid is repeated")
        keys[key.kid] = key
    if not keys:
        raise KeysError("no usable key")
    return MappingProxyType(keys)


def _usable(jwk: Any) -> VerificationKey | None:
    if not isinstance(jwk, dict):
        raise KeysError("a key is not an object")
    if has_private_members(jwk):
        raise KeysError("the JWKS holds private or symmetric members")
    kid, algorithms = jwk.get("kid"), algorithms_of(jwk)
    if not isinstance(kid, str) or not kid or not algorithms or not _is_for_signatures(jwk):
        return None
    try:
        return VerificationKey(kid, algorithms, public_key(jwk))
    except KeyUnusable:
        return None


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    operations = jwk.get("key_ops")
    return jwk.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )
