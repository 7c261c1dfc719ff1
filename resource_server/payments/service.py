"""How the payments service is put together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from resource_server.api.acknowledged import Acknowledgements
from resource_server.api.guarding import of_service
from resource_server.api.idempotency import KeptAnswers
from resource_server.api.listing import Listing
from resource_server.api.operation import Operation
from resource_server.api.revocations import Revocations
from resource_server.api.service import Parts, Service, Work
from resource_server.payments import book, documents, ledger
from resource_server.payments.allowance import Allowance
from resource_server.payments.authentication import Authentications
from resource_server.payments.book import Book
from resource_server.payments.callbacks import Callbacks
from resource_server.payments.changes import Changes, RefundLimits
from resource_server.payments.desk import Desk
from resource_server.payments.face import OrdersHear, PaymentsAnswers
from resource_server.payments.hearing import Hearing, OrderEvents
from resource_server.payments.models import (
    InboxRow,
    JobRow,
    KeptAnswer,
    Model,
    OperationRow,
    Revocation,
    RevocationCount,
)
from resource_server.payments.operating import Operating, Watch
from resource_server.payments.provider import Provider
from resource_server.payments.reconciliations import Scheduled
from resource_server.payments.reconciling import Reconciliation
from resource_server.payments.reversals import Reversals
from resource_server.payments.settling import Settling, Timing
from resource_server.payments.v1 import PaymentsV1
from resource_server.payments.v2 import PaymentsV2, Tools
from resource_server.payments.webhooks.api import WebhooksApi
from resource_server.payments.webhooks.delivery import Delivery
from resource_server.payments.webhooks.documents import EventShown
from resource_server.payments.webhooks.events import TYPES, Announcer
from resource_server.payments.webhooks.keys import Keys
from resource_server.platform.secret import Secret
from resource_server.platform.store import Row, Store
from resource_server.settings import Settings
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import BackOff, Kind, Ladder
from resource_server.work.operations import Operations
from vetted_http import Client

NAME = "payments"
_PRUNE_SECONDS, _LEDGER_SECONDS, _DEPTH_SECONDS = 600.0, 60.0, 5.0


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def provider_secrets(settings: Settings, secret: Secret) -> tuple[str, ...]:
    """What the provider knows us by, and another one that is accepted while that changes.

    It is set, or made of the services' own secret, which a simulator beside them has too.
    """
    given = (settings.provider_secret, settings.provider_secret_other)
    if settings.provider_secret is not None:
        return tuple(one.get_secret_value() for one in given if one is not None)
    return tuple(made.hex() for made in secret.accepted("provider", b""))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store = open_store(engine)
    guard = of_service(parts.guard, store)
    core = _core(parts, store)
    kept = KeptAnswers(store, KeptAnswer, parts.secret)
    listing = Listing(parts.secret)
    tools = Tools(
        store=store,
        desk=core.desk,
        operations=core.operations,
        kept=kept,
        acknowledged=Acknowledgements(store, OperationRow, core.operations, _payment),
        allowance=Allowance(parts.settings, guard),
        orders_client=parts.settings.client_id("orders"),
    )
    keys = Keys(parts.secret)
    reconciling = Scheduled(core.jobs, InboxRow, Reconciliation(store, core.jobs, core.provider), parts)
    hooks, hook_kinds = _webhooks(parts, store, core, keys, kept, listing)
    limits = RefundLimits(parts.settings.refund_support_limit, parts.settings.refund_approval_from)
    callbacks = Callbacks(store, core.settling, provider_secrets(parts.settings, parts.secret))
    hearing = Hearing(store, core.jobs, core.announcer)
    answers = PaymentsAnswers(store, core.desk, core.jobs, hearing)
    parts.edges.join(payments=answers)
    watch = Watch(store, core.jobs)
    return Service(
        name=NAME,
        store=store,
        guard=guard,
        revocations=Revocations(store, Revocation, RevocationCount, parts.guard),
        operations=(
            *PaymentsV1(tools).mounted(),
            *PaymentsV2(tools, listing).mounted(),
            *Changes(tools, limits).mounted(),
            *Authentications(store, core.provider).mounted(),
            *hooks,
            *callbacks.operations(),
            *Reversals(answers).mounted(),
            *OrderEvents(hearing).mounted(),
            *Operating(watch).mounted(),
        ),
        work=(*_measuring(parts, watch, kept), *reconciling.work()),
        jobs=core.jobs,
        hooks=dict.fromkeys(TYPES, EventShown),
        follow=partial(_follow, parts.secret, core.provider, callbacks),
        renew_seals=partial(keys.renew_seals, store),
        kinds=(*core.settling.kinds(), *core.orders.kinds(), *hook_kinds, *reconciling.kinds()),
    )


def _follow(secret: Secret, provider: Provider, callbacks: Callbacks, settings: Settings) -> None:
    """Another secret at the provider."""
    known_by = provider_secrets(settings, secret)
    provider.change_secret(known_by[0])
    callbacks.change(known_by)


def _provider(settings: Settings, secret: Secret) -> Provider:
    return Provider(
        settings.provider_url,
        provider_secrets(settings, secret)[0],
        timeout=settings.provider_timeout,
        connections=settings.worker_threads,
    )


def reconciliation(settings: Settings, secret: Secret, store: Store, jobs: Jobs) -> Reconciliation:
    """What compares our books with the provider's, for the command."""
    return Reconciliation(store, jobs, _provider(settings, secret))


