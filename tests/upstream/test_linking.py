"""Linked accounts: only (provider, sub) opens an account; who may link; and unlinking that locks nobody out."""

from __future__ import annotations

import concurrent.futures

import pytest
import requests
import sqlalchemy as sa

from idp.platform.db import insert_or_ignore
from idp.upstream.models import LinkedAccountRow
from idp.users import store
from idp.users.models import UserRow
from tests.support.databases import open_database, until_somebody_waits
from tests.support.flows import Browser, Page
from tests.support.provider import Provider
from tests.support.running import RunningIdp
from tests.upstream.support import Upstream, is_home, new_name, signed_in, stopped, who
from tests.users.mail import letter_about, link_in


@pytest.fixture
def name(idp: RunningIdp) -> str:
    """A person with a password and a verified address."""
    made = new_name()
    idp.user(made, "--email-verified")
    return made


def linked_page(idp: RunningIdp, browser: Browser) -> Page:
    return Page(browser.open(f"{idp.url}/account/linked"))


def test_a_person_links_sees_uses_and_unlinks(upstream: Upstream, provider: Provider, name: str) -> None:
    idp, browser = upstream.idp, signed_in(upstream.idp, name)
    provider.person |= {"name": "Ada There", "email": "ada@there.test"}
    page = upstream.link(browser)
    for words in ("The Other", "Ada There", "ada@there.test", "not used yet"):
        assert words in page.text

    assert is_home(upstream.log_in(Browser(idp.url)), name)
    page = browser.open(f"{idp.url}/account/linked")
    assert "not used yet" not in page.text
    assert "last used" in page.text

    assert "None yet" in browser.submit(Page(page), "unlink-1").text
    provider.person |= {"preferred_username": new_name()}
    assert not is_home(upstream.log_in(Browser(idp.url)), name)


def test_an_account_there_opens_one_account_here(upstream: Upstream, name: str) -> None:
    upstream.link(signed_in(upstream.idp, name))
    other = new_name()
    upstream.idp.user(other)
    response = upstream.link(signed_in(upstream.idp, other))
    assert stopped(response) == "taken"
    assert is_home(upstream.log_in(Browser(upstream.idp.url)), name)


@pytest.mark.parametrize("idp", ["postgresql"], indirect=True)  # where there is more than one writer
def test_a_first_login_and_somebody_who_links_do_not_wait_for_one_another(upstream: Upstream, name: str) -> None:
    """Who links locks the person, then the link; so must who logs in with it."""
    idp = upstream.idp
    upstream.link(signed_in(idp, name))
    database = open_database(idp.environ["IDP_DATABASE_URL"])
    mine = UserRow.username == name
    with database.write() as tx:
        tx.execute(sa.update(UserRow).where(mine).values(first_login_at=None))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with database.write() as tx:
            sub = tx.execute(sa.select(UserRow.sub).where(mine)).scalar_one()
            store.hold(tx, sub)
            login = pool.submit(upstream.log_in, Browser(idp.url))
            until_somebody_waits(database.engine)
            link = sa.select(LinkedAccountRow.__table__).where(LinkedAccountRow.sub == sub)
            assert not insert_or_ignore(tx, LinkedAccountRow, tx.execute(link).mappings().one())
        response = login.result()
    database.engine.dispose()
    assert is_home(response, name), response.text


def test_linking_twice_changes_nothing(upstream: Upstream, name: str) -> None:
    browser = signed_in(upstream.idp, name)
    upstream.link(browser)
    assert upstream.link(browser).text.count("Unlink</button>") == 1


def test_a_link_is_made_for_the_person_who_asked_for_it(upstream: Upstream, name: str) -> None:
    """Neither for who signed in meanwhile in the same browser, nor after they signed out."""
    browser = signed_in(upstream.idp, name)
    page = linked_page(upstream.idp, browser)
    answer = upstream.provider.authorize(browser.submit(page, f"link-{upstream.name}").headers["Location"])
    browser.http.cookies.pop("idp-session")
    assert stopped(upstream.arrive(browser, answer)) == "other"
    upstream.provider.person |= {"preferred_username": new_name()}
    assert not is_home(upstream.log_in(Browser(upstream.idp.url)), name)


