"""The choice of a language on the page at hand: links that work without scripts, and lead nowhere else."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import requests

from idp.platform import i18n
from tests.support.flows import App, Browser, Page
from tests.support.running import RunningIdp


def offered(response: requests.Response) -> dict[str, str]:
    """The languages a page offers, with their links."""
    links = re.findall(r'<a href="([^"]*)"[^>]*hreflang="([\w-]+)"', response.text)
    return {tag: urljoin(response.url, unescape(link)) for link, tag in links}


def test_a_page_offers_every_other_language_by_its_own_name(idp: RunningIdp, browser: Browser) -> None:
    page = browser.open(f"{idp.url}/login")
    assert offered(page).keys() == {one.tag for one in i18n.languages()} - {"en"}
    for one in i18n.languages():
        assert (one.name in page.text) or one.tag == "en"
    japanese = browser.open(offered(page)["ja"])
    assert "ログイン" in japanese.text
    assert offered(japanese).keys() == {one.tag for one in i18n.languages()} - {"ja"}


def test_choosing_a_language_goes_on_with_the_same_login(idp: RunningIdp, web_app: App, browser: Browser) -> None:
    page = browser.open(web_app.authorize_url()[0])
    flow = [Page(page).forms["login"].fields["flow"]]
    german = browser.open(offered(page)["de"])
    assert parse_qs(urlsplit(german.url).query)["flow"] == flow
    refused = browser.submit(Page(german), "login", username="alice", password="wrong")
    assert 'lang="de"' in refused.text


def test_the_links_lead_to_the_page_at_hand_whatever_stands_in_its_address(idp: RunningIdp, browser: Browser) -> None:
    hostile = '/password/reset?token="><script>alert(1)</script>&language=tlh&next=//evil.test&ui_locales=de'
    page = browser.open(f"{idp.url}{hostile}")
    assert "<script>alert" not in page.text
    links = offered(page)
    assert links
    for tag, link in links.items():
        assert link.startswith(f"{idp.url}/password/reset?")
        assert parse_qs(urlsplit(link).query) == {"token": ['"><script>alert(1)</script>'], "language": [tag]}


def test_a_page_repeats_nothing_that_it_does_not_need(idp: RunningIdp, browser: Browser) -> None:
    page = browser.open(f"{idp.url}/login?code=outlandish&flow=x&password=outlandish")
    assert "outlandish" not in page.text
    links = offered(browser.open(f"{idp.url}/password/forgot?utm=outlandish"))
    assert links["de"] == f"{idp.url}/password/forgot?language=de"


@pytest.mark.parametrize(
    "asked",
    [
        "/oauth/authorize?client_id=nobody&state=outlandish&id_token_hint=outlandish&redirect_uri=https://outlandish.test",
        "/oauth/authorize?response_type=code&scope=outlandish",
        "/oauth/logout?id_token_hint=outlandish&post_logout_redirect_uri=https://outlandish.test&client_id=a&client_id=b",
        "/oauth/logout?request=outlandish",
        "/login/with/nobody/callback?code=outlandish&state=outlandish",
        "/consent?flow=x&token=outlandish",
        "/nowhere?step=outlandish",
    ],
)
def test_an_error_page_repeats_nothing_of_what_led_there(idp: RunningIdp, browser: Browser, asked: str) -> None:
    page = browser.open(f"{idp.url}{asked}")
    assert Page(page).main["id"] == "error"
    assert "outlandish" not in page.text
    assert not offered(page)


@pytest.mark.parametrize("address", ["/nowhere", "/consent?flow=gone"])
def test_an_error_page_that_is_the_same_without_is_offered_in_other_languages(
    idp: RunningIdp, browser: Browser, address: str
) -> None:
    page = browser.open(f"{idp.url}{address}")
    german = browser.open(offered(page)["de"])
    assert (Page(german).main["id"], german.status_code) == ("error", page.status_code)
    assert 'lang="de"' in german.text


def test_whoever_is_asked_whether_to_sign_out_may_choose_a_language_first(
    idp: RunningIdp, web_app: App, browser: Browser, person: str
) -> None:
    web_app.login(browser, person)
    query = urlencode({"client_id": web_app.client["client_id"], "state": "s", "more": "outlandish"})
    page = browser.open(f"{idp.url}/oauth/logout?{query}")
    assert "outlandish" not in page.text
    german = browser.open(offered(page)["de"])
    assert Page(german).forms["logout"].fields["state"] == "s"
    assert "Abmelden?" in german.text


def test_what_was_posted_or_leads_away_offers_no_language(idp: RunningIdp, web_app: App, browser: Browser) -> None:
    page = browser.open(web_app.authorize_url()[0])
    assert not offered(browser.submit(Page(page), "login", username="alice", password="wrong"))
    assert not offered(browser.open(f"{idp.url}/oauth/logout"))
