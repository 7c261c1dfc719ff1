"""Mail: sent once the change commits, by file or SMTP, in any language, and never with a header somebody slipped in."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from idp.errors import Refused
from idp.platform.db import Database
from idp.platform.jobs import Jobs
from idp.platform.mailer import Mailer
from idp.platform.models import JobRow
from idp.platform.secrets import MasterKey
from tests.support.clocks import ManualClock
from tests.support.ports import free_port
from tests.support.smtp import Inbox, listening, parsed

SENDER = "no-reply@idp.test"
TEXT = "Grüße, 日本 😀\nhttps://idp.test/x?token=abc\n.\n"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    kept = Inbox()
    with listening(kept) as address:
        yield kept, address


def mailer(database: Database, clock: ManualClock, url: str) -> tuple[Mailer, Jobs]:
    jobs = Jobs(database, clock)
    return Mailer(url, SENDER, clock, jobs, MasterKey(bytes(32))), jobs


def send(database: Database, clock: ManualClock, url: str, **changes: Any) -> int:
    post, jobs = mailer(database, clock, url)
    with database.write() as tx:
        post.queue(tx, **{"to": "alice@example.com", "subject": "Your code – Schlüssel", "text": TEXT, **changes})
    return jobs.run_due()


def states(database: Database) -> list[tuple[str, int]]:
    with database.read() as tx:
        return [(row.state, row.attempts) for row in tx.execute(sa.select(JobRow.state, JobRow.attempts))]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_a_mail_in_a_file_says_what_was_written(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    assert send(database, clock, f"file://{tmp_path / 'mail'}", html="<p>Grüße</p>") == 1
    (path,) = (tmp_path / "mail").iterdir()
    assert path.suffix == ".eml"
    assert path.read_bytes().isascii()
    message = parsed(path.read_bytes())
    assert (message["From"], message["To"], message["Subject"]) == (
        SENDER,
        "alice@example.com",
        "Your code – Schlüssel",
    )
    assert message["Date"]
    assert message["Message-ID"].endswith("@idp.test>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert text_of(message) == TEXT
    html = message.get_body(("html",))
    assert html is not None
    assert html.get_content().strip() == "<p>Grüße</p>"


def test_a_mail_by_smtp_says_what_was_written(database: Database, clock: ManualClock, inbox: tuple[Inbox, str]) -> None:
    kept, address = inbox
    assert send(database, clock, f"smtp://{address}") == 1
    ((recipients, raw),) = kept.taken
    assert recipients == ["alice@example.com"]
    assert raw.isascii(), "a server need not take eight bits"
    message = parsed(raw)
    assert (message["To"], message["Subject"]) == ("alice@example.com", "Your code – Schlüssel")
    assert text_of(message) == TEXT
    assert states(database) == [("done", 1)]


def test_a_mail_that_is_not_taken_is_sent_again(
    database: Database, clock: ManualClock, inbox: tuple[Inbox, str]
) -> None:
    kept, address = inbox
    kept.busy = 1
    post, jobs = mailer(database, clock, f"smtp://{address}")
    with database.write() as tx:
        post.queue(tx, to="alice@example.com", subject="s", text="t")
    jobs.run_due()
    assert (len(kept.taken), states(database)) == (0, [("waiting", 1)])
    clock.advance(10)
    jobs.run_due()
    assert (len(kept.taken), states(database)) == (1, [("done", 2)])


def test_a_mail_that_was_taken_unheard_is_sent_again_as_the_same_letter(
    database: Database, clock: ManualClock, inbox: tuple[Inbox, str]
) -> None:
    """RFC 5322 §3.6.4: mail programs know by the Message-ID that they have it already."""
    kept, address = inbox
    kept.cut = 1
    post, jobs = mailer(database, clock, f"smtp://{address}")
    with database.write() as tx:
        for subject in ("one", "two"):
            post.queue(tx, to="alice@example.com", subject=subject, text="t")
    jobs.run_due()
    clock.advance(10)
    jobs.run_due()
    assert sorted(states(database)) == [("done", 1), ("done", 2)]
    letters = [parsed(raw) for _, raw in kept.taken]
    assert len(letters) == 3
    assert len({letter["Message-ID"] for letter in letters}) == 2
    for subject in ("one", "two"):
        assert len({(one["Message-ID"], one["Date"]) for one in letters if one["Subject"] == subject}) == 1


def test_a_mail_to_nobody_is_not_sent_again(database: Database, clock: ManualClock, inbox: tuple[Inbox, str]) -> None:
    kept, address = inbox
    kept.unknown = "alice@example.com"
    assert send(database, clock, f"smtp://{address}") == 1
    assert (kept.taken, states(database)) == ([], [("done", 1)])


def test_a_night_without_a_server_loses_no_mail(
    database: Database, clock: ManualClock, inbox: tuple[Inbox, str]
) -> None:
    kept, address = inbox
    kept.busy = 20
    send(database, clock, f"smtp://{address}")
    for _ in range(20):
        clock.advance(4400)
        Mailer(f"smtp://{address}", SENDER, clock, jobs := Jobs(database, clock), MasterKey(bytes(32)))
        jobs.run_due()
    assert len(kept.taken) == 1
    assert states(database) == [("done", 21)]


def test_a_mail_waits_while_the_server_is_away(database: Database, clock: ManualClock) -> None:
    send(database, clock, f"smtp://127.0.0.1:{free_port()}")
    assert states(database) == [("waiting", 1)]


def test_a_mail_of_a_change_that_is_rolled_back_is_not_sent(
    database: Database, clock: ManualClock, tmp_path: Path
) -> None:
    post, jobs = mailer(database, clock, f"file://{tmp_path / 'mail'}")
    with pytest.raises(RuntimeError), database.write() as tx:
        post.queue(tx, to="alice@example.com", subject="s", text="t")
        raise RuntimeError
    assert jobs.run_due() == 0
    assert not (tmp_path / "mail").exists()


def test_a_line_break_lets_no_header_in(database: Database, clock: ManualClock, tmp_path: Path) -> None:
    post, jobs = mailer(database, clock, f"file://{tmp_path / 'mail'}")
    good = {"to": "alice@example.com", "subject": "s", "text": "t"}
    for name in ("to", "subject"):
        for ending in (
            "\r\nBcc: eve@evil.test",
            "\nBcc: eve@evil.test",
            "\r\n\r\nAnother body",
            "\r",
            "\n",
            "\u2028x",
            "\x00",
            "\udcff",
        ):
            with pytest.raises(Refused), database.write() as tx:
                post.queue(tx, **{**good, name: good[name] + ending})
    assert jobs.run_due() == 0
    assert states(database) == []


@pytest.mark.parametrize("url", ["", "x", "http://mail.test", "/tmp/mail", "smtp", "imap://mail.test"])
def test_a_way_to_send_that_we_do_not_know_is_refused(clock: ManualClock, url: str) -> None:
    with pytest.raises(Refused):
        Mailer(url, SENDER, clock, Jobs(None, clock), MasterKey(bytes(32)))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_user_and_password_in_the_url_are_decoded_and_used(database: Database, clock: ManualClock) -> None:
    seen: list[LoginPassword] = []

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        seen.append(given)
        return AuthResult(success=True)

    kept = Inbox()
    options = {"authenticator": check, "auth_require_tls": False, "auth_required": True}
    controller = Controller(kept, hostname="127.0.0.1", port=free_port(), **options)  # type: ignore[arg-type]
    controller.start()
    try:
        send(database, clock, f"smtp://post%40idp:p%40ss%2Fword@127.0.0.1:{controller.port}")
    finally:
        controller.stop()
    assert seen[0] == LoginPassword(b"post@idp", b"p@ss/word")
    assert len(kept.taken) == 1
