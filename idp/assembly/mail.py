"""The pages behind mail, and the page of one's address."""

from __future__ import annotations

from idp.account.email import EmailPages
from idp.account.frame import AccountFrame
from idp.assembly.asks import asks
from idp.platform import mailbox_pages
from idp.platform.mailbox_pages import MailboxPages
from idp.platform.pages import Pages
from idp.users.email_change_pages import EmailChangePages
from idp.users.login.proof import SignUpProof
from idp.users.mail_pages import MailPages
from idp.wiring import House


def mailbox_rooms(house: House, pages: Pages) -> tuple[MailboxPages, ...]:
    """The letters themselves, where development keeps them; every page on which somebody waits for one leads there."""
    mailbox = house.mailer.mailbox
    if mailbox is None:
        return ()
    house.flask.jinja_env.globals["mailbox"] = house.settings.url(mailbox_pages.PATH)
    return (MailboxPages(pages, mailbox),)


def mail_rooms(
    house: House, pages: Pages, frame: AccountFrame, proof: SignUpProof | None
) -> tuple[MailPages, EmailChangePages, EmailPages]:
    """Passwords by mail, the proof of an address, and another address."""
    counted = asks(house)
    mail = MailPages(
        pages,
        counted,
        house.recovery,
        house.verification,
        proof.answer if proof else _nobody,
        min_length=house.settings.password_min_length,
    )
    address = EmailPages(frame, counted, house.email_changes, house.verification)
    return mail, EmailChangePages(pages, house.email_changes), address


def _nobody() -> None:
    """Nobody makes an account here whose address a letter proves."""
