"""Access tokens that are presented to us: how they come, and whether who presents one is whom it is bound to (RFC 6750, 8705, 9449)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from idp.errors import ProtocolError
from idp.oauth import dpop
from idp.oauth.certificates import thumbprint
from idp.oauth.dpop import Bound, ProofRefused
from idp.oauth.sender import HEADER, Proofs
from idp.platform.forms import FORM, parse_form
from idp.platform.http import Call
from idp.tokens.values import BEARER, DPOP, Confirmation

_SCHEMES = {scheme.lower(): scheme for scheme in (BEARER, DPOP)}
_PARAMETERS: Mapping[str, str] = {BEARER: "", DPOP: f'algs="{" ".join(dpop.ALGORITHMS)}"'}
_BARE = f"{BEARER}, {DPOP} {_PARAMETERS[DPOP]}"


@dataclass(frozen=True, slots=True)
class Presented:
    """A token and the scheme it came by."""

    token: str
    scheme: str


def presented(call: Call) -> Presented:
    """The token, presented in exactly one way: header, or body of a form post (RFC 6750 §2). Never the query string."""
    in_body = call.method == "POST" and call.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
    body_token = parse_form(call).get("access_token") if in_body else None
    header = call.headers.get("authorization")
    if header is not None and body_token is not None:
        raise refusal("invalid_request", "The token is presented twice", status=400)
    if body_token is not None:
        return Presented(body_token, BEARER)
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() not in _SCHEMES:
        raise ProtocolError("", "", status=401, challenge=_BARE)
    return Presented(token.strip(), _SCHEMES[scheme.lower()])


def refusal(
    code: str, description: str, *, status: int = 401, scheme: str = BEARER, scope: str | None = None
) -> ProtocolError:
    """A refusal with the challenge of a scheme (RFC 6750 §3, RFC 9449 §7.1); `scope` is what would do."""
    return ProtocolError(code, description, status=status, challenge=_challenge(scheme, code, description, scope))


def _challenge(scheme: str, code: str, description: str, scope: str | None = None) -> str:
    needed = f'scope="{scope}"' if scope else ""
    told = (f'error="{code}"', f'error_description="{description}"', needed, _PARAMETERS[scheme])
    return f"{scheme} {', '.join(filter(None, told))}"


@dataclass(frozen=True, slots=True)
class Holders:
    """Makes sure that a bound token is presented by its holder, and an unbound one without the pretence of a binding."""

    proofs: Proofs

    def check(self, call: Call, shown: Presented, cnf: Confirmation) -> Mapping[str, str] | None:
        """The headers of an answer to the holder; raises the refusal of anybody else (RFC 9449 §7.1, §7.2, RFC 8705 §3)."""
        bound = cnf.get("x5t#S256")
        if bound is not None and (call.certificate is None or thumbprint(call.certificate) != bound):
            raise refusal("invalid_token", "The token is bound to another certificate", scheme=shown.scheme)
        jkt = cnf.get("jkt")
        if jkt is None and shown.scheme == DPOP:
            raise refusal("invalid_token", "The token is not bound to a key", scheme=DPOP)
        if jkt is None:
            return None
        if shown.scheme != DPOP:
            raise refusal("invalid_token", "The token is bound to a key: present it with DPoP and a proof", scheme=DPOP)
        self._prove(call, Bound(shown.token, jkt))
        return self.proofs.headers

    def _prove(self, call: Call, bound: Bound) -> None:
        try:
            self.proofs.prove(call, call.headers.get(HEADER, ""), bound)
        except ProofRefused as error:
            challenge = _challenge(DPOP, error.code, error.description)
            raise ProofRefused(
                error.description, code=error.code, nonce=error.nonce, status=401, challenge=challenge
            ) from error
