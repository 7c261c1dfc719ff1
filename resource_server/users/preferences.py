"""What this service itself knows of people: read with the copy, changed on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from resource_server.platform.store import Row, insert_or_ignore
from resource_server.users.copy import PEOPLE
from resource_server.users.documents import OWN
from resource_server.users.models import UserCopy, UserPreferences


def change(tx: sa.Connection, sub: str, changes: Mapping[str, Any], seen: Callable[[Row], None]) -> Row | None:
    """The person after these changes, None where there is none; `seen` looks at them before, and may refuse.

    The row of the copy is held meanwhile, so two changes follow each other, and an event waits.
    """
    tx.execute(sa.select(UserCopy.sub).where(UserCopy.sub == sub).with_for_update())
    one = PEOPLE.where(UserCopy.sub == sub)
    before = tx.execute(one).one_or_none()
    if before is None:
        return None
    seen(before)
    if changes and not insert_or_ignore(tx, UserPreferences, {"sub": sub, "changes": 1, **OWN, **changes}):
        raised = {**changes, "changes": UserPreferences.changes + 1}
        tx.execute(sa.update(UserPreferences).where(UserPreferences.sub == sub).values(**raised))
    return tx.execute(one).one()
