"""The life of an account: every change is one transaction of the row, what listeners add, the event for receivers, and the audit entry."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from idp.clock import Clock
from idp.errors import Refused
from idp.marked import N_
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.ids import new_id
from idp.users import claims, store
from idp.users.passwords import PasswordHasher, check_acceptable
from idp.users.people import Change, Credentials, Person, PersonChanged, PersonListener

Publish = Callable[[sa.Connection, str, str, Mapping[str, Any]], None]
_NEVER = r"@\s\x00-\x1f\x7f\ud800-\udfff"
_EMAIL = re.compile(rf"[^{_NEVER}]{{1,64}}@[^{_NEVER}.]+(\.[^{_NEVER}.]+)*\Z")
_ROLE = re.compile(r"[a-z][a-z0-9_.:-]{0,63}\Z")
_PAGE = 500
TAKEN = Refused("taken", N_("the user name or the e-mail address is taken"))
NAME_TAKEN = Refused("taken", N_("this user name is taken: choose another one"))
ADDRESS_TAKEN = Refused("email_taken", N_("there is an account with this e-mail address already"))
"""Said to those alone who proved that the address is theirs."""
_OURS_ALONE = frozenset({Change.PASSWORD_SET, Change.PASSWORD_REMOVED})
"""What receivers of events are not told."""
_TOLD_AS = {Change.CLOSED: Change.DISABLED, Change.REOPENED: Change.ENABLED}
"""What receivers know by another name: to them it is the same who closed an account."""
_OPEN = {"disabled": False, "closed_at": None, "deletes_at": None}
First = Callable[[sa.Connection], None]
"""What must happen first in the transaction of a change; it raises when the change must not be."""
Also = Callable[[sa.Connection, Person], None]
"""What else is written with a new person, or with their new password."""


class Accounts:
    """Creates, finds and changes people. Changes raise `Refused` with a sentence for the operator."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHasher,
        clock: Clock,
        audit: Audit,
        publish: Publish,
        listeners: Sequence[PersonListener],
        *,
        password_min_length: int,
        service_name: str = "",
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._clock = clock
        self._audit = audit
        self._publish = publish
        self._listeners = listeners
        self._min_length = password_min_length
        self._service_name = service_name

    def find(self, sub: str) -> Person | None:
        with self._database.read() as tx:
            return store.find(tx, sub)

    def find_tx(self, tx: sa.Connection, sub: str) -> Person | None:
        """The person as this transaction sees them."""
        return store.find(tx, sub)

    def sub_of(self, text: str) -> str | None:
        """Whose user name or e-mail address this is."""
        found = self.credentials(text)
        return found.person.sub if found else None

    def credentials(self, text: str) -> Credentials | None:
        """Whose user name or e-mail address this is, with what `authenticate` needs."""
        with self._database.read() as tx:
            return store.credentials(tx, text)

    def by_username(self, username: str) -> Person | None:
        with self._database.read() as tx:
            return store.by_username(tx, username)

    def page(self, after: str, limit: int) -> list[Person]:
        """People in the order of their `sub`, from the one behind `after`."""
        with self._database.read() as tx:
            return store.page(tx, after, limit)

    def all(self) -> Iterator[Person]:
        """Everybody, a page at a time."""
        after = ""
        while people := self.page(after, _PAGE):
            yield from people
            after = people[-1].sub

    def create(
        self,
        *,
        username: str,
        email: str | None,
        email_verified: bool = False,
        password: str | None = None,
        roles: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        also: Also | None = None,
    ) -> Person:
        """A new person with a `sub` of their own; the name and the address must be free."""
        person = self.draft(username=username, email=email, email_verified=email_verified, roles=roles, claims=claims)
        return self.add(person, password=password, also=also)

    def draft(
        self,
        *,
        sub: str | None = None,
        username: str,
        email: str | None,
        email_verified: bool = False,
        roles: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
    ) -> Person:
        """A person who could be added; raises `Refused`. Without `sub` they get a new one."""
        now = self._clock.now()
        person = _checked(
            Person(
                sub=sub or new_id(self._clock.precise()),
                username=username,
                email=email,
                email_verified=email_verified,
                roles=tuple(roles),
                claims=dict(claims or {}),
                disabled=False,
                created_at=now,
                updated_at=now,
                version=1,
            )
        )
        _refuse_foreign_address(person)
        return person

    def check_free(self, person: Person) -> None:
        """Raise `Refused` when somebody has this name or address already."""
        with self._database.read() as tx:
            if person.email and store.by_email(tx, person.email):
                raise ADDRESS_TAKEN
            if store.is_taken(tx, person):
                raise NAME_TAKEN

    def add(
        self,
        person: Person,
        *,
        password: str | None = None,
        hashed: str | None = None,
        first: First | None = None,
        also: Also | None = None,
    ) -> Person:
        """Keep a drafted person, with a password or what `hashed` made of it; the name and the address must be free."""
        hashed = hashed if password is None else self.hashed(password, person)
        try:
            with self._database.write() as tx:
                if first is not None:
                    first(tx)
                store.insert(tx, person, hashed)
                if also is not None:
                    also(tx, person)
                self._tell(tx, Change.CREATED, person)
        except IntegrityError as error:
            raise TAKEN from error
        return person

    def update(self, sub: str, *, first: First | None = None, **changes: Any) -> Person:
        """Change username, email, email_verified, roles or claims. Another address is unverified unless it is said to be."""
        return self._change(sub, Change.UPDATED, changes, first)

    def update_tx(self, tx: sa.Connection, sub: str, **changes: Any) -> Person:
        """As `update`, within the caller's transaction, which a refusal must end."""
        return self._changed(tx, sub, Change.UPDATED, changes)

    def disable(self, sub: str) -> Person:
        """No more logins; sessions and tokens end at once."""
        return self._change(sub, Change.DISABLED, {"disabled": True, "closed_at": None})

    def enable(self, sub: str) -> Person:
        """Let somebody sign in again; a deletion that was to come is off."""
        return self._change(sub, Change.ENABLED, _OPEN)

    def close(self, sub: str, *, deletes_in: int | None, first: First) -> Person:
        """What a person does themselves: disabled until they return, and deleted in so many seconds where that is given."""
        now = self._clock.now()
        deletes_at = None if deletes_in is None else now + deletes_in
        return self._change(sub, Change.CLOSED, {"disabled": True, "closed_at": now, "deletes_at": deletes_at}, first)

    def reopen(self, sub: str, *, first: First) -> Person:
        """Somebody who closed their account returns."""
        return self._change(sub, Change.REOPENED, _OPEN, first)

    def set_password(self, sub: str, password: str, *, first: First | None = None, also: Also | None = None) -> Person:
        """A new password; sessions and tokens end at once. `also` is written after they ended."""
        hashed = self.hashed(password, self._existing(sub))
        with self._database.write() as tx:
            if first is not None:
                first(tx)
            person = store.find(tx, sub)
            if person is None or not store.set_password(tx, sub, hashed):
                raise Refused("unknown", "there is no such user")
            self._tell(tx, Change.PASSWORD_SET, person)
            if also is not None:
                also(tx, replace(person, version=person.version + 1))
        return person

    def proves(self, person: Person, password: str) -> bool:
        """Whether this is the person's password; every answer costs one hash."""
        with self._database.read() as tx:
            stored = store.password(tx, person.sub)
        return self._passwords.verify(password, stored).ok

    def has_password(self, sub: str) -> bool:
        """Whether a password opens this account."""
        with self._database.read() as tx:
            return store.has_password(tx, sub)

    def remove_password(self, sub: str, *, first: First) -> None:
        """No password opens this account any more; `first` makes sure that something else does."""
        with self._database.write() as tx:
            first(tx)
            person = store.find(tx, sub)
            if person is None or not store.set_password(tx, sub, None):
                raise Refused("unknown", "there is no such user")
            self._tell(tx, Change.PASSWORD_REMOVED, person)

    def delete(self, sub: str) -> None:
        """Remove a person for good; the `sub` is never given out again."""
        with self._database.write() as tx:
            person = store.find(tx, sub)
            if person is None or not store.delete(tx, sub):
                raise Refused("unknown", "there is no such user")
            self._tell(tx, Change.DELETED, person)

    def delete_due(self) -> int:
        """Delete for good whoever asked for that and did not return in time; returns how many."""
        deleted = 0
        while True:
            with self._database.read() as tx:
                due = store.due(tx, self._clock.now(), _PAGE)
            deleted += sum(map(self._delete_due, due))
            if len(due) < _PAGE:
                return deleted

    def _delete_due(self, sub: str) -> bool:
        with self._database.write() as tx:
            person = store.find(tx, sub)
            if person is None or not store.delete_due(tx, sub, self._clock.now()):
                return False
            self._tell(tx, Change.DELETED, person)
        return True

    def authenticate(self, found: Credentials | None, password: str) -> Person | None:
        """The person, when the password is theirs and nobody disabled them but themselves. Every answer costs one hash."""
        check = self._passwords.verify(password, found.password if found else None)
        if found is None or not check.ok or found.person.is_shut_out:
            return None
        if check.outdated:
            hashed = self._passwords.hash(password)
            with self._database.write() as tx:
                store.rewrite_password(tx, found.person.sub, found.password, hashed)
        return found.person

    @staticmethod
    def hold(tx: sa.Connection, person: Person, *, alone: bool = False) -> bool:
        """Whether this person is as they were when they proved themselves; nobody changes them before the transaction ends.

        Who goes on to change them holds them `alone`.
        """
        return store.hold(tx, person.sub, alone=alone) == person.version

    def logs_in_first(self, tx: sa.Connection, person: Person) -> bool:
        """Note that a person logs in; True when they never did before. It comes before `hold`: two at once then wait for one another."""
        return person.first_login_at is None and store.logs_in_first(tx, person.sub, self._clock.now())

    def _existing(self, sub: str) -> Person:
        person = self.find(sub)
        if person is None:
            raise Refused("unknown", "there is no such user")
        return person

    def hashed(self, password: str, person: Person) -> str:
        """What is kept of a password that this person chose; raises `Refused` for one that is easy to guess."""
        names = (person.username, (person.email or "").partition("@")[0], self._service_name)
        check_acceptable(password, min_length=self._min_length, context=names)
        return self._passwords.hash(password)

    def _change(self, sub: str, change: Change, changes: Mapping[str, Any], first: First | None = None) -> Person:
        with self._database.write() as tx:
            if first is not None:
                first(tx)
            return self._changed(tx, sub, change, changes)

    def _changed(self, tx: sa.Connection, sub: str, change: Change, changes: Mapping[str, Any]) -> Person:
        old = store.find(tx, sub)
        if old is None:
            raise Refused("unknown", "there is no such user")
        verified = old.email_verified and _same_address(old.email, changes.get("email", old.email))
        values = {"email_verified": verified, **changes}
        person = _checked(replace(old, **values, updated_at=self._clock.now(), version=old.version + 1))
        if changes.keys() & {"username", "email"}:
            _refuse_foreign_address(person)
        try:
            if not store.update(tx, person):
                raise Refused("conflict", N_("somebody else changed this user at the same moment, try again"))
        except IntegrityError as error:
            raise TAKEN from error
        self._tell(tx, change, person, lost=frozenset(old.roles) - frozenset(person.roles))
        return person

    def _tell(self, tx: sa.Connection, change: Change, person: Person, *, lost: frozenset[str] = frozenset()) -> None:
        event = PersonChanged(change, person, self._clock.now(), lost)
        for listener in self._listeners:
            listener(tx, event)
        if change not in _OURS_ALONE:
            payload = {"sub": person.sub, "version": person.version + 1} if change is Change.DELETED else told(person)
            self._publish(tx, f"user.{_TOLD_AS.get(change, change)}", person.sub, payload)
        self._audit.append(tx, f"user.{change}", sub=person.sub)


