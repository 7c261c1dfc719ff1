"""Front-channel logout in a real browser: the apps' frames load, and the person is back at the app whatever the others do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.shop import Shop
from tests.browser.sites import PAGE, Site
from tests.browser.test_login_with import log_in
from tests.support.flows import App, claims

SCRIPTED = PAGE + "<script>document.cookie = 'left=yes'; fetch('/ran')</script>"


@pytest.fixture
def sites() -> Iterator[tuple[Site, Site]]:
    """An app that asks for the logout and another of the same session; frames at `/frame` load, those at `/hangs` never do."""
    with ExitStack() as running:
        made = [running.enter_context(Site(hangs=("/hangs",), pages={"/frame": SCRIPTED})) for _ in range(2)]
        yield made[0], made[1]


def client(shop: Shop, site: Site, frame: str | None) -> App:
    document = {
        "redirect_uris": [f"{site.url}/callback"],
        "post_logout_redirect_uris": [f"{site.url}/bye"],
        "consent": "trusted",
        **({"frontchannel_logout_uri": f"{site.url}{frame}"} if frame else {}),
    }
    return App(shop.idp.url, shop.idp.client(**document))


def enter(page: Page, app: App, name: str | None = None) -> str:
    """Log in to an app, with the password only the first time; the ID token."""
    url, verifier = app.authorize_url()
    page.goto(url)
    if name is not None:
        log_in(page, name)
    page.wait_for_url(f"{app.redirect_uri}**")
    code = parse_qs(urlsplit(page.url).query)["code"][0]
    return str(app.redeem(code, verifier).json()["id_token"])


def logout_url(app: App, hint: str) -> str:
    back = app.redirect_uri.replace("/callback", "/bye")
    return f"{app.idp}/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri={back}&state=the+state"


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_the_frames_load_and_then_the_person_is_back(
    visit: Visit, shop: Shop, sites: tuple[Site, Site], scripts: bool
) -> None:
    asking, other = sites
    page = visit(java_script_enabled=scripts)
    one, two = client(shop, asking, "/frame"), client(shop, other, "/frame?tenant=1")
    hint = enter(page, one, shop.person())
    enter(page, two)
    page.goto(logout_url(one, hint), wait_until="commit")
    page.wait_for_url(f"{asking.url}/bye?state=the+state")
    for site, query in ((asking, {}), (other, {"tenant": ["1"]})):
        [frame] = [path for path in site.asked if path.startswith("/frame")]
        told = {"iss": [shop.idp.issuer], "sid": [claims(hint)["sid"]], **query}
        assert parse_qs(urlsplit(frame).query) == told
        assert ("/ran" in site.asked) == scripts, "the app's own scripts run in its frame"


def test_an_app_that_hangs_keeps_nobody(visit: Visit, shop: Shop, sites: tuple[Site, Site]) -> None:
    asking, other = sites
    page = visit()
    one, two = client(shop, asking, None), client(shop, other, "/hangs")
    hint = enter(page, one, shop.person())
    enter(page, two)
    page.goto(logout_url(one, hint), wait_until="commit")
    page.wait_for_url(f"{asking.url}/bye?state=the+state")
    assert any(path.startswith("/hangs?iss=") for path in other.asked)


def test_without_scripts_an_app_that_hangs_leaves_a_way_on(visit: Visit, shop: Shop, sites: tuple[Site, Site]) -> None:
    asking, other = sites
    page = visit(java_script_enabled=False)
    one, two = client(shop, asking, None), client(shop, other, "/hangs")
    hint = enter(page, one, shop.person())
    enter(page, two)
    page.goto(logout_url(one, hint), wait_until="commit")
    expect(page.locator("main#signed-out")).to_be_visible()
    page.click("#logout-continue")
    page.wait_for_url(f"{asking.url}/bye?state=the+state")


def test_somebody_who_signs_out_here_stays_here_while_the_apps_hear_of_it(
    visit: Visit, shop: Shop, sites: tuple[Site, Site]
) -> None:
    asking, _ = sites
    page = visit()
    enter(page, client(shop, asking, "/frame"), shop.person())
    page.goto(f"{shop.idp.url}/oauth/logout")
    page.click("#logout-confirm")
    expect(page.locator("main#signed-out")).to_be_visible()
    page.wait_for_load_state()
    assert any(path.startswith("/frame?iss=") for path in asking.asked)


def test_going_back_does_not_come_to_the_page_of_frames_again(
    visit: Visit, shop: Shop, sites: tuple[Site, Site]
) -> None:
    asking, _ = sites
    page = visit()
    app = client(shop, asking, "/frame")
    hint = enter(page, app, shop.person())
    page.goto(logout_url(app, hint), wait_until="commit")
    page.wait_for_url(f"{asking.url}/bye**")
    page.go_back()
    page.wait_for_url(f"{app.redirect_uri}**")
