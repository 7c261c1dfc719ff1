"""How the orders service is put together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from resource_server.api.acknowledged import Acknowledgements
from resource_server.api.allowed import allowed_payment
from resource_server.api.guarding import of_service
from resource_server.api.idempotency import KeptAnswers
from resource_server.api.listing import Listing
from resource_server.api.revocations import Revocations
from resource_server.api.service import Parts, Service, Work
from resource_server.api.step_up import StepUp
from resource_server.orders import book, checkouts, documents
from resource_server.orders.book import Book
from resource_server.orders.checkouts import Checkouts, Till
from resource_server.orders.delivery import Delivery
from resource_server.orders.desk import Desk
from resource_server.orders.expanding import Expanding
from resource_server.orders.face import OrdersAnswers, PaymentEvents
from resource_server.orders.fulfilments import Fulfilments
from resource_server.orders.models import InboxRow, JobRow, KeptAnswer, Model, OperationRow, Revocation, RevocationCount
from resource_server.orders.saga import Saga, Timing
from resource_server.orders.v1 import OrdersV1
from resource_server.orders.v2 import OrdersV2, Tools
from resource_server.platform.store import Store
from resource_server.work.jobs import Jobs
from resource_server.work.kinds import BackOff
from resource_server.work.operations import Operations

NAME = "orders"
_PRUNE_SECONDS, _DEPTH_SECONDS = 600.0, 5.0


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store, settings = open_store(engine), parts.settings
    guard = of_service(parts.guard, store)
    kept = KeptAnswers(store, KeptAnswer, parts.secret)
    tools = Tools(store, Book(), kept)
    jobs = Jobs(store, JobRow, InboxRow, lease=settings.job_lease)
    operations = Operations(store, OperationRow, prefix=checkouts.PREFIX)
    timing = Timing(follow=settings.provider_follow, retries=BackOff(first=settings.job_retry_first))
    saga = Saga(
        store,
        tools.book,
        jobs,
        operations,
        parts.edges,
        client_id=settings.client_id(NAME),
        timing=timing,
        steps=parts.steps,
    )
    delivery = Delivery(store, tools.book, jobs, operations, parts.edges, timing=timing, steps=parts.steps)
    till = Till(
        desk=Desk(tools.book, jobs, operations),
        saga=saga,
        edges=parts.edges,
        acknowledged=Acknowledgements(store, OperationRow, operations, _order),
        step_up=StepUp(settings, guard, acr_values=settings.checkout_acr),
        details=allowed_payment(settings.audiences("payments")),
    )
    parts.edges.join(orders=OrdersAnswers(store, saga))
    expanding = Expanding(parts.edges, guard)
    return Service(
        name=NAME,
        store=store,
        guard=guard,
        revocations=Revocations(store, Revocation, RevocationCount, parts.guard),
        operations=(
            *OrdersV1(tools, expanding).mounted(),
            *OrdersV2(tools, Listing(parts.secret), expanding).mounted(),
            *Checkouts(tools, till).mounted(),
            *Fulfilments(tools, delivery, till.acknowledged).mounted(),
            *PaymentEvents(saga).mounted(),
        ),
        work=_measuring(parts, jobs, kept),
        jobs=jobs,
        kinds=(*saga.kinds(), *delivery.kinds()),
    )


def _order(tx: sa.Connection, order_id: str) -> dict[str, Any]:
    """What an operation is about."""
    order = book.find(tx, order_id)
    return {} if order is None else documents.order(order)


def _measuring(parts: Parts, jobs: Jobs, kept: KeptAnswers) -> tuple[Work, ...]:
    """What is looked at now and then, for `/metrics`; and keys that are forgotten."""

    def depth() -> None:
        found = jobs.depth()
        parts.metrics.measure("jobs_waiting", found.waiting, service=NAME)
        parts.metrics.measure("jobs_dead", found.dead, service=NAME)
        parts.metrics.measure("jobs_oldest_seconds", found.oldest, service=NAME)

    return (
        Work("kept answers", kept.prune, every=_PRUNE_SECONDS),
        Work("queue depth", depth, every=_DEPTH_SECONDS),
    )
