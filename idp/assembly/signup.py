"""Accounts that people make themselves: who may, the page with a password, and the proof of a stranger's address."""

from __future__ import annotations

from idp.assembly.asks import asks
from idp.assembly.login import login_policy
from idp.platform.pages import Pages
from idp.upstream.directory import ProviderDirectory
from idp.users.login.admission import Admission
from idp.users.login.context import FindContext
from idp.users.login.policy import PASSKEY
from idp.users.login.proof import SignUpProof
from idp.users.login.signup import SignUpPage
from idp.wiring import House


def admission(house: House, pages: Pages, find_context: FindContext) -> Admission | None:
    """Who may make an account; None where nobody may."""
    settings = house.settings
    if settings.signup == "off":
        return None
    strangers = settings.signup == "on"
    return Admission(
        pages=pages,
        asks=asks(house),
        accounts=house.accounts,
        invitations=house.invitations,
        signups=house.signups if strangers and house.mailer.reaches_people else None,
        find_context=find_context,
        open=strangers,
    )


def sign_up_page(house: House, pages: Pages, admitting: Admission) -> SignUpPage:
    policy = login_policy(house)
    return SignUpPage(
        pages=pages,
        accounts=house.accounts,
        policy=policy,
        admission=admitting,
        others=ProviderDirectory(house.database, house.master).enabled,
        with_passkey=PASSKEY in policy.methods,
        min_length=house.settings.password_min_length,
    )


def sign_up_proof(pages: Pages, admitting: Admission | None) -> SignUpProof | None:
    """The proof of a stranger's address; None where no letter asks for one."""
    if admitting is None or admitting.signups is None:
        return None
    return SignUpProof(pages, admitting, admitting.signups)
