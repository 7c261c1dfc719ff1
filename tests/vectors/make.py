"""Makes `access_tokens.json`: good and hostile access tokens with the verdict every judge must give.

The private keys are made anew at each run and thrown away, so nobody can sign in the name of the vectors. `python -m tests.vectors.make`
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

FILE = Path(__file__).with_name("access_tokens.json")
ISSUER, AUDIENCE, NOW = "https://id.test", "https://api.test", 1_800_000_000
EVERYBODY, GUARD = ["guard", "idp"], ["guard"]
"""Who judges: the guard is asked about the audience and takes what other issuers may write; the identity provider reads only its own."""
_REGISTRY = jws.JWSRegistry(algorithms=["ES256", "RS256", "PS256", "Ed25519", "HS256"], strict_check_header=False)
_KEYS = {
    "ES256": ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"}),
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "alg": "RS256", "use": "sig"}),
    "PS256": RSAKey.generate_key(2048, {"kid": "pss", "alg": "PS256", "use": "sig"}),
    "Ed25519": OKPKey.generate_key("Ed25519", {"kid": "ed", "alg": "Ed25519", "use": "sig"}),
}
_STRANGER = ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256", "use": "sig"})
_GOOD: Mapping[str, Any] = {
    "iss": ISSUER,
    "sub": "person-1",
    "aud": AUDIENCE,
    "exp": NOW + 300,
    "iat": NOW - 10,
    "jti": "token-1",
    "client_id": "app",
    "scope": "read write",
}
_WRONG = {
    "a number": 5,
    "a list": ["x"],
    "an object": {"x": "y"},
    "true": True,
    "null": None,
    "empty": "",
}
_NO_TIME = {"text": str(NOW + 300), "a list": [NOW], "true": True, "null": None, "an object": {}, "negative": -1}
Vector = dict[str, Any]


def signed(claims: Any, header: Mapping[str, Any] | None = None, *, alg: str = "ES256", key: Any = None) -> str:
    """A compact JWS; a header member of None is left out."""
    key = key or _KEYS[alg]
    members = {"typ": "at+jwt", "alg": alg, "kid": key.kid, **(header or {})}
    kept = {name: value for name, value in members.items() if value is not None}
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    if alg == "ES256":  # by hand: no JOSE library would write such headers
        text = f"{part(json.dumps(kept).encode())}.{part(payload)}"
        return f"{text}.{part(_ecdsa(key, text.encode()))}"
    return jws.serialize_compact(kept, payload, key, registry=_REGISTRY)


def _ecdsa(key: Any, text: bytes) -> bytes:
    r, s = decode_dss_signature(key.private_key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def vector(name: str, token: str, *, accepted: bool = False, judges: list[str] = EVERYBODY) -> Vector:
    return {"name": name, "token": token, "accepted": accepted, "judges": judges}


def good() -> Iterator[Vector]:
    for alg in _KEYS:
        yield vector(f"good: {alg}", signed(_GOOD, alg=alg), accepted=True)
    more = {"roles": ["admin"], "auth_time": NOW - 60, "acr": "1fa", "amr": ["pwd"], "unknown": {"x": 1}}
    yield vector("good: a login", signed({**_GOOD, **more}), accepted=True)
    yield vector("good: a service", signed({**_GOOD, "sub": "app"}), accepted=True)
    yield vector("good: the last second", signed({**_GOOD, "exp": NOW + 1}), accepted=True)
    yield vector("good: just issued", signed({**_GOOD, "iat": NOW}), accepted=True)
    yield vector("good: text of the world", signed({**_GOOD, "name": "Zoë 𝄞"}), accepted=True)
    for typ in ("AT+JWT", "At+Jwt"):
        yield vector(f"good: typ {typ}", signed(_GOOD, {"typ": typ}), accepted=True)
    yield vector("good: whole media type", signed(_GOOD, {"typ": "application/at+jwt"}), accepted=True, judges=GUARD)
    for name, aud in {"one of a list": [AUDIENCE], "among others": ["https://other.test", AUDIENCE]}.items():
        yield vector(f"good: audience {name}", signed({**_GOOD, "aud": aud}), accepted=True, judges=GUARD)
    yield vector("good: a little expired", signed({**_GOOD, "exp": NOW - 5}), accepted=True, judges=GUARD)
    yield vector("good: clock a little ahead", signed({**_GOOD, "iat": NOW + 5}), accepted=True, judges=GUARD)
    yield vector("good: nbf reached", signed({**_GOOD, "nbf": NOW}), accepted=True, judges=GUARD)


def claims() -> Iterator[Vector]:
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id"):
        rest = {claim: value for claim, value in _GOOD.items() if claim != name}
        yield vector(f"claim {name}: missing", signed(rest))
    for name in ("iss", "sub", "jti", "client_id"):
        for what, value in _WRONG.items():
            yield vector(f"claim {name}: {what}", signed({**_GOOD, name: value}))
    for what, value in {
        **_WRONG,
        "another": "https://other.test",
        "none of a list": [],
        "a number in a list": [5],
    }.items():
        yield vector(f"claim aud: {what}", signed({**_GOOD, "aud": value}), judges=GUARD)
    for near in (f"{AUDIENCE}/", AUDIENCE.upper(), AUDIENCE[:-1], f" {AUDIENCE}", f"{AUDIENCE}\x00", "*"):
        yield vector(f"claim aud: nearly {near!r}", signed({**_GOOD, "aud": near}), judges=GUARD)
    for near in (
        f"{ISSUER}/",
        ISSUER.upper(),
        ISSUER.replace("https", "http"),
        f"{ISSUER}.evil.test",
        "https://evil.test",
    ):
        yield vector(f"claim iss: nearly {near!r}", signed({**_GOOD, "iss": near}))
    for what, value in {"a number": 5, "a list": ["read"], "true": True, "an object": {}}.items():
        yield vector(f"claim scope: {what}", signed({**_GOOD, "scope": value}))
    for what, value in {
        "a key": {"jkt": "x" * 43},
        "a certificate": {"x5t#S256": "x" * 43},
        "unknown": {"x": "y"},
        "text": "x",
    }.items():
        yield vector(f"claim cnf as a bearer token: {what}", signed({**_GOOD, "cnf": value}), judges=GUARD)


def times() -> Iterator[Vector]:
    for name in ("exp", "iat"):
        for what, value in _NO_TIME.items():
            yield vector(f"claim {name}: {what}", signed({**_GOOD, name: value}))
    for past in (NOW - 11, NOW - 3600, 0, 1):
        yield vector(f"claim exp: {past - NOW} s from now", signed({**_GOOD, "exp": past}))
    for ahead in (NOW + 61, NOW + 3600):
        yield vector(
            f"claim iat: {ahead - NOW} s from now", signed({**_GOOD, "iat": ahead, "exp": ahead + 300}), judges=GUARD
        )
        yield vector(f"claim nbf: {ahead - NOW} s from now", signed({**_GOOD, "nbf": ahead}), judges=GUARD)
    for what, value in {"text": "soon", "a list": [1], "true": True}.items():
        yield vector(f"claim nbf: {what}", signed({**_GOOD, "nbf": value}), judges=GUARD)


def headers() -> Iterator[Vector]:
    for typ in (
        None,
        "",
        "JWT",
        "jwt",
        "at-jwt",
        "at+jwt ",
        "dpop+jwt",
        "secevent+jwt",
        "logout+jwt",
        "application/jwt",
        5,
        ["at+jwt"],
    ):
        yield vector(f"typ {typ!r}", signed(_GOOD, {"typ": typ}))
    for alg in ("none", "None", "NONE", "HS256", "ES384", "RS512", "", "ES256 ", "es256"):
        header = part(json.dumps({"typ": "at+jwt", "alg": alg, "kid": "ec"}).encode())
        body = part(json.dumps(_GOOD).encode())
        for what, signature in {"no signature": "", "some signature": part(b"x" * 64)}.items():
            yield vector(f"alg {alg!r} with {what}", f"{header}.{body}.{signature}")
    yield vector("HMAC with the public key", _by_public_key())
    yield vector("another key under a known kid", signed(_GOOD, key=_STRANGER))
    for kid in (None, "", "unknown", "EC", "ec ", "../ec", "ec\x00", 5, ["ec"], {"ec": 1}):
        yield vector(f"kid {kid!r}", signed(_GOOD, {"kid": kid}), judges=["idp"])
    for name, other in (("ec", "RS256"), ("rsa", "ES256"), ("rsa", "PS256"), ("pss", "RS256"), ("ed", "ES256")):
        yield vector(f"key {name} used for {other}", signed(_GOOD, {"kid": name}, alg=other))
    public = _STRANGER.as_dict(private=False)
    for member, value in {
        "jwk": public,
        "jku": "https://evil.test/jwks",
        "x5u": "https://evil.test/x",
        "x5c": ["AAAA"],
    }.items():
        yield vector(f"{member} of a stranger", signed(_GOOD, {member: value}, key=_STRANGER))
        yield vector(f"{member} beside a good signature", signed(_GOOD, {member: value}))
    yield vector("crit unknown", signed(_GOOD, {"crit": ["exp"], "exp": 1}))
    yield vector("crit empty", signed(_GOOD, {"crit": []}))
    yield vector("b64 false", signed(_GOOD, {"b64": False, "crit": ["b64"]}))


def _by_public_key() -> str:
    pem = _KEYS["RS256"].as_pem(private=False)
    header = part(json.dumps({"typ": "at+jwt", "alg": "HS256", "kid": "rsa"}).encode())
    body = part(json.dumps(_GOOD).encode())
    return f"{header}.{body}.{part(hmac.digest(pem, f'{header}.{body}'.encode(), 'sha256'))}"


def shapes() -> Iterator[Vector]:
    token = signed(_GOOD)
    header, body, signature = token.split(".")
    yield vector("nothing but dots", "..")
    yield vector("one part", header)
    yield vector("two parts", f"{header}.{body}")
    yield vector("four parts", f"{token}.{signature}")
    yield vector("five parts, as encrypted tokens have", f"{header}.{body}.{signature}.{body}.{signature}")
    yield vector("no signature", f"{header}.{body}.")
    yield vector("no header", f".{body}.{signature}")
    yield vector("no payload", f"{header}..{signature}")
    for at in (0, 10, 40, 85):
        swapped = "A" if signature[at] != "A" else "B"
        yield vector(f"signature changed at {at}", f"{header}.{body}.{signature[:at]}{swapped}{signature[at + 1 :]}")
    for size in (1, 63, 65, 72, 128):
        yield vector(f"signature of {size} bytes", f"{header}.{body}.{part(b'x' * size)}")
    yield vector("signature of zeros", f"{header}.{body}.{part(bytes(64))}")
    yield vector(
        "payload of another token", f"{header}.{part(json.dumps({**_GOOD, 'sub': 'admin'}).encode())}.{signature}"
    )
    yield vector("header of another token", f"{signed(_GOOD, alg='RS256').split('.')[0]}.{body}.{signature}")
    for name, raw in {
        "a list": b"[]",
        "text": b'"x"',
        "a number": b"5",
        "null": b"null",
        "cut off": b'{"iss":',
        "not UTF-8": b'{"iss":"\xff"}',
        "a name twice": json.dumps(_GOOD).encode()[:-1] + b', "sub": "admin"}',
        "deep": b"[" * 3000 + b"]" * 3000,
        "not a number": b'{"exp": NaN}',
        "empty": b"",
    }.items():
        yield vector(f"payload {name}", signed(raw), judges=GUARD if name == "a name twice" else EVERYBODY)
        yield vector(f"header {name}", f"{part(raw)}.{body}.{signature}")
    yield vector("padding", f"{header}.{body}.{signature}=")
    yield vector("standard base64", f"{header}.{body}.{'+' + signature[1:]}")
    yield vector("a space in front", f" {token}")
    yield vector("a line break behind", f"{token}\n")
    yield vector("a space within", f"{header}.{body} .{signature}")
    yield vector("a null byte", f"{header}.{body}\x00.{signature}")
    yield vector("not ASCII", f"{header}.{body}é.{signature}")
    yield vector("huge", signed({**_GOOD, "x": "y" * 70_000}))


def main() -> None:
    vectors = [*good(), *claims(), *times(), *headers(), *shapes()]
    names = [one["name"] for one in vectors]
    assert len(names) == len(set(names))
    keys = [key.as_dict(private=False) for key in _KEYS.values()]
    about = {"issuer": ISSUER, "audience": AUDIENCE, "now": NOW, "jwks": {"keys": keys}}
    FILE.write_text(json.dumps({**about, "vectors": vectors}, indent=1, ensure_ascii=True) + "\n", "ascii")
    print(f"{len(vectors)} vectors")


if __name__ == "__main__":
    main()
