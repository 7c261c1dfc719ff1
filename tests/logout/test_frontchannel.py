"""OpenID Connect Front-Channel Logout 1.0 over HTTP: the page and its frames; tests/browser has them in a real browser."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from tests.logout.receiver import ListeningApp
from tests.logout.support import BYE, CALLBACK, STATE, is_logged_in, logout_url, signed_out, trusted
from tests.support.flows import App, Browser, Page, claims
from tests.support.running import RunningIdp

FRAME = "https://app.test/frame"


class Loaded(HTMLParser):
    """The frames of a page, its scripts and its links."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.frames: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.refresh: list[str] = []
        self.links: dict[str | None, str | None] = {}
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        match tag:
            case "iframe":
                self.frames.append(str(found["src"]))
            case "script":
                self.scripts.append(found)
            case "meta" if found.get("http-equiv") == "refresh":
                self.refresh.append(str(found["content"]))
            case "a":
                self.links[found.get("id")] = found["href"]


def policy_of(response: requests.Response) -> dict[str, str]:
    parts = (part.partition(" ") for part in response.headers["Content-Security-Policy"].split("; "))
    return {name: value for name, _, value in parts}


def framed(idp: RunningIdp, uri: str = FRAME, origin: str = "https://app.test") -> App:
    """A client that wants a frame."""
    return trusted(
        idp,
        redirect_uris=[f"{origin}/callback"],
        post_logout_redirect_uris=[BYE],
        frontchannel_logout_uri=uri,
        frontchannel_logout_session_required=True,
    )


def test_oidcc_frontchannel_logout_discovery_endpoint_verification(idp: RunningIdp) -> None:
    document = requests.get(f"{idp.url}/.well-known/openid-configuration").json()
    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True
    assert document["end_session_endpoint"] == f"{idp.issuer}/oauth/logout"


def test_oidcc_frontchannel_rp_initiated_logout(idp: RunningIdp, browser: Browser, person: str) -> None:
    app = framed(idp)
    hint = app.tokens(browser, person)["id_token"]
    response = browser.open(logout_url(idp.url, id_token_hint=hint, post_logout_redirect_uri=BYE, state=STATE))
    assert (response.status_code, signed_out(Page(response))) == (200, True)
    page, back = Loaded(response), f"{BYE}?state={STATE}"
    [frame] = page.frames
    assert frame.partition("?")[0] == FRAME
    assert parse_qsl(urlsplit(frame).query) == [("iss", idp.issuer), ("sid", claims(hint)["sid"])]
    assert page.links["logout-continue"] == back
    assert page.refresh == [f"1; url={back}"]
    assert f'location.replace("{back}")' in response.text
    assert not is_logged_in(app, browser)


def test_the_page_may_frame_the_apps_it_calls_and_nothing_else(idp: RunningIdp, browser: Browser, person: str) -> None:
    one, other = framed(idp), framed(idp, "https://other.test:8443/out", "https://other.test:8443")
    third = framed(idp, f"{FRAME}?tenant=1")
    plain = trusted(idp)
    disabled = framed(idp, "https://disabled.test/out", "https://disabled.test")
    for app in (one, other, third, plain, disabled):
        hint = app.tokens(browser, person)["id_token"]
    idp.cli("client", "disable", disabled.client_id)
    response = browser.open(logout_url(idp.url, id_token_hint=hint_of(plain, browser), post_logout_redirect_uri=BYE))
    policy, page = policy_of(response), Loaded(response)
    assert policy["frame-src"].split() == ["https://app.test", "https://other.test:8443"]
    assert policy["script-src"] == f"'nonce-{page.scripts[0]['nonce']}'"
    assert len(page.scripts) == 1
    assert policy["default-src"] == "'none'"
    assert sorted(frame.partition("iss=")[0] for frame in page.frames) == [
        f"{FRAME}?",
        f"{FRAME}?tenant=1&",
        "https://other.test:8443/out?",
    ]
    assert {dict(parse_qsl(urlsplit(frame).query))["sid"] for frame in page.frames} == {claims(hint)["sid"]}


def hint_of(app: App, browser: Browser) -> str:
    """One more ID token of a session that lives already."""
    return str(app.tokens(browser, "nobody needs to log in")["id_token"])


def test_without_a_way_back_the_page_stays_and_needs_no_script(idp: RunningIdp, browser: Browser, person: str) -> None:
    app = framed(idp)
    app.login(browser, person)
    question = Page(browser.open(logout_url(idp.url)))
    response = browser.submit(question, "logout", confirm="yes")
    page = Loaded(response)
    assert len(page.frames) == 1
    assert (page.scripts, page.refresh) == ([], [])
    assert "script-src" not in policy_of(response)


def test_without_frames_nobody_waits(idp: RunningIdp, browser: Browser, person: str) -> None:
    app, other = trusted(idp), framed(idp)
    hint = app.tokens(browser, person)["id_token"]
    other.login(Browser(idp.url), person)
    url = logout_url(idp.url, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert browser.open(url).headers["Location"] == BYE
    response = browser.open(logout_url(idp.url))
    assert "frame-src" not in policy_of(response)


def test_a_page_that_is_loaded_again_has_nothing_left_to_do(idp: RunningIdp, browser: Browser, person: str) -> None:
    app = framed(idp)
    url = logout_url(idp.url, id_token_hint=app.tokens(browser, person)["id_token"], post_logout_redirect_uri=BYE)
    assert Loaded(browser.open(url)).frames
    assert browser.open(url).headers["Location"] == BYE


def test_an_app_of_the_implicit_flow_hears_of_the_logout_by_both_channels(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It never redeems a code: that it was given a login is enough."""
    with RunningIdp(tmp_path_factory.mktemp("implicit"), implicit="true") as idp, ListeningApp() as server:
        idp.user("ada")
        document = {
            "response_types": ["id_token"],
            "grant_types": ["implicit"],
            "security_profile": "oidc",
            "frontchannel_logout_uri": FRAME,
            "backchannel_logout_uri": server.uri,
            "redirect_uris": [CALLBACK],
        }
        app, browser = trusted(idp, **document), Browser(idp.url)
        answer, _ = app.login(
            browser, "ada", response_type="id_token", nonce="n", code_challenge=None, code_challenge_method=None
        )
        sid = claims(answer["id_token"])["sid"]
        response = browser.open(logout_url(idp.url, id_token_hint=answer["id_token"]))
        [frame] = Loaded(response).frames
        assert dict(parse_qsl(urlsplit(frame).query))["sid"] == sid
        assert claims(server.wait()[0].token)["sid"] == sid
