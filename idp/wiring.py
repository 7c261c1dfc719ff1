"""The composition root: every object is built once, here, and handed what it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from idp.clock import Clock, SystemClock
from idp.errors import ProtocolError
from idp.oauth import codes as code_store
from idp.oauth import pending as pending_store
from idp.oauth import registration_tokens as registration_token_store
from idp.oauth import response_types
from idp.oauth.client_admin import ClientAdmin
from idp.oauth.client_auth import private_key_jwt
from idp.oauth.client_keys import ClientKeys
from idp.oauth.client_store import ClientStore
from idp.oauth.clients import GENERATION as CLIENTS
from idp.oauth.clients import ClientDirectory, hold_served
from idp.oauth.consent import forget_person
from idp.oauth.details.types import GENERATION as DETAILS_TYPES
from idp.oauth.details.types import DetailsTypes
from idp.oauth.exchange.rules import ExchangeRules
from idp.oauth.logout import deliveries as logout_store
from idp.oauth.logout.notices import LogoutNotices
from idp.oauth.registration import credentials
from idp.oauth.registration.rules import Rules
from idp.oauth.registration_tokens import RegistrationTokens
from idp.oauth.remote_keys import RemoteKeys
from idp.oauth.resources import GENERATION as RESOURCES
from idp.oauth.resources import ResourceAdmin, ResourceDirectory
from idp.oauth.sealing import Sealing
from idp.oauth.subjects import Subjects
from idp.platform import counting, i18n
from idp.platform import jobs as job_store
from idp.platform import limits as limit_store
from idp.platform import outbox as outbox_store
from idp.platform import replay as replay_store
from idp.platform import throttle as throttle_store
from idp.platform.audit import Audit, forget
from idp.platform.db import Database, Waiting
from idp.platform.generations import Watcher
from idp.platform.ids import RandomBytes
from idp.platform.jobs import Jobs
from idp.platform.limits import Limits
from idp.platform.mailer import Mailer
from idp.platform.outbox import Outbox, Receivers
from idp.platform.secrets import MasterKey
from idp.platform.telemetry import Metrics
from idp.platform.throttle import Throttle
from idp.platform.web import PlainFlask
from idp.settings import Settings
from idp.tokens import revocations as revocation_store
from idp.tokens import status_list_indexes as status_store
from idp.tokens import store as grant_store
from idp.tokens.access import AccessTokens
from idp.tokens.identity import ReadHint, read_hint
from idp.tokens.issuer import TokenIssuer
from idp.tokens.keyring import GENERATION as KEYS
from idp.tokens.keyring import Keyring
from idp.tokens.refresh import RefreshTokens
from idp.tokens.revocations import Revocations
from idp.tokens.status_list_indexes import GENERATION as STATUS
from idp.tokens.status_list_indexes import StatusIndexes
from idp.tokens.status_list_revocations import StatusRevocations
from idp.tokens.status_list_tokens import StatusListTokens
from idp.tokens.store import Grants
from idp.upstream import journeys as journey_store
from idp.upstream.linked import LinkedAccounts
from idp.users import accounts as people
from idp.users import email_changes as email_change_store
from idp.users import email_logins as email_login_store
from idp.users import invitations as invitation_store
from idp.users import links as mail_links
from idp.users import sessions as session_store
from idp.users import signups as signup_store
from idp.users.accounts import Accounts
from idp.users.devices import Devices
from idp.users.email_changes import EmailChanges
from idp.users.email_logins import EmailLogins
from idp.users.farewells import Farewells
from idp.users.invitations import Invitations
from idp.users.letters import Letters
from idp.users.links import MailLinks
from idp.users.login import steps as login_steps
from idp.users.notices import Notice, Notices
from idp.users.passkey_ceremonies import RelyingParty, relying_party
from idp.users.passkeys import Passkeys
from idp.users.passwords import PasswordHasher
from idp.users.people import Change, PersonChanged, SessionEnded
from idp.users.recovery import PasswordRecovery
from idp.users.recovery_codes import RecoveryCodes
from idp.users.sessions import Sessions
from idp.users.signups import SignUps
from idp.users.totp import Authenticators
from idp.users.verification import EmailVerification
from setting_sources.databases import leased
from vetted_http import Client as OutboundHttp

_PRUNE_BATCH = 1000
_DAY = 86400
_ENDS_TOKENS = frozenset({Change.DISABLED, Change.CLOSED, Change.DELETED, Change.PASSWORD_SET})
Prune = Callable[[sa.Connection, int, int], int]
_PRUNERS: tuple[Prune, ...] = (
    limit_store.prune,
    throttle_store.prune,
    job_store.prune,
    outbox_store.prune,
    session_store.prune,
    login_steps.prune,
    journey_store.prune,
    mail_links.prune,
    email_login_store.prune,
    email_change_store.prune,
    invitation_store.prune,
    signup_store.prune,
    grant_store.prune,
    revocation_store.prune,
    status_store.prune,
    code_store.prune,
    pending_store.prune,
    private_key_jwt.prune,
    registration_token_store.prune,
    logout_store.prune,
    replay_store.prune,
)


@dataclass(frozen=True, slots=True)
class House:
    """Everything that is built, by name."""

    settings: Settings
    clock: Clock
    random: RandomBytes
    flask: Flask
    database: Database
    master: MasterKey
    audit: Audit
    limits: Limits
    throttle: Throttle
    asks_throttle: Throttle
    jobs: Jobs
    mailer: Mailer
    notices: Notices
    recovery: PasswordRecovery
    verification: EmailVerification
    email_logins: EmailLogins
    email_changes: EmailChanges
    invitations: Invitations
    signups: SignUps
    receivers: Receivers
    metrics: Metrics
    outbound: OutboundHttp
    keyring: Keyring
    access_tokens: AccessTokens
    read_hint: ReadHint
    subjects: Subjects
    token_issuer: TokenIssuer
    status_indexes: StatusIndexes
    status_lists: StatusListTokens
    grants: Grants
    revocations: Revocations
    refresh_tokens: RefreshTokens
    accounts: Accounts
    sessions: Sessions
    devices: Devices
    authenticators: Authenticators
    recovery_codes: RecoveryCodes
    relying_party: RelyingParty | None
    passkeys: Passkeys
    linked_accounts: LinkedAccounts
    client_directory: ClientDirectory
    remote_keys: RemoteKeys
    client_keys: ClientKeys
    sealing: Sealing
    client_store: ClientStore
    registration_rules: Rules
    registration_tokens: RegistrationTokens
    resource_directory: ResourceDirectory
    clients: ClientAdmin
    resources: ResourceAdmin
    exchange_rules: ExchangeRules
    details_types: DetailsTypes

    def watcher(self) -> Watcher:
        """What keeps this process's caches in step with the database."""
        followers = {
            STATUS: self.status_indexes.follow,
            KEYS: self.keyring.reload,
            CLIENTS: self.client_directory.forget,
            RESOURCES: self.resource_directory.reload,
            DETAILS_TYPES: self.details_types.reload,
        }
        return Watcher(self.database, followers)

    def prune(self) -> int:
        """Remove what has expired, a batch a transaction, and the accounts whose owners did not come back; returns how many rows went."""
        return self.accounts.delete_due() + sum(self._drain(one) for one in _PRUNERS)

    def _drain(self, one: Prune) -> int:
        removed = 0
        while True:
            with self.database.write() as tx:
                batch = one(tx, self.clock.now(), _PRUNE_BATCH)
            removed += batch
            if batch < _PRUNE_BATCH:
                return removed

    def people_page(self, after: str, limit: int) -> list[Mapping[str, Any]]:
        """People as receivers of events see them."""
        return [people.told(person) for person in self.accounts.page(after, limit)]


