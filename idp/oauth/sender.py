"""Who sends a request, proven: the one seam through which tokens get bound to a key (RFC 9449, RFC 8705).

An endpoint asks here once, before the grant or the resource is looked at, so nothing behind it can forget to. A proof is burned only after
every other check of it; when it cannot be burned, nothing is let through (503).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.clock import Clock
from idp.errors import ProtocolError
from idp.oauth import dpop
from idp.oauth.certificates import thumbprint
from idp.oauth.clients import Client
from idp.oauth.dpop import Bound, ProofRefused
from idp.oauth.dpop_nonces import Nonces
from idp.platform.http import Call
from idp.platform.replay import Replays
from idp.tokens.values import Confirmation

HEADER = "dpop"
_KEPT_LONGER = 60
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Sender:
    """What a request proved about who sends it; `headers` go with the answer (the next nonce)."""

    cnf: Confirmation
    headers: Mapping[str, str] | None = None

    @property
    def claims(self) -> Mapping[str, Any]:
        """What a token bound to this sender says of it (RFC 7800 §3.1)."""
        return {"cnf": self.cnf} if self.cnf else _NOTHING

    def holds(self, binding: Confirmation) -> bool:
        """Whether it proved everything that something is bound to."""
        return all(self.cnf.get(member) == value for member, value in binding.items())


BEARER = Sender({})
"""A sender who proved nothing."""


def refresh_binding(client: Client, sender: Sender) -> Confirmation:
    """What a refresh token is bound to: with a public client to the sender's keys, with others to the client's authentication (RFC 9449 §5)."""
    return sender.cnf if client.is_public else BEARER.cnf


class Proofs:
    """Checks DPoP proofs for one deployment. `origins` are where it is reached; `nonces` are demanded where there are any."""

    def __init__(
        self, clock: Clock, replays: Replays, *, origins: tuple[str, ...], window: int, nonces: Nonces | None
    ) -> None:
        self._clock = clock
        self._replays = replays
        self._origins = origins
        self._window = window
        self._nonces = nonces

    def prove(self, call: Call, text: str, bound: Bound | None = None) -> str:
        """The thumbprint of the key that a proof shows the sender to hold; raises `ProofRefused`, or `Unavailable`."""
        proof, now = dpop.read(text), self._clock.now()
        urls = {url for origin in self._origins if (url := dpop.normal(origin + call.path))}
        dpop.check(proof, method=call.method, urls=urls, now=now, window=self._window, bound=bound)
        if self._nonces is not None and not self._nonces.is_good(proof.nonce or ""):
            raise ProofRefused(
                "The proof must carry our current nonce", code="use_dpop_nonce", nonce=self._nonces.current()
            )
        key = hashlib.sha256(f"{proof.jkt}\n{proof.jti}".encode("utf-8", "surrogatepass")).hexdigest()
        if not self._replays.burn(key, now=now, until=math.ceil(proof.iat) + self._window + _KEPT_LONGER):
            raise ProofRefused("The proof was used before")
        return proof.jkt

    @property
    def headers(self) -> Mapping[str, str] | None:
        """What an answer to a proof tells: the nonce that the next one may carry (RFC 9449 §8.2)."""
        return None if self._nonces is None else {"DPoP-Nonce": self._nonces.current()}


@dataclass(frozen=True, slots=True)
class Senders:
    """Finds out who sends a request that is to be given tokens."""

    proofs: Proofs

    def of(self, call: Call, client: Client) -> Sender:
        """The sender of a request that is to be given something; raises `invalid_dpop_proof` or `invalid_request` (RFC 9449 §5, RFC 8705 §3)."""
        text = call.headers.get(HEADER)
        if text is None and not client.dpop_bound and not client.certificate_bound:
            return BEARER
        cnf = _certificate(call) if client.certificate_bound else {}
        if text is not None:
            return Sender({**cnf, "jkt": self.proofs.prove(call, text)}, self.proofs.headers)
        if client.dpop_bound:
            raise ProofRefused("This client must send a DPoP proof")
        return Sender(cnf)


def _certificate(call: Call) -> dict[str, str]:
    if call.certificate is None:
        raise ProtocolError("invalid_request", "This client must come with its certificate")
    return {"x5t#S256": thumbprint(call.certificate)}
