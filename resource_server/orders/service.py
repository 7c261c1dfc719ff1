"""How the orders service is put together."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from resource_server.api.guarding import of_service
from resource_server.api.idempotency import KeptAnswers
from resource_server.api.listing import Listing
from resource_server.api.service import Parts, Service, Work
from resource_server.orders.book import Book
from resource_server.orders.models import KeptAnswer, Model
from resource_server.orders.v1 import OrdersV1
from resource_server.orders.v2 import OrdersV2, Tools
from resource_server.platform.store import Store

NAME = "orders"
_PRUNE_SECONDS = 600.0


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store = open_store(engine)
    kept = KeptAnswers(store, KeptAnswer, parts.secret)
    tools = Tools(store, Book(), kept)
    return Service(
        name=NAME,
        store=store,
        guard=of_service(parts.guard, store),
        operations=(*OrdersV1(tools).mounted(), *OrdersV2(tools, Listing(parts.secret)).mounted()),
        work=(Work("kept answers", kept.prune, every=_PRUNE_SECONDS),),
    )
