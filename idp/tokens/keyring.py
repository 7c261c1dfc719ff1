"""The signing keys: published before they sign, kept after, one active key an algorithm, whatever the number of nodes.

A key is `next` (in the JWKS, waiting until everybody has seen it), `active` (signs), `retiring` (still in the JWKS for the tokens it signed) or
`retired` (its private part is wiped; its public part still reads hints, unless it was revoked, which leaves it no `retires_at`). Partial unique
indexes allow one `next` and one `active` key an algorithm, so several nodes rotating at once make one key. Requests work on an immutable
snapshot that follows the generation `keys`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from idp.clock import Clock
from idp.errors import Refused, Unavailable
from idp.platform.audit import Audit
from idp.platform.db import AnyRow, Database, insert_or_ignore
from idp.platform.generations import Snapshots, bump
from idp.platform.secrets import MasterKey
from idp.tokens import jose
from idp.tokens.imports import read_private_key
from idp.tokens.models import SigningKeyRow
from idp.tokens.revocations import Revocations

GENERATION = "keys"
PURPOSE = "signing-key"
CACHE_MARGIN = 60
NOW_DELAY = 10
_PUBLISHED = ("next", "active", "retiring")
_COLUMNS = (
    SigningKeyRow.kid,
    SigningKeyRow.alg,
    SigningKeyRow.state,
    SigningKeyRow.created_at,
    SigningKeyRow.activates_at,
    SigningKeyRow.activated_at,
    SigningKeyRow.retires_at,
    SigningKeyRow.public_jwk,
)
_ALL = sa.select(*_COLUMNS).order_by(SigningKeyRow.created_at, SigningKeyRow.kid)
_ALL_PUBLISHED = _ALL.add_columns(SigningKeyRow.sealed).where(SigningKeyRow.state.in_(_PUBLISHED))


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What may be known of a key. Times are epoch seconds."""

    kid: str
    alg: str
    state: str
    created_at: int
    activates_at: int | None
    activated_at: int | None
    retires_at: int | None
    public_jwk: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The JWKS as it is served: bytes and their strong ETag (RFC 7517 §5)."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class _Keys:
    signers: Mapping[str, jose.Signer] = field(default_factory=dict)
    verifiers: Mapping[str, jose.Verifier] = field(default_factory=dict)
    published: PublishedKeys = field(default_factory=lambda: _publish([]))


