"""`/account/sessions`: people see where they are signed in, and sign out of there from afar."""

from __future__ import annotations

import pytest
import requests

from tests.account.support import FIREFOX, IPHONE, at_once, page_of, post, shown, signed_in
from tests.logout.receiver import ListeningApp
from tests.logout.test_backchannel import listening
from tests.support.flows import App, Browser, Page, answer_of
from tests.support.running import RunningIdp

PATH = "/account/sessions"


def is_signed_in(idp: RunningIdp, browser: Browser) -> bool:
    return "login" not in page_of(idp, browser, PATH).forms


def test_each_session_is_shown_with_its_device_and_place(idp: RunningIdp, person: str) -> None:
    phone = signed_in(idp, person, PATH, agent=IPHONE)
    text = shown(idp, signed_in(idp, person, PATH), PATH)
    assert text.index("Firefox on Linux this one") < text.index("Safari on iPhone")
    assert "from 127.0.0.… · since" in text
    assert "127.0.0.1" not in text
    assert shown(idp, phone, PATH).index("Safari on iPhone this one") > 0


def test_signing_in_again_in_one_browser_makes_no_second_session(idp: RunningIdp, person: str, web_app: App) -> None:
    browser = signed_in(idp, person, PATH)
    web_app.login(browser, person, prompt="login")
    assert shown(idp, browser, PATH).count("Firefox on Linux") == 1


def test_signing_out_of_one_ends_its_tokens_tells_its_apps_and_leaves_the_others(
    idp: RunningIdp, person: str, web_app: App
) -> None:
    here, elsewhere, third = signed_in(idp, person, PATH), Browser(idp.url), signed_in(idp, person, PATH)
    elsewhere.http.headers["User-Agent"] = IPHONE
    with ListeningApp() as server:
        listening(idp, server.uri).tokens(elsewhere, person)
        tokens = web_app.tokens(elsewhere, person)
        page = page_of(idp, here, PATH)
        ends = [form for form in page.forms if form.startswith("session-end-") and form != "session-end-others"]
        assert len(ends) == 2
        phone = _form_of(page, "Safari on iPhone")
        answer = here.submit(page, phone)
        assert (answer.status_code, answer.url) == (200, f"{idp.url}{PATH}")
        assert "Safari on iPhone" not in answer.text
        assert len(server.wait()) == 1
    assert web_app.userinfo(tokens["access_token"]).status_code == 401
    assert not is_signed_in(idp, elsewhere)
    assert is_signed_in(idp, here)
    assert is_signed_in(idp, third)


def test_signing_out_everywhere_else_leaves_this_one(idp: RunningIdp, person: str, web_app: App) -> None:
    here, others = signed_in(idp, person, PATH), [signed_in(idp, person, PATH) for _ in range(3)]
    tokens = [web_app.tokens(browser, person)["access_token"] for browser in (here, *others)]
    answer = here.submit(page_of(idp, here, PATH), "session-end-others")
    assert answer.text.count("Firefox on Linux</strong>") == 1
    assert [web_app.userinfo(token).status_code for token in tokens] == [200, 401, 401, 401]
    assert [is_signed_in(idp, browser) for browser in (here, *others)] == [True, False, False, False]
    assert "code" in answer_of(here.open(web_app.authorize_url(prompt="none")[0]))


def test_of_many_who_end_a_session_at_once_one_does_and_its_apps_hear_of_it_once(idp: RunningIdp, person: str) -> None:
    here, elsewhere = signed_in(idp, person, PATH), Browser(idp.url)
    with ListeningApp() as server:
        listening(idp, server.uri).tokens(elsewhere, person)
        page = page_of(idp, here, PATH)
        [form] = [form for form in page.forms if form.startswith("session-end-") and form != "session-end-others"]
        assert at_once(here, page, form, 8) == [303, *[404] * 7]
        server.wait()
        signed_out = signed_in(idp, person, PATH)
        assert is_signed_in(idp, signed_out)
        assert len(server.posted) == 1


def test_somebody_elses_session_is_unknown_and_goes_on(idp: RunningIdp, person: str) -> None:
    theirs = signed_in(idp, "alice", PATH)
    other = signed_in(idp, "alice", PATH)
    sid = next(one.fields["session"] for one in page_of(idp, other, PATH).forms.values() if "session" in one.fields)
    mine = signed_in(idp, person, PATH)
    signed_in(idp, person, PATH)
    own = page_of(idp, mine, PATH)
    form = next(name for name, one in own.forms.items() if "session" in one.fields)
    answer = mine.submit(own, form, session=sid)
    assert answer.status_code == 404
    assert Page(answer).main["data-error"] == "unknown"
    assert is_signed_in(idp, theirs)
    assert is_signed_in(idp, other)


@pytest.mark.parametrize("path", [f"{PATH}/end", f"{PATH}/end-others"])
@pytest.mark.parametrize("csrf", ["", "forged", None])
def test_a_form_of_another_site_ends_nothing(idp: RunningIdp, person: str, path: str, csrf: str | None) -> None:
    mine, other = signed_in(idp, person, PATH), signed_in(idp, person, PATH)
    sid = next(form.fields["session"] for form in page_of(idp, mine, PATH).forms.values() if "session" in form.fields)
    fields = {"session": sid} if csrf is None else {"session": sid, "csrf": csrf}
    assert post(idp, mine, path, **fields).status_code == 400
    assert is_signed_in(idp, other)


def test_the_proof_of_another_session_is_none_here(idp: RunningIdp, person: str) -> None:
    mine, other = signed_in(idp, person, PATH), signed_in(idp, person, PATH)
    foreign = page_of(idp, other, PATH).forms["session-end-others"].fields["csrf"]
    assert post(idp, mine, f"{PATH}/end-others", csrf=foreign).status_code == 400
    assert is_signed_in(idp, other)


@pytest.mark.parametrize("agent", ["", "x" * 5000, "<script>alert(1)</script>", "Firefox/1 é"])
def test_any_browser_can_sign_in_whatever_it_calls_itself(idp: RunningIdp, person: str, agent: str) -> None:
    browser = signed_in(idp, person, PATH, agent=agent)
    response = browser.open(f"{idp.url}{PATH}")
    assert response.status_code == 200
    assert "<script>" not in response.text


def test_who_is_not_signed_in_ends_nothing(idp: RunningIdp) -> None:
    answer = requests.post(
        f"{idp.url}{PATH}/end-others",
        headers={"User-Agent": FIREFOX},
        data={"csrf": ""},
        allow_redirects=False,
        timeout=30,
    )
    assert answer.status_code == 303
    assert "/login?flow=account.sessions" in answer.headers["Location"]


def _form_of(page: Page, device: str) -> str:
    """The form that ends the session on this device."""
    before = page.response.text.partition(f"<strong>{device}</strong>")[2]
    return before.partition('<form id="')[2].partition('"')[0]
