"""The guard: from what a request shows to a `Principal`, or a refusal."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from token_guard import status_list
from token_guard.binding import check_binding
from token_guard.certificates import CertificateHeader
from token_guard.challenges import BEARER, DPOP, Offer
from token_guard.details import Detail, DetailsNeed, use_detail
from token_guard.dpop import Dpop, Proof, use_proof
from token_guard.errors import GuardError
from token_guard.events import KeyRevoked, ListChanged, status_events
from token_guard.fetch import FetchJwks, fetch_jwks
from token_guard.flights import SecondsLeft, forever
from token_guard.issuers import Issuers
from token_guard.jwks_cache import KeysState
from token_guard.needs import NOTHING, Needs, check_needs
from token_guard.observing import Observations, Observe, Outcome, Unobserved, prometheus
from token_guard.once import MemoryOnce, OnceStore
from token_guard.presented import Credentials, Presented, credentials_of
from token_guard.principal import Principal
from token_guard.resource_metadata import describe, well_known_url
from token_guard.status_cache import ListsState, StatusLists, StatusPolicy
from token_guard.token_cache import VerifiedTokens
from token_guard.trust import IssuerTrust
from token_guard.uris import normalised
from token_guard.validation import is_opaque

_MAX_LIST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may pass: who calls, and headers the answer should carry."""

    principal: Principal
    headers: Mapping[str, str]