def build(
    settings: Settings,
    master: MasterKey,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    waiting: Waiting | None = None,
) -> House:
    """Build everything; nothing is read from the database yet and no thread is started."""
    clock, random = clock or SystemClock(), RandomBytes()
    flask = PlainFlask("idp", static_folder=None, template_folder=str(Path(__file__).with_name("templates")))
    i18n.install(flask.jinja_env)
    database = Database(
        flask, settings.database, pool_size=settings.database_pool, lease=leased(settings), waiting=waiting
    )
    audit, jobs, outbox, metrics = Audit(clock), Jobs(database, clock), Outbox(clock), metrics or Metrics()
    longest = max(settings.access_token_ttl, settings.id_token_ttl)
    revocations = Revocations(
        settings.refresh_absolute_ttl + _DAY, [StatusRevocations(clock, outbox.publish, settings.issuer)]
    )
    grants = Grants(clock, revocations)
    keyring = Keyring(
        database, master, clock, audit, revocations, jwks_max_age=settings.jwks_max_age, longest_life=longest
    )
    indexes = StatusIndexes(database, clock, settings.issuer, _admit_client)
    sessions = Sessions(
        database,
        clock,
        audit,
        [partial(_session_ended, grants), LogoutNotices(clock, jobs).session_ended],
        idle_ttl=settings.session_idle_ttl,
        absolute_ttl=settings.session_absolute_ttl,
    )
    mailer = Mailer(settings.mail_url.get_secret_value(), settings.mail_from, clock, jobs, master)
    links, letters = MailLinks(clock), Letters(mailer, flask, name=settings.name, url=settings.url)
    notices = Notices(letters, clock)
    accounts = Accounts(
        database,
        _passwords(settings, master, database.waiting),
        clock,
        audit,
        outbox.publish,
        [partial(_person_changed, sessions, grants, letters, notices), Farewells(letters, notices).person_changed],
        password_min_length=settings.password_min_length,
        service_name=settings.name,
    )
    throttle, asks_throttle = counting.throttles(settings, database, master, clock)
    rp = relying_party(settings.issuer, settings.name)
    client_directory = ClientDirectory(database)
    subjects = Subjects(master, settings.issuer, client_directory.get)
    outbound = OutboundHttp(allow=settings.outbound_allow, ca_file=settings.outbound_ca_file, waiting=database.waiting)
    remote_keys = RemoteKeys(outbound.get, clock)
    client_keys = ClientKeys(remote_keys)
    client_store = ClientStore(clock, audit, grants.end_client)
    resources = ResourceAdmin(database, audit, settings.issuer, keyring.ensure)
    rules = Rules(
        is_resource=lambda uri: uri == settings.issuer or resources.find(uri) is not None,
        response_types=response_types.offered(settings.implicit),
        auth_methods=credentials.offered(
            issued=settings.tls_client_ca_file is not None, own=settings.client_cert_header is not None
        ),
        fetch=outbound.get,
    )
    clients = ClientAdmin(database, clock, client_store, rules, keyring.ensure)
    return House(
        settings=settings,
        clock=clock,
        random=random,
        flask=flask,
        database=database,
        master=master,
        audit=audit,
        limits=Limits(counting.counters(settings.redis_url, database), master, clock),
        throttle=throttle,
        asks_throttle=asks_throttle,
        jobs=jobs,
        mailer=mailer,
        notices=notices,
        recovery=PasswordRecovery(database, jobs, accounts, links, letters),
        verification=EmailVerification(database, accounts, links, letters),
        email_logins=EmailLogins(
            database,
            clock,
            master,
            jobs,
            letters,
            life=settings.email_login_ttl,
            tries=settings.code_max_failures,
        ),
        email_changes=EmailChanges(database, clock, audit, accounts, links, letters, notices),
        invitations=Invitations(database, clock, audit, accounts, letters, life=settings.invitation_ttl),
        signups=SignUps(database, clock, master, jobs, letters, audit, metrics, tries=settings.code_max_failures),
        receivers=Receivers(database, clock, audit),
        metrics=metrics,
        outbound=outbound,
        keyring=keyring,
        access_tokens=AccessTokens(keyring, settings.issuer, clock, subjects.person_of),
        read_hint=partial(read_hint, keyring=keyring, issuer=settings.issuer, person_of=subjects.person_of),
        subjects=subjects,
        token_issuer=TokenIssuer(keyring, settings.issuer, clock, random, indexes, id_token_ttl=settings.id_token_ttl),
        status_indexes=indexes,
        status_lists=StatusListTokens(database, keyring, clock, url=settings.issuer, ttl=settings.status_list_ttl),
        grants=grants,
        revocations=revocations,
        refresh_tokens=RefreshTokens(clock, grants, window=settings.refresh_window, idle_ttl=settings.refresh_idle_ttl),
        accounts=accounts,
        sessions=sessions,
        devices=Devices(database, clock),
        authenticators=Authenticators(database, master, clock, issuer_name=settings.name),
        recovery_codes=RecoveryCodes(master, clock),
        relying_party=rp,
        passkeys=Passkeys(clock, on=rp is not None),
        linked_accounts=LinkedAccounts(clock),
        client_directory=client_directory,
        remote_keys=remote_keys,
        client_keys=client_keys,
        sealing=Sealing(client_keys),
        client_store=client_store,
        registration_rules=rules,
        registration_tokens=RegistrationTokens(database, clock, audit),
        resource_directory=ResourceDirectory(database, settings.issuer),
        clients=clients,
        resources=resources,
        details_types=DetailsTypes(database),
        exchange_rules=ExchangeRules(
            database, audit, find_client=clients.find, find_resource=resources.find, issuer=settings.issuer
        ),
    )


