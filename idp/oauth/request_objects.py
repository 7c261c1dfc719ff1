"""Request objects, by value and by reference (OpenID Connect Core §6, RFC 9101): never ignored, and read whole or refused.

Signed with the client's own key. An unsigned one (`alg` none) is the same parameters in another dress, worth as much as a query: only a
profile that says so takes it, and never from a client that registered an algorithm.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, NoReturn
from urllib.parse import urldefrag

from joserfc import jws
from joserfc.errors import JoseError

from idp.clock import Clock
from idp.errors import ProtocolError
from idp.oauth import signed
from idp.oauth.client_keys import ClientKeys
from idp.oauth.clients import Client
from idp.platform.forms import Form, check_text, parse_json
from vetted_http import FetchError, Response

NONE = "none"
ALGORITHMS = (NONE, *signed.ALGORITHMS)
MAX_URI = 512
"""Characters of a `request_uri` (Core §6.2)."""
MAX_SKEW = 10
WAITING = 16
"""Threads of a worker that may wait for fetches at once: slow hosts cannot take every thread."""
_TYPES = frozenset({None, "jwt", "oauth-authz-req+jwt"})
_CARRIERS = ("request", "request_uri")
_OF_THE_JWT = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id"})
_Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RequestObjects:
    """Opens the objects of requests to one issuer."""

    keys: ClientKeys
    fetch: Callable[[str], Response]
    clock: Clock
    issuer: str
    _slots: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(WAITING))

    def opened(self, form: Form, client: Client, repeatable: frozenset[str]) -> Form:
        """The parameters of a request, its object's included; raises a `ProtocolError` that tells what is wrong with the object."""
        carried = [name for name in _CARRIERS if name in form]
        if not carried:
            if client.require_signed_request_object:
                raise ProtocolError("invalid_request", "This client must send a signed request object")
            return form
        if len(carried) > 1:
            raise ProtocolError("invalid_request", "Only one of request and request_uri may be sent")
        token = form["request"] if carried == ["request"] else self._fetched(form["request_uri"], client)
        claims = self._claims(client, token)
        self._check(client, claims)
        return _merged(form, claims, repeatable, alone=client.require_signed_request_object)

    def _fetched(self, uri: str, client: Client) -> str:
        """Core §6.2: only a registered address, its fragment included, is asked for the object."""
        if len(uri) > MAX_URI or uri not in client.request_uris:
            raise ProtocolError("invalid_request_uri", "The request_uri is not registered for this client")
        if not self._slots.acquire(blocking=False):
            raise ProtocolError("temporarily_unavailable", "Too many request objects are being fetched")
        try:
            answer = self.fetch(urldefrag(uri).url)
        except FetchError as error:
            raise _unreachable(error.kind) from error
        finally:
            self._slots.release()
        if answer.status != 200:
            raise _unreachable(f"status {answer.status}")
        return answer.body.decode("ascii", "replace").strip()

    def _claims(self, client: Client, token: str) -> _Claims:
        """What the object says, when it is signed as the client registered, or unsigned where that is allowed."""
        registered = client.request_object_alg
        unsigned = _unsecured(token)
        if unsigned is not None:
            allowed = client.profile.unsigned_request_objects and not client.require_signed_request_object
            if not allowed or registered not in (None, NONE):
                _refuse("The request object of this client must be signed")
            return unsigned
        algorithms = signed.ALGORITHMS if registered is None else (registered,)
        found = self.keys.verified(client, token, algorithms=algorithms, types=_TYPES)
        if found is None:
            _refuse("The request object is malformed or not signed as the client registered")
        return found.claims

    def _check(self, client: Client, claims: _Claims) -> None:
        """RFC 9101 §6.1, Core §6.1: from this client, for us, now; and no object within the object."""
        now = self.clock.now()
        expires, begins, issued = claims.get("exp", now + 1), claims.get("nbf", now), claims.get("iat", now)
        if not all(map(_is_time, (expires, begins, issued))):
            _refuse("The request object has a time that is none")
        if expires <= now or max(begins, issued) > now + MAX_SKEW:
            _refuse("The request object has expired or is not yet valid")
        audience = claims.get("aud", self.issuer)
        if self.issuer not in (audience if isinstance(audience, list) else [audience]):
            _refuse("The request object is for somebody else")
        if any(claims.get(name, client.client_id) != client.client_id for name in ("iss", "client_id")):
            _refuse("The request object is of another client")
        if any(name in claims for name in _CARRIERS):
            _refuse("A request object must not hold another one")


def _unsecured(token: str) -> _Claims | None:
    """The claims of an unsecured JWT (RFC 7519 §6): `alg` none and no signature; None for every other token."""
    if not token.endswith("."):
        return None
    try:
        parsed = jws.extract_compact(token.encode())
        header, claims = parsed.headers(), parse_json(parsed.payload or b"")
        typ = header.get("typ")
        fits = header.keys() <= {"alg", "typ"} and (typ.lower() if isinstance(typ, str) else typ) in _TYPES
    except (JoseError, ProtocolError, ValueError, TypeError):
        return None
    return claims if fits and header.get("alg") == NONE and isinstance(claims, dict) else None


def _merged(form: Form, claims: _Claims, repeatable: frozenset[str], *, alone: bool) -> Form:
    """What is inside wins. What is outside counts beside it for OpenID requests (Core §6.1), else not at all (RFC 9101 §6.3).

    `alone`: never, because all that counts must be signed.
    """
    inside = list(_parameters(claims, repeatable))
    taken = {name for name, _ in inside}.union(_CARRIERS)
    openid = "openid" in form.get("scope", "").split() and not alone
    outside = [(name, value) for name, value in form.pairs() if name not in taken and (openid or name == "client_id")]
    merged = Form([*inside, *outside], repeatable)
    if openid and form.get("response_type", merged.get("response_type")) != merged.get("response_type"):
        _refuse("response_type must be the same inside and outside of the request object")
    return merged


def _parameters(claims: _Claims, repeatable: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The claims as parameters: text as it is, everything else as JSON."""
    for name, value in claims.items():
        if name in _OF_THE_JWT or value is None:
            continue
        several = name in repeatable and isinstance(value, list)
        for one in value if several else (value,):
            yield name, check_text(one if isinstance(one, str) else json.dumps(one))


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**53


def _unreachable(detail: str) -> ProtocolError:
    return ProtocolError("invalid_request_uri", "The request_uri could not be fetched", detail=detail)


def _refuse(description: str) -> NoReturn:
    raise ProtocolError("invalid_request_object", description)
