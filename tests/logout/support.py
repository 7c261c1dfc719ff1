"""What tests of logout share: an app that is trusted, so that a login is one page, and the URL that ends it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa

from idp.users.models import SessionRow
from tests.support.databases import open_database
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import RunningIdp

CALLBACK, BYE = "https://app.test/callback", "https://app.test/bye"
STATE = "s" * 128


def trusted(idp: RunningIdp, **metadata: Any) -> App:
    """A confidential client that people need not consent to."""
    document = {"redirect_uris": [CALLBACK], "post_logout_redirect_uris": [BYE], "consent": "trusted"}
    return App(idp.url, idp.client(**{**document, **metadata}))


def logout_url(idp: str, **parameters: str | None) -> str:
    """The end-session endpoint with these parameters; None leaves one out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    return f"{idp}/oauth/logout" + (f"?{urlencode(given)}" if given else "")


def is_logged_in(app: App, browser: Browser) -> bool:
    """Whether `prompt=none` still gives a code; if not, it is refused as the conformance suite wants it."""
    answer = answer_of(browser.open(app.authorize_url(prompt="none")[0]))
    assert "code" in answer or answer["error"] == "login_required"
    return "code" in answer


def signed_out(page: Page) -> bool:
    return page.main.get("id") == "signed-out"


def pause(idp: RunningIdp, sid: str) -> None:
    """Let a session have been unused for so long that it ran out."""
    database = open_database(idp.environ.get("IDP_DATABASE_URL", f"sqlite:///{idp.folder}/var/idp.sqlite3"))
    with database.write() as tx:
        earlier = sa.update(SessionRow).where(SessionRow.sid == sid).values(seen_at=SessionRow.seen_at - 7200)
        assert tx.execute(earlier).rowcount == 1
    database.engine.dispose()
