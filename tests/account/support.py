"""What tests of the account pages share."""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def signed_in(idp: RunningIdp, name: str, path: str = "/account", *, agent: str = FIREFOX) -> Browser:
    """A browser of this person that was sent to sign in by this page, and is back on it."""
    browser = Browser(idp.url)
    browser.http.headers["User-Agent"] = agent
    page = Page(browser.open(f"{idp.url}{path}"))
    assert "login" not in Page(browser.submit(page, "login", username=name, password=PASSWORD)).forms
    return browser


def shown(idp: RunningIdp, browser: Browser, path: str) -> str:
    """The text of a page, without its tags."""
    response = browser.open(f"{idp.url}{path}")
    assert response.status_code == 200, response.text
    return text_of(response)


def text_of(response: requests.Response) -> str:
    """A page as people read it."""
    body = response.text.partition("<body")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def page_of(idp: RunningIdp, browser: Browser, path: str) -> Page:
    return Page(browser.open(f"{idp.url}{path}"))


def post(idp: RunningIdp, browser: Browser, path: str, **fields: Any) -> requests.Response:
    """A form of nobody's page."""
    return browser.http.post(f"{idp.url}{path}", data=fields, allow_redirects=False, timeout=30)


def at_once(browser: Browser, page: Page, form: str, times: int, **fields: str) -> list[int]:
    """Post a form so often at once; the statuses of the answers."""
    target = page.forms[form]
    cookies, headers = browser.http.cookies.get_dict(), {"User-Agent": FIREFOX}

    def send(_number: int) -> int:
        answer = requests.post(
            target.action,
            data={**target.fields, **fields},
            cookies=cookies,
            headers=headers,
            allow_redirects=False,
            timeout=30,
        )
        return answer.status_code

    with ThreadPoolExecutor(times) as pool:
        return sorted(pool.map(send, range(times)))
