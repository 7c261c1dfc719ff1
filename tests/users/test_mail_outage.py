"""While the mail server is away people go on, and their letters wait: none is lost, and none comes twice."""

from __future__ import annotations

import time
from pathlib import Path

import requests
import sqlalchemy as sa

from idp.platform.mailer import KIND
from idp.platform.models import JobRow
from idp.settings_source import load
from tests.support import databases
from tests.support.flows import Browser, Page
from tests.support.ports import free_port
from tests.support.running import RunningIdp
from tests.support.smtp import PATIENCE, Inbox, listening
from tests.users.mail import link_in


def put_off(idp: RunningIdp) -> None:
    """Waits until a letter was tried and waits for its next turn."""
    database = databases.open_database(load(idp.environ).database)
    tried = sa.select(JobRow.id).where(JobRow.kind == KIND, JobRow.state == "waiting", JobRow.attempts > 0)
    deadline = time.monotonic() + PATIENCE
    while True:
        with database.read() as tx:
            if tx.execute(tried).first() is not None:
                break
        assert time.monotonic() < deadline, "no letter was tried"
        time.sleep(0.02)
    database.engine.dispose()


def test_letters_outlive_their_server_and_ours(tmp_path: Path) -> None:
    inbox, port = Inbox(), free_port()
    with RunningIdp(tmp_path, mail_url=f"smtp://127.0.0.1:{port}") as idp:
        idp.user("ada")
        browser = Browser(idp.url)
        sent = browser.submit(Page(browser.open(f"{idp.url}/password/forgot")), "forgot", email="ada@example.com")
        assert sent.status_code == 200
        put_off(idp)
        idp.nodes[0].kill()
        with listening(inbox, port):
            node = idp.node()
            letter = inbox.letter("ada@example.com", "choose a new password")
            assert requests.get(link_in(letter).replace(idp.url, node), timeout=30).status_code == 200
            idp.cli("user", "set-password", "ada", "--password-stdin", stdin="another horse 48 clip\n")
            inbox.letter(
                "ada@example.com", "password was changed"
            )  # sent after the one before, so that one was not sent again
            assert len(inbox.letters("ada@example.com")) == 2
