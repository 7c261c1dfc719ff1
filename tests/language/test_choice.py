"""The choice of a language on the page at hand: links that work without scripts, and lead nowhere else."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

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
    flow = parse_qs(urlsplit(page.url).query)["flow"]
    german = browser.open(offered(page)["de"])
    assert parse_qs(urlsplit(german.url).query)["flow"] == flow
    refused = browser.submit(Page(german), "login", username="alice", password="wrong")
    assert 'lang="de"' in refused.text


def test_the_links_lead_to_the_page_at_hand_whatever_stands_in_its_address(idp: RunningIdp, browser: Browser) -> None:
    hostile = '/password/reset?token="><script>alert(1)</script>&language=tlh&next=//evil.test'
    page = browser.open(f"{idp.url}{hostile}")
    assert "<script>alert" not in page.text
    for link in offered(page).values():
        assert link.startswith(f"{idp.url}/password/reset?")


def test_what_was_posted_or_leads_away_offers_no_language(idp: RunningIdp, web_app: App, browser: Browser) -> None:
    page = browser.open(web_app.authorize_url()[0])
    assert not offered(browser.submit(Page(page), "login", username="alice", password="wrong"))
    assert not offered(browser.open(f"{idp.url}/oauth/logout"))