class Guard:
    """Validates for one API, which trusts one issuer or several.

    `base_url` is where clients see the API, without a final slash: DPoP proofs name it. By default it is the first issuer's audience, when
    that is a URL; without one, and with `bearer_only`, DPoP is neither taken nor offered. `dpop` says how proofs are judged.
    `once` remembers proofs and details that were used; several processes or nodes need one they share, such as `SqlOnce` or `RedisOnce`.
    `certificates` is the header in which a proxy hands on client certificates; those of direct TLS are seen without it.
    `status` says how status lists are kept, and what happens when one cannot be had.
    `resource` is the identifier under which the API publishes its metadata (RFC 9728); every challenge then says where. `realm` is named too.
    `cache_seconds` keeps verified tokens (at most 30 s, never past their end or a change of keys or lists); 0: off.
    `observe` is told of every decision; the last `journal` refusals are kept by their trace ids.
    `seconds_left` says how long whoever is served here and now still waits for the answer: no issuer is waited for longer (503).
    """

    def __init__(
        self,
        *trusts: IssuerTrust,
        base_url: str | None = None,
        dpop: Dpop | None = None,
        bearer_only: bool = False,
        once: OnceStore | None = None,
        certificates: CertificateHeader | None = None,
        status: StatusPolicy | None = None,
        resource: str | None = None,
        realm: str | None = None,
        cache_seconds: float = 0,
        observe: Observe | None = None,
        journal: int = 1000,
        fetch: FetchJwks = fetch_jwks,
        now: Callable[[], float] = time.time,
        seconds_left: SecondsLeft = forever,
    ) -> None:
        self._issuers = Issuers(trusts, fetch=fetch, now=now, seconds_left=seconds_left)
        self._lists = StatusLists(
            status or StatusPolicy(), verify=self._verify_list, now=now, seconds_left=seconds_left
        )
        self._verified = VerifiedTokens(cache_seconds) if cache_seconds else None
        self._base_url = _base_url(base_url, trusts[0])
        if dpop is not None and not self._base_url:
            raise ValueError("base_url must be set: DPoP proofs name the URL at which clients see the API")
        self._dpop = (dpop or Dpop()) if self._base_url and not bearer_only else None
        self._once = once or MemoryOnce(now=now)
        self._observations = Observations(journal=journal, observe=observe)
        self._offer = _offer(self._dpop, resource, realm)
        self._now = now
        self.trusts = trusts
        self.certificates = certificates
        self.resource = resource

    def remembering(self, once: OnceStore) -> Guard:
        """The same guard, with the same keys, lists and counters, for a part of the API that remembers elsewhere what was used once."""
        part = copy.copy(self)
        part._once = once
        return part

    def unobserved(self) -> Guard:
        """The same guard, with the same keys and lists, for who only looks at a token: nothing is counted, written down or used up."""
        part = copy.copy(self)
        part._observations, part._once, part._verified = Unobserved(), MemoryOnce(now=self._now), None
        return part

    # -- deciding --------------------------------------------------------------------------------------------------------

    def admit(self, presented: Presented, needs: Needs = NOTHING) -> Admission:
        """Who calls, when the token is good, its sender holds what it is bound to, and `needs` are met; raises `GuardError`."""
        credentials = None
        try:
            credentials = credentials_of(presented.authorization)
            return self._admitted(credentials, presented, needs)
        except GuardError as error:
            raise self._told(error, credentials, presented.trace_id) from error.__cause__

    def authenticate(self, authorization: str | None, needs: Needs = NOTHING) -> Principal:
        """Who calls, by the value of the Authorization header alone, so with tokens that are bound to nothing; raises `GuardError`."""
        return self.admit(Presented(authorization=(authorization,) if authorization else ()), needs).principal

    def validate(self, token: str, needs: Needs = NOTHING) -> Principal:
        """Who a bearer token speaks for; raises `GuardError`."""
        credentials = Credentials(BEARER, token)
        try:
            return self._admitted(credentials, Presented(), needs).principal
        except GuardError as error:
            raise self._told(error, credentials, None) from error.__cause__

    def require(self, principal: Principal, needs: Needs, *, trace_id: str | None = None) -> None:
        """Ask more of a caller who was let in, such as what depends on the values of the request; raises `GuardError`."""
        try:
            check_needs(principal=principal, needs=needs, now=self._now())
        except GuardError as error:
            raise self._told(error, None, trace_id) from error.__cause__

    def use_detail(self, principal: Principal, need: DetailsNeed, *, trace_id: str | None = None) -> Detail | None:
        """The detail that allows what is about to be done, used up by this: call it last, when nothing else can refuse. Raises `GuardError`."""
        try:
            return use_detail(principal=principal, need=need, store=self._once, now=self._now())
        except GuardError as error:
            raise self._told(error, None, trace_id) from error.__cause__

    def verify(self, token: str, *, types: frozenset[str]) -> Mapping[str, Any]:
        """The claims of another kind of JWT of a trusted issuer, such as a Security Event Token: only type, issuer and signature."""
        return self._issuers.verify(token, types=types)

    # -- what issuers tell -----------------------------------------------------------------------------------------------

    def heed(self, claims: Mapping[str, Any], told_at: float | None = None) -> None:
        """Heed the `status.*` events of a Security Event Token whose claims `verify` gave: what they revoke is refused at once.

        The same may be heeded again: after a start for one, if it was kept. `told_at` is when it was told (epoch seconds); by default now.
        """
        for event in status_events(claims):
            match event:
                case ListChanged(uri, indexes):
                    self.status_changed(uri, indexes)
                case KeyRevoked(kid):
                    self._issuers.forget_key(str(claims.get("iss")), kid, self._now() if told_at is None else told_at)
                    self._issuers.forget_answers()

    def status_changed(self, uri: str | None = None, indexes: Iterable[int] = ()) -> None:
        """A status list changed, or (None) any may have: tokens at `indexes` are refused at once, other checks wait for the new list."""
        self._lists.changed(uri, indexes)
        self._issuers.forget_answers()

    def accept_list(self, token: str, *, uri: str, issuer: str) -> None:
        """Take over a status list that was pushed, as if it had been fetched now; raises `GuardError` for one that is not good."""
        self._lists.accept(token, uri, issuer)

    # -- telling ---------------------------------------------------------------------------------------------------------

    def warm(self) -> bool:
        """Fetch the issuers' keys before the first request; whether all are there now."""
        return self._issuers.warm()

    def keys(self) -> Mapping[str, KeysState]:
        """How it stands with the keys, by issuer: for readiness."""
        return self._issuers.states()

    def lists(self) -> ListsState:
        """How it stands with the status lists: for readiness."""
        return self._lists.state()

    def metrics(self) -> str:
        """Counters and states in Prometheus' text format."""
        return prometheus(self._observations.counts(), self.keys(), self.lists())

    def refusal(self, trace_id: str) -> Outcome | None:
        """Why the request with this trace id was refused, if it was one of the last that were; for operators, not for callers."""
        return self._observations.find(trace_id)

    def metadata(self, needs: Iterable[Needs] = (), *, resource: str | None = None, **more: Any) -> Mapping[str, Any]:
        """The protected resource metadata (RFC 9728 §2), of the whole API or of a part with an identifier of its own.

        `needs` are those of its operations, `more` are names, links and the like.
        """
        described = resource or self.resource
        if described is None:
            raise ValueError("resource must be set: it is whose metadata this is")
        algorithms = self._dpop.algorithms if self._dpop else ()
        return describe(resource=described, trusts=self.trusts, needs=needs, proof_algorithms=algorithms, more=more)

    # -- the order of checks ---------------------------------------------------------------------------------------------

    def _admitted(self, credentials: Credentials, presented: Presented, needs: Needs) -> Admission:
        """The token, its sender, its status, what the operation needs; what can be used once is used up last."""
        now = self._now()
        opaque = is_opaque(credentials.token)
        principal = self._issuers.ask(credentials.token, fresh=needs.fresh) if opaque else self._read(credentials, now)
        proof = check_binding(
            credentials=credentials,
            principal=principal,
            presented=presented,
            base_url=self._base_url,
            dpop=self._dpop,
            now=now,
        )
        if principal.status is not None:
            self._lists.check(principal.status, principal.issuer, needs.on_stale)
        check_needs(principal=principal, needs=needs, now=now)
        if needs.fresh and not opaque:
            self._issuers.confirm(credentials.token, principal.issuer)
        headers = self._used_up(proof, now)
        self._observations.accepted(issuer=principal.issuer, trace_id=presented.trace_id, now=now)
        return Admission(principal, headers)

    def _read(self, credentials: Credentials, now: float) -> Principal:
        token = credentials.token
        if self._verified is None:
            return self._issuers.read(token)
        generation = self._issuers.generation + self._lists.generation
        known = self._verified.find(token, generation=generation, now=now)
        if known is None:
            known = self._issuers.read(token)
            self._verified.keep(token, known, generation=generation, now=now)
        return known

    def _used_up(self, proof: Proof | None, now: float) -> Mapping[str, str]:
        """Use up the proof; headers for the answer."""
        if proof is None or self._dpop is None:
            return {}
        use_proof(proof=proof, policy=self._dpop, store=self._once)
        return _next_nonce(proof, self._dpop, now)

    def _told(self, error: GuardError, credentials: Credentials | None, trace_id: str | None) -> GuardError:
        """The refusal with what its challenge must say about this API, counted and written down."""
        error.offer, error.trace_id = self._offer, trace_id
        error.scheme = credentials.scheme if credentials else None
        self._observations.refused(error, token=credentials.token if credentials else None, now=self._now())
        return error

    def _verify_list(self, token: str, issuer: str) -> Mapping[str, Any]:
        return self._issuers.verify(token, types=frozenset({status_list.TYPE}), issuer=issuer, max_length=_MAX_LIST)


def _base_url(given: str | None, trust: IssuerTrust) -> str:
    """The URL of the API without a final slash, empty when there is none; raises `ValueError` for one that is no URL."""
    if given is not None:
        return normalised(given).rstrip("/")
    for audience in (trust.audience,) if isinstance(trust.audience, str) else trust.audience:
        if audience.startswith(("https://", "http://")):
            return normalised(audience).rstrip("/")
    return ""


def _offer(dpop: Dpop | None, resource: str | None, realm: str | None) -> Offer:
    where = None if resource is None else well_known_url(resource)
    if dpop is None:
        return Offer(resource_metadata=where, realm=realm)
    return Offer((BEARER, DPOP), dpop.algorithms, where, realm)


def _next_nonce(proof: Proof, dpop: Dpop, now: float) -> Mapping[str, str]:
    """A new nonce beside the answer while the old one still serves, so that no request has to be repeated (RFC 9449 §8.2)."""
    if dpop.nonces is None or proof.nonce_age is None or proof.nonce_age < dpop.nonces.lifetime / 2:
        return {}
    return {"DPoP-Nonce": dpop.nonces.make(now)}