def test_a_link_cannot_be_forced_on_somebody(upstream: Upstream, name: str) -> None:
    """An answer that an attacker began in their own browser links nothing in the victim's."""
    attacker = new_name()
    upstream.idp.user(attacker)
    browser = signed_in(upstream.idp, attacker)
    page = linked_page(upstream.idp, browser)
    answer = upstream.provider.authorize(browser.submit(page, f"link-{upstream.name}").headers["Location"])
    victim = signed_in(upstream.idp, name)
    assert stopped(upstream.arrive(victim, answer)) == "expired"
    assert "None yet" in victim.open(f"{upstream.idp.url}/account/linked").text


def test_linking_asks_for_a_signed_in_person(upstream: Upstream, browser: Browser) -> None:
    assert "login" in linked_page(upstream.idp, browser).forms
    response = browser.http.post(f"{upstream.idp.url}/account/linked/add", data={"provider": upstream.name}, timeout=30)
    assert "login" in Page(response).forms


def test_a_verified_address_at_both_links_by_itself(upstream: Upstream, provider: Provider, name: str) -> None:
    provider.person |= {"email": f"{name}@EXAMPLE.com", "email_verified": True}
    browser = Browser(upstream.idp.url)
    assert is_home(upstream.log_in(browser), name)
    assert "The Other" in browser.open(f"{upstream.idp.url}/account/linked").text


@pytest.mark.parametrize("lacking", ["verified there", "trust"])
def test_an_address_that_nobody_proved_opens_nothing_and_is_linked_by_its_owner(
    upstream: Upstream, provider: Provider, name: str, lacking: str
) -> None:
    """They get an account of their own, and a letter to the owner says how to make one of the two."""
    idp, other = upstream.idp, new_name()
    provider.person |= {
        "preferred_username": other,
        "email": f"{name}@example.com",
        "email_verified": lacking != "verified there",
    }
    if lacking == "trust":
        upstream.change(trusts_email=None)
    stranger = Browser(idp.url)
    assert is_home(upstream.log_in(stranger), other)
    assert who(idp, other)["email"] is None
    letter = letter_about(idp, f"{name}@example.com", "you have an account already")
    for words in ("The Other", "Your data", f"Hello {name},"):
        assert words in str(letter.get_body(("plain",)))

    owner = signed_in(idp, name)
    assert Page(owner.open(link_in(letter))).response.url == f"{idp.url}/account/linked"
    assert "None yet" in owner.open(f"{idp.url}/account/linked").text
    assert stopped(upstream.link(owner)) == "taken"
    delete = Page(stranger.open(f"{idp.url}/account/close"))
    assert "deleted for good" in stranger.submit(delete, "close-delete", sure="yes").text
    assert "The Other" in upstream.link(owner).text
    assert is_home(upstream.log_in(Browser(idp.url)), name)


def test_an_account_that_is_closed_for_a_while_keeps_its_link(
    upstream: Upstream, provider: Provider, name: str, browser: Browser
) -> None:
    other = new_name()
    provider.person |= {"preferred_username": other}
    assert is_home(upstream.log_in(browser), other)
    browser.submit(Page(browser.open(f"{upstream.idp.url}/account/close")), "close-disable", sure="yes")
    assert stopped(upstream.link(signed_in(upstream.idp, name))) == "taken"
    back = Browser(upstream.idp.url)
    assert is_home(back.submit(Page(upstream.log_in(back)), "return"), other)


def test_whoever_proved_an_address_is_told_of_the_account_that_did_not(upstream: Upstream, provider: Provider) -> None:
    name, idp = new_name(), upstream.idp
    idp.user(name)
    provider.person |= {"email": f"{name}@example.com", "email_verified": True}
    response = upstream.log_in(Browser(idp.url))
    assert stopped(response) == "clash"
    assert "Sign in to it first" in response.text
    browser = signed_in(idp, name)
    assert "None yet" in browser.open(f"{idp.url}/account/linked").text
    upstream.link(browser)
    assert is_home(upstream.log_in(Browser(idp.url)), name)


