"""DPoP proofs: that whoever sends a token holds the key it is bound to, for this request and now (RFC 9449 §4.3)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from token_guard.algorithms import (
    ALGORITHMS,
    DEFAULT_ALGORITHMS,
    KeyUnusable,
    algorithms_of,
    check_algorithms,
    public_key,
)
from token_guard.checks import Check
from token_guard.claims import is_time
from token_guard.errors import cannot_know, invalid_proof, use_nonce
from token_guard.nonces import Nonces
from token_guard.once import OnceStore, StoreError
from token_guard.uris import normalised
from token_guard.validation import Malformed, Unverified, split

TYPE = "dpop+jwt"
_MAX_JTI = 256
_THUMBPRINT_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True, slots=True)
class Dpop:
    """How proofs are judged. `window`: seconds by which `iat` may differ from now. `nonces`: ask for nonces of ours when given."""

    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    window: int = 60
    nonces: Nonces | None = None

    def __post_init__(self) -> None:
        check_algorithms(self.algorithms)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that holds. `nonce_age` in seconds; None where no nonce was asked for."""

    thumbprint: str
    jti: str
    issued_at: float
    nonce_age: float | None

    @property
    def key(self) -> str:
        """Under which its use is remembered."""
        return "dpop:" + _digest(f"{self.thumbprint}\n{self.jti}".encode("utf-8", "surrogatepass"))


def verify_proof(*, proof: str, method: str, url: str, token: str, thumbprint: str, policy: Dpop, now: float) -> Proof:
    """The proof, when it is one for this request, this token and the key with this thumbprint; raises `GuardError`.

    Whether it was used before is the one question left open.
    """
    unverified = _taken_apart(proof)
    jwk = _check_header(unverified.header, policy)
    _check_signature(unverified, jwk)
    claims = unverified.claims
    _check_request(claims, method, url)
    age = _nonce_age(claims, policy, now)
    _check_time(claims, policy, now)
    _check_token(claims, token)
    if jwk_thumbprint(jwk) != thumbprint:
        raise invalid_proof(Check.PROOF_KEY, "the proof is signed by another key than the token is bound to")
    return Proof(thumbprint, _jti(claims), claims["iat"], age)


def jwk_thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public JWK (RFC 7638 §3)."""
    members = {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}
    return _digest(json.dumps(members, separators=(",", ":"), sort_keys=True).encode())


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")


def _taken_apart(proof: str) -> Unverified:
    try:
        return split(proof)
    except Malformed as error:
        raise invalid_proof(Check.PROOF, f"the proof is no JWT: {error}") from error


def _check_header(header: Mapping[str, Any], policy: Dpop) -> Mapping[str, Any]:
    typ, alg, jwk = header.get("typ"), header.get("alg"), header.get("jwk")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") != TYPE:
        raise invalid_proof(Check.PROOF, f"typ is {typ!r}, not {TYPE}"[:200])
    if not isinstance(alg, str) or alg not in policy.algorithms:
        raise invalid_proof(Check.PROOF, f"alg is {alg!r}, which is not taken"[:200])
    if not isinstance(jwk, dict) or "crit" in header:
        raise invalid_proof(Check.PROOF, "the proof has no jwk, or a crit")
    return jwk


def _check_signature(unverified: Unverified, jwk: Mapping[str, Any]) -> None:
    try:
        key = public_key(jwk)
    except KeyUnusable as error:
        raise invalid_proof(Check.PROOF, f"the key of the proof is not usable: {error}") from error
    alg = unverified.alg
    if alg not in algorithms_of(jwk):
        raise invalid_proof(Check.PROOF, "alg does not fit the key of the proof")
    if not ALGORITHMS[alg].verify(signed=unverified.signed, signature=unverified.signature, key=key):
        raise invalid_proof(Check.PROOF, "the signature of the proof is wrong")


def _check_request(claims: Mapping[str, Any], method: str, url: str) -> None:
    if claims.get("htm") != method:
        raise invalid_proof(Check.PROOF_REQUEST, f"htm is {claims.get('htm')!r}, the method {method}"[:200])
    htu = claims.get("htu")
    try:
        same = isinstance(htu, str) and normalised(htu) == normalised(url)
    except ValueError:
        same = False
    if not same:
        raise invalid_proof(Check.PROOF_REQUEST, f"htu is {htu!r}, the URL {url}"[:400])


def _nonce_age(claims: Mapping[str, Any], policy: Dpop, now: float) -> float | None:
    if policy.nonces is None:
        return None
    age = policy.nonces.age(claims.get("nonce"), now)
    if age is None:
        raise use_nonce(policy.nonces.make(now), "the proof has no nonce of ours, or an old one")
    return age


def _check_time(claims: Mapping[str, Any], policy: Dpop, now: float) -> None:
    iat, exp, nbf = (claims.get(name) for name in ("iat", "exp", "nbf"))
    if not is_time(iat) or abs(now - claims["iat"]) > policy.window:
        raise invalid_proof(Check.PROOF_TIME, f"iat is {iat!r}, now is {now:.0f}"[:200])
    if exp is not None and (not is_time(exp) or exp <= now - policy.window):
        raise invalid_proof(Check.PROOF_TIME, "the proof has expired")
    if nbf is not None and (not is_time(nbf) or nbf > now + policy.window):
        raise invalid_proof(Check.PROOF_TIME, "the proof is from the future")


def _check_token(claims: Mapping[str, Any], token: str) -> None:
    if claims.get("ath") != _digest(token.encode()):
        raise invalid_proof(Check.PROOF_ATH, "ath is missing or of another token")


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise invalid_proof(Check.PROOF, "jti is missing, empty or too long")
    return jti


def use_proof(*, proof: Proof, policy: Dpop, store: OnceStore) -> None:
    """Use up a proof, as the last of all checks (RFC 9449 §11.1); raises `GuardError`, 503 when nobody can tell."""
    try:
        first = store.use(proof.key, proof.issued_at + policy.window)
    except StoreError as error:
        raise cannot_know(Check.STORE_AWAY, str(error)) from error
    if not first:
        raise invalid_proof(Check.PROOF_REPLAY, "the proof was used before")