def is_email(text: str) -> bool:
    """Whether this can be an e-mail address."""
    return max(len(text), len(store.email_key(text))) <= 254 and _EMAIL.match(text) is not None


def document(person: Person) -> dict[str, Any]:
    """A person as the command line shows them."""
    ending = {"closed_at": person.closed_at, "deletes_at": person.deletes_at}
    return {**told(person), **ending, "claims": dict(person.claims)}


def told(person: Person) -> dict[str, Any]:
    """A person as receivers of events see them: no more than an API needs."""
    names = ("name", "given_name", "family_name")
    ours = {"claims", "closed_at", "deletes_at", "first_login_at"}
    facts = {field: value for field, value in asdict(person).items() if field not in ours}
    return {**facts, "roles": list(person.roles), **{name: person.claims.get(name) for name in names}}


def _checked(person: Person) -> Person:
    name = unicodedata.normalize("NFC", person.username)
    if (
        not 0 < len(name) <= 64
        or len(store.username_key(name)) > 128
        or name != name.strip()
        or any(unicodedata.category(char)[0] == "C" for char in name)
    ):
        raise Refused("username", N_("a user name has 1 to 64 characters and no control characters or outer spaces"))
    email = person.email
    if email is not None and not is_email(email):
        raise Refused("email", N_("this is not an e-mail address"))
    if len(person.roles) > 32 or not all(_ROLE.match(role) for role in person.roles):
        raise Refused("role", "a role is a lower-case word of letters, digits and .:_-")
    claims.check(person.claims)
    return replace(person, username=name, roles=tuple(dict.fromkeys(person.roles)))


def _refuse_foreign_address(person: Person) -> None:
    """A user name wins over an address at login: nobody may be called like somebody else's."""
    if "@" in person.username and not _same_address(person.username, person.email):
        raise Refused("username", N_("a user name with @ in it must be the person's own e-mail address"))


def _same_address(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and store.email_key(one) == store.email_key(other)