def _payment(tx: sa.Connection, payment_id: str) -> dict[str, Any]:
    """What an operation is about."""
    payment = book.find(tx, payment_id)
    return {} if payment is None else documents.payment(payment)


@dataclass(frozen=True, slots=True)
class _Core:
    """What both versions and the worker stand on."""

    jobs: Jobs
    operations: Operations
    announcer: Announcer
    orders: OrdersHear
    desk: Desk
    settling: Settling
    provider: Provider


def _core(parts: Parts, store: Store) -> _Core:
    settings = parts.settings
    jobs = Jobs(store, JobRow, InboxRow, lease=settings.job_lease)
    operations = Operations(store, OperationRow, prefix="op")
    announcer = Announcer(jobs)
    retries = BackOff(first=settings.job_retry_first)
    orders = OrdersHear(store, jobs, parts.edges, retries)

    def told(tx: sa.Connection, payment: Row) -> None:
        announcer.payment_changed(tx, payment)
        orders.payment_changed(tx, payment)
        parts.steps.at("effect.told")

    book = Book(told)
    provider = _provider(settings, parts.secret)
    timing = Timing(follow=settings.provider_follow, retries=retries, authorization=settings.authorization_ttl)
    settling = Settling(store, book, jobs, operations, provider, timing=timing, steps=parts.steps)
    return _Core(jobs, operations, announcer, orders, Desk(book, jobs, operations), settling, provider)


def _webhooks(
    parts: Parts, store: Store, core: _Core, keys: Keys, kept: KeptAnswers, listing: Listing
) -> tuple[list[Operation], tuple[Kind, ...]]:
    client = Client(allow=parts.settings.outbound_allow)
    api = WebhooksApi(store, keys, core.announcer, client, kept=kept, listing=listing)
    ladder = Ladder(parts.settings.webhook_retries)
    return api.mounted(), Delivery(store, keys, client, ladder=ladder, steps=parts.steps).kinds()


def _measuring(parts: Parts, watch: Watch, kept: KeptAnswers) -> tuple[Work, ...]:
    """What is looked at now and then, for `/metrics`; and keys that are forgotten."""
    metrics = parts.metrics

    def balance() -> None:
        found = ledger.imbalance(ledger.held(watch.store))
        metrics.measure("ledger_imbalance", sum(abs(value) for value in found.values()))

    return (
        Work("kept answers", kept.prune, every=_PRUNE_SECONDS),
        Work("queue depth", lambda: watch.measure(metrics, NAME), every=_DEPTH_SECONDS),
        Work("ledger balance", balance, every=_LEDGER_SECONDS),
    )
