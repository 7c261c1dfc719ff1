"""`urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693): a service trades the token it was called with for one to call on with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import ProtocolError
from idp.oauth.clients import hold_served
from idp.oauth.details.entries import Entry
from idp.oauth.details.types import DetailsTypes
from idp.oauth.entitlement import FindResource
from idp.oauth.exchange import narrowing
from idp.oauth.exchange.presented import ACCESS_TOKEN, ID_TOKEN, PresentedTokens
from idp.oauth.exchange.rules import GRANT_TYPE, ExchangeRule, find_rule
from idp.oauth.grants.face import TokenCall, further_claims
from idp.oauth.living import Living
from idp.oauth.resources import Resource
from idp.oauth.sender import Sender
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.forms import Form
from idp.tokens import lineage
from idp.tokens.issuer import TokenIssuer
from idp.tokens.status_list import StatusClaim

_SUBJECT = "The subject_token is not a living token that this client may exchange"
_ACTOR = "The actor_token is not a living token of this client"


@dataclass(frozen=True, slots=True)
class _Asked:
    """The parameters of the request (RFC 8693 §2.1), checked as far as they can be without looking anything up."""

    audience: str
    subject_token: str
    subject_type: str
    actor_token: str | None


@dataclass(frozen=True, slots=True)
class _Exchange:
    """All that the new token depends on. `actor` None: the client itself acts."""

    client_id: str
    rule: ExchangeRule
    subject: Living
    actor: Living | None
    source: Resource
    target: Resource

    @property
    def acting(self) -> str:
        """The `sub` of the party that acts."""
        return self.actor.sub if self.actor else self.client_id

    @property
    def is_impersonation(self) -> bool:
        """Whether the new token will not say who acts (RFC 8693 §1.1)."""
        return self.rule.impersonates and self.actor is None


@dataclass(frozen=True, slots=True)
class TokenExchange:
    """SPEC: rule, subject, actor, scope; never wider or longer than what was presented. `ttl` in seconds, `longest`: exchanges in a row."""

    database: Database
    presented: PresentedTokens
    find_resource: FindResource
    details_types: DetailsTypes
    issuer: TokenIssuer
    issuer_url: str
    audit: Audit
    clock: Clock
    ttl: int
    longest: int

    grant_type = GRANT_TYPE

    def answer(self, call: TokenCall) -> Mapping[str, Any]:
        if call.client.is_public:
            raise ProtocolError("unauthorized_client", "A public client cannot exchange tokens")
        asked = _asked(call.form)
        reserved = self.issuer.indexes.reserve()
        with self.database.write() as tx:
            exchange = self._exchange(tx, call.client.client_id, asked)
            _check_binding(exchange, call.sender)
            answer = self._mint(call, exchange, reserved.attach(tx, *_hangs_on(exchange)))
            self._tell(tx, call, exchange, answer)
        return answer

    def _exchange(self, tx: sa.Connection, client_id: str, asked: _Asked) -> _Exchange:
        """The rule first: without one nobody learns whether a token lives (RFC 8693 §2.2.2)."""
        rule, target = find_rule(tx, client_id, asked.audience), self.find_resource(asked.audience)
        if rule is None or target is None or not hold_served(tx, client_id):
            raise ProtocolError("invalid_target", "This client may not exchange tokens for this audience")
        subject = self.presented.subject(tx, asked.subject_token, asked.subject_type, client_id)
        source = self.find_resource(subject.token.audience) if subject else None
        if subject is None or source is None or not rule.accepts(source.uri, self.issuer_url):
            _refuse(_SUBJECT)
        actor = None
        if asked.actor_token is not None:
            actor = self.presented.actor(tx, asked.actor_token, client_id)
            if actor is None:
                _refuse(_ACTOR)
        exchange = _Exchange(client_id, rule, subject, actor, source, target)
        self._check_actors(exchange)
        return exchange

    def _check_actors(self, exchange: _Exchange) -> None:
        token = exchange.subject.token
        if not narrowing.may_act(token.claims.get("may_act"), exchange.acting, exchange.client_id):
            _refuse("The subject_token says that somebody else may act")
        if lineage.exchanges(token.jti) >= self.longest:
            _refuse("The token has been exchanged too many times")

    def _mint(self, call: TokenCall, exchange: _Exchange, status: StatusClaim) -> dict[str, Any]:
        subject, target = exchange.subject, exchange.target
        scope = narrowing.scope_of(
            call.form.get("scope"), subject.token.scope, source=exchange.source, target=target, rule=exchange.rule
        )
        ends = [one.token.expires_at for one in (subject, exchange.actor) if one]
        ttl = narrowing.lifetime((self.ttl, target.token_ttl), ends, self.clock.now())
        if ttl < 1:
            _refuse(_SUBJECT)  # it expired just now
        token = self.issuer.exchanged_token(
            subject.token,
            sub=subject.sub,
            client_id=exchange.client_id,
            audience=target.uri,
            scope=" ".join(scope),
            ttl=ttl,
            alg=target.signing_alg,
            status=status,
            roles=subject.person.roles if subject.person and "roles" in target.claims else None,
            details=self._details(call, exchange),
            extra={**_act(exchange), **further_claims(target, call.sender)},
        )
        return {**token.document(), "issued_token_type": ACCESS_TOKEN}

    def _details(self, call: TokenCall, exchange: _Exchange) -> tuple[Entry, ...]:
        """Those of the presented token that count at the new audience too, narrowed as the request says (RFC 9396 §6)."""
        had = exchange.subject.token.claims.get("authorization_details", ())
        return self.details_types.for_token(had, call.form.get("authorization_details"), exchange.target.uri)

    def _tell(self, tx: sa.Connection, call: TokenCall, exchange: _Exchange, answer: Mapping[str, Any]) -> None:
        self.audit.append(
            tx,
            "token.exchanged",
            client_id=exchange.client_id,
            sub=exchange.subject.sub,
            actor=None if exchange.is_impersonation else exchange.acting,
            audience=exchange.target.uri,
            from_audience=exchange.source.uri,
            scope=answer["scope"],
            authorization_details=answer.get("authorization_details"),
            subject_jti=exchange.subject.token.jti,
            peer=call.peer,
        )


def _hangs_on(exchange: _Exchange) -> list[tuple[str, str]]:
    """Whatever ends the new token when it is revoked: its clients, the grant, and every token that it descends from."""
    token = exchange.subject.token
    clients = {exchange.client_id} if token.grant_id else {exchange.client_id, token.sub}
    tokens = (*lineage.ancestors(token.jti), token.jti)
    grants = [("grant", token.grant_id)] if token.grant_id else []
    return [*grants, *(("client", one) for one in sorted(clients)), *(("token", jti) for jti in tokens)]


def _asked(form: Form) -> _Asked:
    """RFC 8693 §2.1: types we know, and one audience, named as `audience` or `resource`."""
    subject_type, actor_token = form.require("subject_token_type"), form.get("actor_token")
    if subject_type not in (ACCESS_TOKEN, ID_TOKEN):
        _refuse("This subject_token_type is not supported")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        _refuse("This requested_token_type is not supported")
    if (actor_token is None) != ("actor_token_type" not in form):
        _refuse("actor_token and actor_token_type go together")
    if form.get("actor_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        _refuse("This actor_token_type is not supported")
    named = {*form.all("resource"), *form.all("audience")}
    if len(named) != 1:
        raise ProtocolError("invalid_target", "Name the one audience of the token")
    return _Asked(named.pop(), form.require("subject_token"), subject_type, actor_token)


def _check_binding(exchange: _Exchange, sender: Sender) -> None:
    """No binding is lost on the way: who exchanges a bound token holds a key too, and that very key if it is the client's own token."""
    for one in filter(None, (exchange.subject, exchange.actor)):
        own = one.token.client_id == exchange.client_id
        if one.token.cnf and not (sender.holds(one.token.cnf) if own else sender.cnf):
            _refuse("A token that is bound to a key is exchanged by who proves to hold one")


def _act(exchange: _Exchange) -> Mapping[str, Any]:
    """The claim that tells who acts: with impersonation, who did before."""
    before = exchange.subject.token.claims.get("act")
    told = before if exchange.is_impersonation else narrowing.actors(exchange.acting, before)
    return {} if told is None else {"act": told}


def _refuse(description: str) -> NoReturn:
    """RFC 8693 §2.2.2: a token that is unacceptable for whatever reason is an `invalid_request`."""
    raise ProtocolError("invalid_request", description)
