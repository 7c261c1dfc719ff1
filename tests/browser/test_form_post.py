"""The form_post page in a real browser: it posts itself, and without scripts its button does."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request, Route

from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.test_login_with import log_in
from tests.support.flows import App

CALLBACK = "https://form-post.test/cb"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_a_code_is_posted_to_the_app(visit: Visit, shop: Shop, scripts: bool) -> None:
    app = App(shop.idp.url, shop.idp.client(redirect_uris=[CALLBACK], consent="trusted"))
    url, verifier = app.authorize_url(response_mode="form_post", state="\"<ü>'")
    page = visit(java_script_enabled=scripts)
    posts = _posts_of(page)
    page.goto(url)
    log_in(page, shop.person())
    if not scripts:
        page.click("#response-submit")
    page.wait_for_url(CALLBACK)
    [post] = posts
    assert (post.method, post.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    sent = parse_qs(post.post_data or "", strict_parsing=True)
    assert sent.keys() == {"code", "state", "iss", "session_state"}
    assert sent["state"] == ["\"<ü>'"]
    assert app.redeem(sent["code"][0], verifier).status_code == 200


def _posts_of(page: Page) -> list[Request]:
    """The app, as far as the browser can tell: what is sent to its callback is kept."""
    kept: list[Request] = []

    def answer(route: Route) -> None:
        kept.append(route.request)
        route.fulfill(status=200, content_type="text/html", body="<!doctype html><link rel=icon href='data:,'>thanks")

    page.route(CALLBACK, answer)
    return kept
