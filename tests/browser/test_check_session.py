"""The check-session frame in a real browser: an app on another host keeps it, and hears of logins and logouts without asking us."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.sites import Site
from tests.browser.test_login_with import log_in
from tests.support.flows import App

pytestmark = pytest.mark.whole_browser

Ask = Callable[[object], str]
ASK = """message => new Promise(resolve => {
    const frame = document.querySelector("iframe");
    const idp = new URL(frame.src).origin;
    addEventListener("message", event => resolve([event.origin, event.data]), {once: true});
    frame.contentWindow.postMessage(message, idp);
})"""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with Site() as opened:
        yield opened.url


@pytest.fixture(scope="module")
def app(shop: Shop, site: str) -> App:
    metadata = {"redirect_uris": [f"{site}/callback"], "post_logout_redirect_uris": [f"{site}/bye"]}
    return App(shop.idp.url, shop.idp.client(consent="trusted", **metadata))


def silent(page: Page, app: App) -> dict[str, str]:
    """What the app is told when it asks with `prompt=none`."""
    page.goto(app.authorize_url(prompt="none")[0])
    page.wait_for_url(f"{app.redirect_uri}**")
    return dict(parse_qsl(urlsplit(page.url).query))


def frame(page: Page, app: App, site: str) -> Ask:
    """A page of the app with the frame in it; returns how it asks."""
    page.goto(f"{site}/")
    page.evaluate(
        """url => new Promise(resolve => {
            const frame = document.createElement("iframe");
            frame.onload = resolve;
            frame.src = url;
            document.body.append(frame);
        })""",
        f"{app.idp}/oauth/check_session",
    )

    def ask(message: object) -> str:
        origin, answer = page.evaluate(ASK, message)
        assert origin == app.idp
        return str(answer)

    return ask


def log_in_to(page: Page, app: App, name: str) -> str:
    """A whole login; the `session_state` the app gets."""
    page.goto(app.authorize_url()[0])
    log_in(page, name)
    page.wait_for_url(f"{app.redirect_uri}**")
    return dict(parse_qsl(urlsplit(page.url).query))["session_state"]


def test_unchanged_while_logged_in_and_changed_after_the_logout(
    visit_with_cookies_in_frames: Visit, shop: Shop, app: App, site: str
) -> None:
    page = visit_with_cookies_in_frames()
    before = silent(page, app)
    assert before["error"] == "login_required"
    ask = frame(page, app, site)
    assert ask(f"{app.client_id} {before['session_state']}") == "unchanged"

    state = log_in_to(page, app, shop.person())
    ask = frame(page, app, site)
    assert ask(f"{app.client_id} {state}") == "unchanged"
    assert ask(f"{app.client_id} {before['session_state']}") == "changed"
    assert ask(f"another {state}") == "changed"

    other = page.context.new_page()
    other.goto(f"{shop.idp.url}/oauth/logout")
    other.click("#logout-confirm")
    expect(other.locator("main#signed-out")).to_be_visible()
    assert ask(f"{app.client_id} {state}") == "changed", "in the page that was open all the time"
    assert silent(page, app)["error"] == "login_required"


def test_another_person_logging_in_is_a_change(
    visit_with_cookies_in_frames: Visit, shop: Shop, app: App, site: str
) -> None:
    page = visit_with_cookies_in_frames()
    state = log_in_to(page, app, shop.person())
    ask = frame(page, app, site)
    other = page.context.new_page()
    other.goto(f"{shop.idp.url}/login")
    log_in(other, shop.person())
    expect(other.locator("main")).to_contain_text("You are signed in as")
    assert ask(f"{app.client_id} {state}") == "changed"


@pytest.mark.parametrize(
    "message",
    ["", "one", "app ", "app .salt", "app nonsense", f"app  {'0' * 64}.s", f"app {'0' * 64}", 1, None, {"a": 1}],
    ids=repr,
)
def test_a_message_that_is_malformed_is_an_error(visit: Visit, app: App, site: str, message: object) -> None:
    assert frame(visit(), app, site)(message) == "error"


def test_a_browser_that_forgot_everything_is_changed(
    visit_with_cookies_in_frames: Visit, shop: Shop, app: App, site: str
) -> None:
    page = visit_with_cookies_in_frames()
    state = log_in_to(page, app, shop.person())
    page.context.clear_cookies()
    assert frame(page, app, site)(f"{app.client_id} {state}") == "changed"


def test_a_browser_that_keeps_cookies_from_frames_logs_nobody_out(
    visit_with_cookies_in_frames: Visit, shop: Shop, app: App, site: str
) -> None:
    """`error` tells the app to leave things as they are (§3.1); `changed` would end every login in such a browser."""
    page = visit_with_cookies_in_frames(allowed=False)
    state = log_in_to(page, app, shop.person())
    assert frame(page, app, site)(f"{app.client_id} {state}") == "error"
