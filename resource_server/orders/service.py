"""How the orders service is put together."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from resource_server.api.guarding import of_service
from resource_server.api.service import Parts, Service
from resource_server.orders.models import Model
from resource_server.orders.v1 import OrdersApi
from resource_server.platform.store import Store

NAME = "orders"


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store = open_store(engine)
    return Service(
        name=NAME,
        store=store,
        guard=of_service(parts.guard, store),
        operations=tuple(OrdersApi(store).operations()),
    )