def _passwords(settings: Settings, master: MasterKey, waiting: Waiting) -> PasswordHasher:
    return PasswordHasher(
        master,
        scheme=settings.hash_scheme,
        cost=settings.bcrypt_cost,
        workers=settings.hash_workers,
        queue=settings.hash_queue,
        waiting=waiting,
    )


def _admit_client(tx: sa.Connection, client_id: str) -> None:
    """A client that was disabled just now, while this process remembered it as it was, gets nothing any more."""
    if not hold_served(tx, client_id):
        raise ProtocolError("invalid_client", "Client authentication failed", status=401, detail="disabled just now")


def _session_ended(grants: Grants, tx: sa.Connection, ended: SessionEnded) -> None:
    """What hangs on the session ends, and on those of this browser that it followed."""
    for sid in {ended.session.sid, *(party.sid for party in ended.parties)}:
        grants.end_session(tx, sid)


def _person_changed(
    sessions: Sessions, grants: Grants, letters: Letters, notices: Notices, tx: sa.Connection, event: PersonChanged
) -> None:
    """Who is disabled, deleted or gets another password is logged out everywhere, apps included, at once; no address change waits any more.

    Who loses a role stays logged in: apps get tokens anew.
    """
    if event.change in _ENDS_TOKENS:
        sessions.end_all(tx, event.person.sub, partial(grants.end_subject, tx, event.person.sub))
        EmailChanges.void(tx, event.person.sub)
    if event.lost:
        sessions.lock_all(tx, event.person.sub)
        grants.outdate(tx, event.person.sub)
    if event.change is Change.PASSWORD_SET and event.person.email is not None:
        letters.password_changed(tx, event.person.email, event.person)
    if event.change is Change.PASSWORD_REMOVED:
        notices.tell(tx, event.person, Notice.PASSWORD_REMOVED)
    if event.change is Change.DELETED:
        forget_person(tx, event.person.sub)
        Authenticators.remove(tx, event.person.sub)
        RecoveryCodes.remove(tx, event.person.sub)
        Passkeys.remove_all(tx, event.person.sub)
        LinkedAccounts.remove_all(tx, event.person.sub)
        grants.forget(tx, event.person.sub)
        forget(tx, event.person.sub)
