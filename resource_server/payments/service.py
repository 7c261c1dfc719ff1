"""How the payments service is put together."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from resource_server.api.guarding import of_service
from resource_server.api.service import Parts, Service, Work
from resource_server.payments.allowance import Allowance
from resource_server.payments.models import Model
from resource_server.payments.v1 import PaymentsApi
from resource_server.payments.worker import Settlement
from resource_server.platform.store import Store

NAME = "payments"


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store = open_store(engine)
    guard = of_service(parts.guard, store)
    return Service(
        name=NAME,
        store=store,
        guard=guard,
        operations=tuple(PaymentsApi(store, Allowance(parts.settings, guard)).operations()),
        work=(Work("settlement", Settlement(store).run),),
    )