def test_an_address_that_moved_there_opens_nothing(upstream: Upstream, provider: Provider, name: str) -> None:
    """The link is by `sub`: who gets the address later at the provider is somebody else."""
    upstream.link(signed_in(upstream.idp, name))
    upstream.change(trusts_email=None)
    other = new_name()
    provider.person = {
        "sub": other,
        "preferred_username": other,
        "email": f"{name}@example.com",
        "email_verified": True,
    }
    assert is_home(upstream.log_in(Browser(upstream.idp.url)), other)


def test_the_last_way_in_cannot_be_unlinked(upstream: Upstream, provider: Provider, browser: Browser) -> None:
    name = new_name()
    provider.person |= {"preferred_username": name}
    assert is_home(upstream.log_in(browser), name)
    page = linked_page(upstream.idp, browser)
    response = browser.submit(page, "unlink-1")
    assert response.status_code == 409
    assert "the only way into your account" in response.text.lower()
    assert is_home(upstream.log_in(Browser(upstream.idp.url)), name)


def test_of_two_last_links_one_stays_however_they_are_removed(
    idp: RunningIdp, upstream: Upstream, browser: Browser
) -> None:
    name = new_name()
    upstream.provider.person |= {"preferred_username": name}
    assert is_home(upstream.log_in(browser), name)
    with Provider() as second:
        other = Upstream.registered(idp, second, new_name(), title="Second")
        other.link(browser)
        text = browser.open(f"{idp.url}/account/linked").text
        links = [part.split('"')[0] for part in text.split('name="link" value="')[1:]]
        csrf = text.split('name="csrf" value="')[1].split('"')[0]
        url = f"{idp.url}/account/linked/remove"

        def remove(link: str) -> int:
            data = {"csrf": csrf, "link": link}
            cookies = browser.http.cookies.get_dict()
            return requests.post(url, data=data, cookies=cookies, allow_redirects=False, timeout=30).status_code

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(remove, links)) == [303, 409]
        idp.cli("upstream", "delete", other.name)


def test_a_link_whose_provider_is_off_is_no_way_in(idp: RunningIdp, upstream: Upstream, browser: Browser) -> None:
    name = new_name()
    upstream.provider.person |= {"preferred_username": name}
    assert is_home(upstream.log_in(browser), name)
    with Provider() as second:
        other = Upstream.registered(idp, second, new_name(), title="Second")
        other.link(browser)
        idp.cli("upstream", "disable", other.name)
        first = browser.open(f"{idp.url}/account/linked")
        assert browser.submit(Page(first), "unlink-1").status_code == 409
        idp.cli("upstream", "delete", other.name)


def test_deleting_a_person_frees_the_account_there(upstream: Upstream, provider: Provider, name: str) -> None:
    upstream.link(signed_in(upstream.idp, name))
    upstream.idp.cli("user", "delete", name)
    again = new_name()
    provider.person |= {"preferred_username": again}
    assert is_home(upstream.log_in(Browser(upstream.idp.url)), again)


def test_somebody_elses_link_cannot_be_removed(upstream: Upstream, name: str) -> None:
    browser = signed_in(upstream.idp, name)
    page = Page(upstream.link(browser))
    link = page.forms["unlink-1"].fields["link"]
    other = new_name()
    upstream.idp.user(other)
    thief = signed_in(upstream.idp, other)
    fields = linked_page(upstream.idp, thief).forms[f"link-{upstream.name}"].fields
    thief.http.post(
        f"{upstream.idp.url}/account/linked/remove", data={"csrf": fields["csrf"], "link": link}, timeout=30
    )
    assert is_home(upstream.log_in(Browser(upstream.idp.url)), name)
