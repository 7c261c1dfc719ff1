"""Whose account here opens to an account at a provider, and how a new one comes to be.

Only the link (provider, subject) opens an account. A link is made by the person logged in here; or, without them, where the provider is trusted for
addresses, calls this one verified, and the account here proved the same address: whoever reads its mail could open the account anyway.
A new account has no address but a proved one: any other would wait there for its owner, and be open to somebody else. So an address that nobody
proved is looked up by nobody: its owner gets a letter, and what follows is the same whether there is an account with it or not.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from idp.errors import Refused, TooManyRequests
from idp.platform import i18n
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.upstream.identity import Identity
from idp.upstream.linked import LinkedAccounts
from idp.upstream.providers import Known
from idp.upstream.stopped import Stopped
from idp.users import store
from idp.users.accounts import Accounts
from idp.users.asks import Asks
from idp.users.email_changes import EmailChanges
from idp.users.invitations import Invitation, Invitations
from idp.users.notices import Notice, Notices
from idp.users.people import Person

_ATTEMPTS = 4
_MAX_NAME = 48


class _LinkedMeanwhile(Exception):
    """Somebody else linked the same account at the same moment; takes back the new person."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """`signup`: whether this deployment lets strangers make accounts, where the provider does not say otherwise.

    Who is invited may, once a provider trusted for addresses says that theirs is the invited one.
    """

    database: Database
    accounts: Accounts
    linked: LinkedAccounts
    email_changes: EmailChanges
    audit: Audit
    notices: Notices
    asks: Asks
    invitations: Invitations
    signup: bool

    def person(self, known: Known, identity: Identity, peer: str) -> Person:
        """The person to log in, found, linked or made; raises `Stopped`, and `TooManyRequests` where too many were made from there."""
        with self.database.read() as tx:
            person = self._owner(tx, identity)
            proven = _proven(known, identity) if person is None else None
            namesake = store.by_email(tx, proven) if proven else None
        if namesake is not None:
            person = self._linked_by_address(known, identity, namesake)
        person = person or self._made(known, identity, peer)
        if person.is_shut_out:
            raise Stopped("disabled", "Your account here is switched off.", status=403)
        return person

    def link(self, known: Known, identity: Identity, sub: str) -> None:
        """Link for a person who asked for it while logged in; raises `Stopped` when somebody else has it, who did not delete their account."""
        with self.database.write() as tx:
            store.hold(tx, sub)
            person = store.find(tx, sub)
            if person is None:
                raise Stopped("gone", "Your account is not there any more.", status=403)
            self._taken_from_the_deleted(tx, known, identity, sub)
            if self.linked.add(tx, sub, identity):
                self._told(tx, known, person, "person")
                return
            owner = self.linked.owner(tx, identity)
        if owner != sub:
            sentence = i18n.gettext(
                "This account at %(provider)s belongs to another account here. Unlink it there first, or delete that account.",
                provider=known.title,
            )
            raise Stopped("taken", sentence, status=409)

    def _taken_from_the_deleted(self, tx: sa.Connection, known: Known, identity: Identity, sub: str) -> None:
        """Free what opens an account that its owner deleted, before its grace is over: they come with the proof that would bring it back."""
        owner = self.linked.owner(tx, identity)
        if owner is None or owner == sub:
            return
        store.hold(tx, owner, alone=True)
        other = store.find(tx, owner)
        if other is not None and other.deletes_at is not None and self.linked.take(tx, owner, identity):
            self.audit.append(tx, "account.unlinked", sub=owner, provider=known.name, by="moved")

    def _owner(self, tx: sa.Connection, identity: Identity) -> Person | None:
        owner = self.linked.owner(tx, identity)
        return store.find(tx, owner) if owner else None

    def _linked_by_address(self, known: Known, identity: Identity, namesake: Person) -> Person:
        if not namesake.email_verified or namesake.disabled:
            raise _clash(known)
        with self.database.write() as tx:
            now = store.hold(tx, namesake.sub)
            if now != namesake.version:
                raise _clash(known)  # another address, perhaps, in this very moment
            if self.linked.add(tx, namesake.sub, identity):
                self._told(tx, known, namesake, "address")
            person = self._owner(tx, identity)
        return person or namesake

    def _made(self, known: Known, identity: Identity, peer: str) -> Person:
        """A new person, or the one whom another answer for the same account made in this very moment."""
        invited = self._invited(known, identity)
        allowed = {"yes": True, "no": False, "policy": self.signup or invited is not None}[known.provider.sign_up]
        if not allowed:
            sentence = i18n.gettext(
                "No account here is linked with this account at %(provider)s. Sign in as you are used to, then link it.",
                provider=known.title,
            )
            raise Stopped("stranger", sentence, status=403)
        self.asks.sign_up(peer)
        writes = self._may_write(known, identity)
        for attempt in range(_ATTEMPTS):
            try:
                return self._create(known, identity, _username(known, identity, attempt), invited, writes=writes)
            except _LinkedMeanwhile:
                pass
            except Refused as error:
                if error.code not in {"taken", "username"}:
                    raise Stopped("refused", "No account could be made of this.", detail=error.description) from error
            with self.database.read() as tx:
                person = self._owner(tx, identity)
                proven = _proven(known, identity)
                if person is None and proven and store.by_email(tx, proven):
                    raise _clash(known)
            if person is not None:
                return person
        raise Stopped("refused", "No account could be made just now. Try again.", status=503)

    def _invited(self, known: Known, identity: Identity) -> Invitation | None:
        proven = _proven(known, identity)
        return self.invitations.of(proven) if proven else None

    def _may_write(self, known: Known, identity: Identity) -> bool:
        """Whether there is an address to ask by a letter; with too many to it already the account is made all the same."""
        if identity.email is None or _proven(known, identity):
            return False
        try:
            self.asks.sign_up_letter(identity.email)
        except TooManyRequests:
            return False
        return True

    def _create(
        self, known: Known, identity: Identity, username: str, invited: Invitation | None, *, writes: bool
    ) -> Person:
        proven = _proven(known, identity)

        def also(tx: sa.Connection, person: Person) -> None:
            if not self.linked.add(tx, person.sub, identity):
                raise _LinkedMeanwhile
            self.audit.append(tx, "account.linked", sub=person.sub, provider=known.name, by="sign_up")
            if invited is not None:
                self.invitations.use(tx, invited, person)
            if writes and identity.email:
                self.email_changes.ask_tx(tx, person.sub, identity.email, provider=known.title)

        return self.accounts.create(
            username=username,
            email=proven,
            email_verified=proven is not None,
            roles=invited.roles if invited else (),
            claims=identity.claims,
            also=also,
        )

    def _told(self, tx: sa.Connection, known: Known, person: Person, by: str) -> None:
        """In the audit trail, and to the person: there is one more way into the account."""
        self.audit.append(tx, "account.linked", sub=person.sub, provider=known.name, by=by)
        self.notices.tell(tx, person, Notice.ACCOUNT_LINKED, about=known.title)


def _proven(known: Known, identity: Identity) -> str | None:
    """The address, where the provider is trusted for addresses and calls it verified."""
    return identity.email if known.provider.trusts_email and identity.email_verified else None


def _clash(known: Known) -> Stopped:
    """Said to those alone who proved that the address is theirs."""
    sentence = (
        "There is an account here with the same e-mail address already. Sign in to it first, "
        f"then link {known.title} on your account page."
    )
    return Stopped("clash", sentence, status=409)


def _username(known: Known, identity: Identity, attempt: int) -> str:
    """What they are called there, if it can be a user name here.

    After the first attempt, and where it is cut from an address that nobody proved, with an end that nobody else has: it would tell of the
    address, or be somebody's who chose nothing.
    """
    chosen = identity.username if identity.username and "@" not in identity.username else None
    wanted = chosen or identity.username or identity.email or known.name
    name = "".join(char for char in wanted.partition("@")[0] if char.isprintable()).strip()[:_MAX_NAME].strip()
    distinct = attempt > 0 or not (chosen or _proven(known, identity))
    return f"{name or known.name}-{secrets.token_hex(3)}" if distinct else name or known.name