class Keyring:
    """Signs and verifies with the current snapshot, and moves keys through their states."""

    def __init__(
        self,
        database: Database,
        master: MasterKey,
        clock: Clock,
        audit: Audit,
        revocations: Revocations | None = None,
        *,
        jwks_max_age: int,
        longest_life: int,
    ) -> None:
        self._database = database
        self._master = master
        self._clock = clock
        self._audit = audit
        self._wait = jwks_max_age + CACHE_MARGIN
        self._keep = longest_life + CACHE_MARGIN
        self._revocations = revocations or Revocations(self._keep)
        self._keys = Snapshots(database, GENERATION, self._read, _Keys())

    def signer(self, alg: str) -> jose.Signer:
        """The active key of an algorithm; raises `Unavailable` when there is none."""
        signer = self._keys.find(lambda keys: keys.signers.get(alg))
        if signer is None:
            raise Unavailable(f"there is no active {alg} key")
        return signer

    def verifier(self, kid: str) -> jose.Verifier | None:
        """The public side of a published key."""
        return self._keys.find(lambda keys: keys.verifiers.get(kid))

    def retired(self, kid: str) -> jose.Verifier | None:
        """The public side of a key that went when its time had come; what it signed is no token any more, but a hint (read from the database)."""
        query = sa.select(SigningKeyRow.public_jwk).where(
            SigningKeyRow.kid == kid, SigningKeyRow.state == "retired", SigningKeyRow.retires_at.is_not(None)
        )
        with self._database.read() as tx:
            jwk = tx.execute(query).scalar()
        return None if jwk is None else jose.verifier_of(jwk)

    def published(self) -> PublishedKeys:
        """The JWKS document."""
        return self._keys.latest.published

    def reload(self) -> None:
        """Take a new snapshot; only keys that are new to this process are opened."""
        self._keys.renew()

    def _read(self, tx: sa.Connection) -> _Keys:
        rows = tx.execute(_ALL_PUBLISHED).all()
        old = {signer.kid: signer for signer in self._keys.latest.signers.values()}
        signers = {row.alg: old.get(row.kid) or self._open(row) for row in rows if row.state == "active"}
        verifiers = {row.kid: jose.verifier_of(row.public_jwk) for row in rows}
        return _Keys(signers, verifiers, _publish([row.public_jwk for row in rows]))

    def _open(self, row: AnyRow) -> jose.Signer:
        return jose.signer_of(row.kid, row.alg, self._master.unseal(row.sealed, purpose=PURPOSE))

    def ensure(self, *algs: str) -> None:
        """Make an active key for each algorithm that has none; of several processes at once one does."""
        with self._database.read() as tx:
            query = sa.select(SigningKeyRow.alg).where(SigningKeyRow.state == "active")
            present = set(tx.execute(query).scalars())
        for alg in algs:
            if alg not in present:
                self._add(alg, jose.generate(alg), state="active", activates_at=None)
        self.reload()

    def rotate(self, alg: str | None = None, *, now: bool = False) -> list[KeyRecord]:
        """Publish a next key for one algorithm, or for all in use; the next keys there are now.

        It signs once every cached JWKS must have it (max-age and a minute), or after ten seconds with `now`. Where a next key
        waits already it is kept; `now` brings it forward.
        """
        in_use = {record.alg for record in self.list() if record.state == "active"}
        wanted = {alg} if alg else in_use
        if not wanted <= set(jose.ALGORITHMS):
            raise Refused("alg", f"algorithms are {', '.join(jose.ALGORITHMS)}")
        activates_at = self._clock.now() + (min(NOW_DELAY, self._wait) if now else self._wait)
        for one in sorted(wanted):
            if not self._bring_forward(one, activates_at):
                self._add(one, jose.generate(one), state="next", activates_at=activates_at)
        return [record for record in self.list() if record.state == "next" and record.alg in wanted]

    def _bring_forward(self, alg: str, activates_at: int) -> bool:
        waiting = (SigningKeyRow.alg == alg, SigningKeyRow.state == "next")
        with self._database.write() as tx:
            exists = tx.execute(sa.select(SigningKeyRow.kid).where(*waiting)).scalar() is not None
            sooner = sa.update(SigningKeyRow).where(*waiting, SigningKeyRow.activates_at > activates_at)
            if exists and tx.execute(sooner.values(activates_at=activates_at)).rowcount:
                bump(tx, GENERATION)
        return exists

    def add(self, private: str, *, alg: str | None, state: str) -> KeyRecord:
        """Import a PEM or private JWK as the next or the active key; weak and foreign keys are refused."""
        found_alg, key = read_private_key(private, alg)
        if state == "active":
            self.ensure(found_alg)
        kid = jose.public_jwk(found_alg, key)["kid"]
        activates_at = self._clock.now() + self._wait
        if not self._add(found_alg, key, state="next", activates_at=activates_at):
            raise Refused("exists", "this key is there already, or another next key of its algorithm waits")
        if state == "active":
            with self._database.write() as tx:
                self._promote(tx, kid, found_alg)
            self.reload()
        return next(record for record in self.list() if record.kid == kid)

    def _add(self, alg: str, key: jose.PrivateKey, *, state: str, activates_at: int | None) -> bool:
        jwk = jose.public_jwk(alg, key)
        now = self._clock.now()
        values = {
            "kid": jwk["kid"],
            "alg": alg,
            "state": state,
            "public_jwk": jwk,
            "sealed": self._master.seal(jose.private_pem(key), purpose=PURPOSE),
            "created_at": now,
            "activates_at": activates_at,
            "activated_at": now if state == "active" else None,
            "retires_at": None,
        }
        with self._database.write() as tx:
            won = insert_or_ignore(tx, SigningKeyRow, values)
            if won:
                bump(tx, GENERATION)
                self._audit.append(tx, "key.created", kid=jwk["kid"], alg=alg, state=state)
        return won

    def promote_due(self, max_age: int | None = None) -> None:
        """Move every key whose time has come: old ones (older than `max_age` seconds) get a successor, next ones sign, retiring ones go."""
        now = self._clock.now()
        for record in self.list():
            if record.state == "next" and (record.activates_at or 0) <= now:
                with self._database.write() as tx:
                    self._promote(tx, record.kid, record.alg)
            elif record.state == "retiring" and (record.retires_at or 0) <= now:
                with self._database.write() as tx:
                    if self._retire(tx, record.kid, from_states=("retiring",)):
                        self._audit.append(tx, "key.retired", kid=record.kid)
            elif record.state == "active" and max_age and (record.activated_at or now) + max_age <= now:
                self.rotate(record.alg)

    def _promote(self, tx: sa.Connection, kid: str, alg: str) -> None:
        """Retire the active key, then activate the next one: whoever comes second changes nothing."""
        now = self._clock.now()
        tx.execute(sa.select(SigningKeyRow.kid).where(SigningKeyRow.alg == alg).with_for_update())
        still = sa.select(SigningKeyRow.kid).where(SigningKeyRow.kid == kid, SigningKeyRow.state == "next")
        if tx.execute(still).scalar() is None:
            return
        active = sa.update(SigningKeyRow).where(SigningKeyRow.alg == alg, SigningKeyRow.state == "active")
        tx.execute(active.values(state="retiring", retires_at=now + self._keep))
        tx.execute(sa.update(SigningKeyRow).where(SigningKeyRow.kid == kid).values(state="active", activated_at=now))
        bump(tx, GENERATION)
        self._audit.append(tx, "key.activated", kid=kid, alg=alg)

    def _retire(self, tx: sa.Connection, kid: str, *, from_states: tuple[str, ...]) -> bool:
        gone = (
            sa.update(SigningKeyRow)
            .where(SigningKeyRow.kid == kid, SigningKeyRow.state.in_(from_states))
            .values(state="retired", sealed=None)
        )
        if tx.execute(gone).rowcount != 1:
            return False
        bump(tx, GENERATION)
        return True

    def revoke(self, kid: str) -> None:
        """Take a key out at once: no JWKS shows it, what it signed is refused, receivers are told, and another key signs in its place."""
        known = [record for record in self.list() if record.state in _PUBLISHED]
        record = next((record for record in known if record.kid == kid), None)
        if record is None:
            raise Refused("unknown", "there is no such published key")
        now, signs = self._clock.now(), record.state == "active"
        if signs and not any(one.alg == record.alg and one.state == "next" for one in known):
            self._add(record.alg, jose.generate(record.alg), state="next", activates_at=now)
        with self._database.write() as tx:
            if not self._retire(tx, kid, from_states=_PUBLISHED):
                raise Refused("unknown", "somebody else took this key out at the same moment")
            tx.execute(sa.update(SigningKeyRow).where(SigningKeyRow.kid == kid).values(retires_at=None))
            self._revocations.add(tx, "key", kid, since=now, now=now)
            self._audit.append(tx, "key.retired", kid=kid)
            self._audit.append(tx, "key.revoked", kid=kid)
            if signs:
                self._promote_waiting(tx, record.alg)
        self.ensure(record.alg)

    def _promote_waiting(self, tx: sa.Connection, alg: str) -> None:
        waiting = sa.select(SigningKeyRow.kid).where(SigningKeyRow.alg == alg, SigningKeyRow.state == "next")
        kid = tx.execute(waiting).scalar()
        if kid is not None:
            self._promote(tx, kid, alg)

    def list(self) -> list[KeyRecord]:
        """Every key, oldest first."""
        with self._database.read() as tx:
            return [KeyRecord(*row) for row in tx.execute(_ALL)]


def _publish(jwks: list[Mapping[str, Any]]) -> PublishedKeys:
    body = json.dumps({"keys": jwks}, separators=(",", ":")).encode()
    return PublishedKeys(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
