"""How the users service is put together."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from resource_server.api.guarding import of_service
from resource_server.api.listing import Listing
from resource_server.api.revocations import Revocations
from resource_server.api.service import Parts, Service, Work
from resource_server.platform.store import Store
from resource_server.users.copy import Filler, UserCopies
from resource_server.users.events import UserEvents
from resource_server.users.face import Recipients, UsersAnswers
from resource_server.users.models import Model, Revocation, RevocationCount
from resource_server.users.v1 import UsersV1
from resource_server.users.v2 import UsersV2

NAME = "users"


def open_store(engine: sa.Engine) -> Store:
    """The service's own tables."""
    return Store(engine, Model, Path(__file__).with_name("migrations"))


def build(parts: Parts, engine: sa.Engine) -> Service:
    """The service on its own database; nothing is started."""
    store = open_store(engine)
    copies = UserCopies(store)
    second = UsersV2(store, copies, Listing(parts.secret), account=f"{parts.settings.issuer}/account")
    answers = UsersAnswers(copies)
    parts.edges.join(users=answers)
    return Service(
        name=NAME,
        store=store,
        guard=of_service(parts.guard, store),
        revocations=Revocations(store, Revocation, RevocationCount, parts.guard),
        operations=(*UsersV1(copies).mounted(), *second.mounted(), *Recipients(answers).mounted()),
        listeners=(UserEvents(copies),),
        work=_work(parts, store, copies),
    )


def _work(parts: Parts, store: Store, copies: UserCopies) -> tuple[Work, ...]:
    settings = parts.settings
    if settings.events_token is None:
        return ()
    token = settings.events_token.get_secret_value()
    filler = Filler(store, copies, issuer=settings.issuer, audience=settings.receives_as, token=token)
    return (Work("filler", filler.run, until_done=True),)
