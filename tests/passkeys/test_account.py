"""The passkeys of the account page: added, named, removed, and never the last way in; and accounts without a password."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cbor2
import pytest
import requests
import sqlalchemy as sa

from idp.users.models import RecoveryCodeRow
from tests.oidc.conftest import change_session
from tests.passkeys.holder import FORM, NEW, NEW_FORM, SECURITY, Holder, add, audited, change, options_of, sign_in
from tests.support.authenticator import ELIGIBLE, PRESENT, VERIFIED, Authenticator, b64, cose_of, new_key
from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp
from tests.support.totp import earlier
from tests.users.mail import letter_about, link_in
from tests.users.test_second_factor import AUTHENTICATOR

RENAME, REMOVE, PASSWORD_REMOVE = "rename", "remove", "password-remove"


@pytest.fixture
def inside(idp: RunningIdp, holder: Holder) -> Browser:
    """A browser in which the holder has just signed in."""
    browser = Browser(idp.url)
    holder.sign_in(browser)
    return browser


def security(browser: Browser) -> requests.Response:
    return browser.open(f"{browser.home}{SECURITY}")


def names(browser: Browser) -> list[str]:
    """The names of the passkeys that the page lists."""
    return re.findall(r"<li>\s*<strong>([^<]*)</strong>", security(browser).text)


def forms_of(browser: Browser, action: str) -> list[dict[str, str]]:
    """The fields of every form of the page that goes there."""
    found = re.findall(rf'action="[^"]*/passkeys/{action}">(.*?)</form>', security(browser).text, re.DOTALL)
    return [dict(re.findall(r'name="(\w+)" value="([^"]*)"', form)) for form in found]


def post(browser: Browser, path: str, **fields: str) -> requests.Response:
    return browser._follow(browser.http.post(f"{browser.home}{path}", data=fields, allow_redirects=False, timeout=30))


def remove(browser: Browser, at: int = 0) -> requests.Response:
    return post(browser, f"{SECURITY}/passkeys/remove", **forms_of(browser, "remove")[at])


def test_the_browser_is_asked_for_what_we_keep(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    options = options_of(inside.open(f"{idp.url}{NEW}"))
    assert options["rp"] == {"id": "localhost", "name": "Account"}
    assert [one["alg"] for one in options["pubKeyCredParams"]] == [-7, -8, -257]
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert options["excludeCredentials"] == [
        {"type": "public-key", "id": b64(holder.authenticator.passkeys[0].id), "transports": ["hybrid", "internal"]}
    ]
    assert holder.name.encode() not in options["user"]["id"].encode()
    assert options_of(inside.open(f"{idp.url}{NEW}"))["user"]["id"] == options["user"]["id"]


def test_password_managers_find_the_pages(idp: RunningIdp) -> None:
    """W3C Passkey Endpoints: pages that ask who it is, not ones that are missing."""
    found = requests.get(f"{idp.url}/.well-known/passkey-endpoints", timeout=30)
    assert found.headers["Content-Type"].startswith("application/json")
    assert found.json() == {"enroll": f"{idp.url}{NEW}", "manage": f"{idp.url}{SECURITY}"}
    for url in found.json().values():
        assert "login" in Page(Browser(idp.url).open(url)).forms


def test_passkeys_are_named_listed_and_renamed(idp: RunningIdp, inside: Browser) -> None:
    windows = bytes.fromhex("08987058cadc4b81b6e130de50dcbe96")
    add(inside, idp, Authenticator(idp.url, aaguid=windows))
    add(inside, idp, Authenticator(idp.url, flags=PRESENT | VERIFIED | ELIGIBLE), "  My phone\u202e ")
    add(inside, idp, Authenticator(idp.url))
    assert names(inside) == ["Passkey", "Windows Hello", "My phone", "Passkey 2"]
    page = security(inside).text
    assert page.count("On one device") == 3
    assert page.count("Synced between your devices") == 1
    assert page.count("last used") == 1
    assert page.count("not used yet") == 3
    renamed = {**forms_of(inside, "rename")[1], "name": "<b>Desk</b>"}
    post(inside, f"{SECURITY}/passkeys/rename", **renamed)
    assert names(inside)[1] == "&lt;b&gt;Desk&lt;/b&gt;"
    for nothing in ("", " \u202e "):
        post(inside, f"{SECURITY}/passkeys/rename", **{**renamed, "name": nothing})
    assert names(inside)[1] == "&lt;b&gt;Desk&lt;/b&gt;"


def test_nobody_changes_the_passkeys_of_others(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    idp.user(f"{holder.name}-2")
    other = Holder.enrolled(idp, f"{holder.name}-2")
    browser = Browser(idp.url)
    other.sign_in(browser)
    theirs = forms_of(inside, "remove")[0]["passkey"]
    for action in ("remove", "rename"):
        post(
            browser, f"{SECURITY}/passkeys/{action}", **{**forms_of(browser, action)[0], "passkey": theirs, "name": "x"}
        )
    assert names(inside) == ["Passkey"]
    assert names(browser) == ["Passkey"]


def test_an_old_login_is_asked_again_before_a_change(idp: RunningIdp, inside: Browser) -> None:
    change_session(idp, inside, auth_time=1)
    assert FORM in Page(inside.open(f"{idp.url}{NEW}")).forms
    assert FORM in Page(remove(inside)).forms
    assert names(inside) == ["Passkey"]


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.test"},
    "another rpId": {"rp_id": "evil.test"},
    "not verified": {"flags": PRESENT},
    "not present": {"flags": VERIFIED},
    "the other ceremony": {"type": "webauthn.get"},
    "a challenge of its own": {"challenge": b64(b"c" * 56)},
    "in a frame": {"cross_origin": True},
    "another id": {"id": b"another"},
    "garbage": {"attestation": b"\xff" * 40},
    "nothing": {"attestation": b""},
    "deep": {"attestation": b"\x81" * 9000},
    "much promised": {"attestation": b"\x9b" + b"\xff" * 8},
    "a map of nothing": {"attestation": cbor2.dumps({})},
    "a list": {"attestation": cbor2.dumps([1])},
    "data that is text": {"attestation": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": "x"})},
    "key that is garbage": {"cose": b"\xff\xff"},
    "key that is empty": {"cose": cbor2.dumps({})},
    "key that is a list": {"cose": cbor2.dumps([1, 2])},
    "key without a point": {"cose": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"", -3: b""})},
    "key off the curve": {"cose": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"\1" * 32, -3: b"\1" * 32})},
    "key of another algorithm": {"cose": cbor2.dumps({**cose_of(new_key("ES256")), 3: -35})},
    "key that does not fit": {"cose": cbor2.dumps({**cose_of(new_key("EdDSA")), 3: -7})},
    "key that is too small": {"cose": cbor2.dumps({1: 3, 3: -257, -1: b"\xc1" * 64, -2: b"\1\0\1"})},
    "certificates": {"statement": {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"x", "x5c": [b"x"]}}},
    "an attestation of a phone": {"statement": {"fmt": "android-safetynet", "attStmt": {"ver": "1", "response": b"x"}}},
    "an attestation nobody knows": {"statement": {"fmt": "best", "attStmt": {}}},
    "none that says something": {"statement": {"fmt": "none", "attStmt": {"sig": b"x"}}},
}


@pytest.mark.parametrize("lies", LIES.values(), ids=LIES)
def test_what_is_no_new_passkey_is_refused(idp: RunningIdp, inside: Browser, lies: dict[str, Any]) -> None:
    refused = add(inside, idp, Authenticator(idp.url), **lies)
    assert refused.status_code == 400
    assert 'role="alert"' in refused.text
    assert names(inside) == ["Passkey"]


@pytest.mark.parametrize(("right", "status"), [(True, 200), (False, 400)])
def test_a_signature_of_the_key_over_itself_is_checked(
    idp: RunningIdp, inside: Browser, right: bool, status: int
) -> None:
    """WebAuthn Level 3 §5.1.3: browsers leave it in where no attestation was asked for."""
    assert add(inside, idp, Authenticator(idp.url), over_itself=right).status_code == status


def test_an_answer_is_good_once_and_in_its_session(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    page = inside.open(f"{idp.url}{NEW}")
    made = Authenticator(idp.url).create(options_of(page))
    other = Browser(idp.url)
    holder.sign_in(other)
    theirs = Page(other.open(f"{idp.url}{NEW}"))
    assert other.submit(theirs, NEW_FORM, response=made, name="").status_code == 400
    assert inside.submit(Page(page), NEW_FORM, response=made, name="").status_code == 200
    assert inside.submit(Page(page), NEW_FORM, response=made, name="").status_code == 400
    assert len(names(inside)) == 2


def test_one_passkey_belongs_to_one_person(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    idp.user(f"{holder.name}-2")
    browser = Browser(idp.url)
    sign_in(browser, idp, f"{holder.name}-2")
    page = browser.open(f"{idp.url}{NEW}")
    device = Authenticator(idp.url)
    first, second = device.create(options_of(page)), options_of(inside.open(f"{idp.url}{NEW}"))
    assert browser.submit(Page(page), NEW_FORM, response=first, name="").status_code == 200
    twin = device.passkeys[0]
    stolen = Authenticator(idp.url)
    page = inside.open(f"{idp.url}{NEW}")
    made = stolen.create(options_of(page), credential=twin)
    refused = inside.submit(Page(page), NEW_FORM, response=made, name="")
    assert second["user"]["id"] != twin.handle
    assert refused.status_code == 400
    assert "in use already" in refused.text


def test_twenty_are_enough(idp: RunningIdp, inside: Browser) -> None:
    for _ in range(19):
        assert add(inside, idp, Authenticator(idp.url)).status_code == 200
    refused = add(inside, idp, Authenticator(idp.url))
    assert refused.status_code == 400
    assert "remove one first" in refused.text


def test_an_app_that_is_added_leaves_the_recovery_codes_that_are_kept(
    idp: RunningIdp, inside: Browser, holder: Holder
) -> None:
    page = Page(inside.open(f"{idp.url}{AUTHENTICATOR}"))
    (secret,) = re.findall(r'<code id="secret">([A-Z2-7]+)</code>', page.response.text)
    added = inside.submit(page, "authenticator-form", code=earlier(secret))
    assert added.url == f"{idp.url}{SECURITY}"
    assert "10 of 10 left" in added.text
    fresh = Browser(idp.url)
    number = Page(sign_in(fresh, idp, holder.name)).forms[FORM].fields["step"]
    recovery = Page(fresh.open(f"{idp.url}/login/recovery?step={number}"))
    assert "9 of 10 left" in fresh.submit(recovery, "recovery", code=holder.codes[0]).text


def test_with_the_last_second_factor_the_recovery_codes_go(idp: RunningIdp, inside: Browser) -> None:
    assert "10 of 10 left" in security(inside).text
    gone = remove(inside)
    assert "of 10 left" not in gone.text
    assert names(inside) == []


def test_without_a_password_the_last_passkey_stays(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    assert PASSWORD_REMOVE not in Page(inside.submit(Page(security(inside)), PASSWORD_REMOVE)).forms
    refused = remove(inside)
    assert refused.status_code == 400
    assert "This is the only way into your account" in refused.text
    assert names(inside) == ["Passkey"]
    add(inside, idp, Authenticator(idp.url))
    assert remove(inside).status_code == 200
    assert names(inside) == ["Passkey 2"]
    events = [row["event"] for event in ("user.password_removed", "passkey.removed") for row in audited(idp, event)]
    assert {"user.password_removed", "passkey.removed"} <= set(events)


def test_of_the_last_two_passkeys_taken_away_at_once_one_stays(idp: RunningIdp, inside: Browser) -> None:
    inside.submit(Page(security(inside)), PASSWORD_REMOVE)
    for _ in range(3):
        add(inside, idp, Authenticator(idp.url))
    forms, cookies = forms_of(inside, "remove"), inside.http.cookies.get_dict()

    def take(form: dict[str, str]) -> int:
        url = f"{idp.url}{SECURITY}/passkeys/remove"
        return requests.post(url, data=form, cookies=cookies, allow_redirects=False, timeout=30).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(take, forms))
    assert sorted(statuses) == [303, 303, 303, 400]
    assert len(names(inside)) == 1


def test_the_password_stays_where_there_is_no_way_back(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    change(idp, sa.update(RecoveryCodeRow).where(RecoveryCodeRow.sub == sub_of(idp, holder)).values(used_at=1))
    refused = inside.submit(Page(security(inside)), PASSWORD_REMOVE)
    assert refused.status_code == 400
    assert "recovery codes and an e-mail address" in refused.text
    assert "One more step" in sign_in(Browser(idp.url), idp, holder.name).text


def test_the_password_stays_where_a_passkey_is_a_second_step_only(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with RunningIdp(tmp_path_factory.mktemp("second"), host="localhost", login_methods="password") as running:
        running.user("ada")
        holder, browser = Holder.enrolled(running, "ada"), Browser(running.url)
        holder.answer(browser, sign_in(browser, running, "ada"))
        refused = browser.submit(Page(security(browser)), PASSWORD_REMOVE)
        assert refused.status_code == 400
        assert "the only way into your account" in refused.text


@pytest.mark.parametrize("proven", [True, False])
def test_the_last_passkey_may_go_where_mail_opens_the_account(
    tmp_path_factory: pytest.TempPathFactory, proven: bool
) -> None:
    settings = {"email_login": "true", "login_methods": "password,passkey,email"}
    with RunningIdp(tmp_path_factory.mktemp("mail"), host="localhost", **settings) as running:
        running.user("ada", *(["--email-verified"] if proven else []))
        holder, browser = Holder.enrolled(running, "ada"), Browser(running.url)
        holder.answer(browser, sign_in(browser, running, "ada"))
        browser.submit(Page(security(browser)), PASSWORD_REMOVE)
        assert remove(browser).status_code == (200 if proven else 400)


def sub_of(idp: RunningIdp, holder: Holder) -> str:
    shown: dict[str, str] = idp.cli("user", "show", holder.name)
    return shown["sub"]


def test_no_password_opens_an_account_without_one(
    idp: RunningIdp, web_app: App, inside: Browser, holder: Holder
) -> None:
    inside.submit(Page(security(inside)), PASSWORD_REMOVE)
    answers = []
    for name, password in ((holder.name, PASSWORD), (holder.name, "wrong"), ("nobody", PASSWORD)):
        browser = Browser(idp.url)
        page = Page(browser.open(web_app.authorize_url()[0]))
        answer = browser.submit(page, "login", username=name, password=password)
        assert answer.status_code == 400
        answers.append(Page(answer).response.text.split('role="alert"')[1].split("</p>")[0])
    assert len(set(answers)) == 1
    assert "Signed in as" in holder.sign_in(Browser(idp.url)).text


def test_a_link_by_mail_gives_a_password_again(idp: RunningIdp, inside: Browser, holder: Holder) -> None:
    inside.submit(Page(security(inside)), PASSWORD_REMOVE)
    browser = Browser(idp.url)
    browser.submit(Page(browser.open(f"{idp.url}/password/forgot")), "forgot", email=f"{holder.name}@example.com")
    link = link_in(letter_about(idp, f"{holder.name}@example.com", "choose a new password"))
    browser.submit(Page(browser.open(link)), "reset", password="another horse 48 staple")
    page = Page(Browser(idp.url).open(f"{idp.url}{SECURITY}"))
    assert "login" in page.forms
    fresh = Browser(idp.url)
    page = Page(fresh.open(f"{idp.url}{SECURITY}"))
    step = fresh.submit(page, "login", username=holder.name, password="another horse 48 staple")
    assert "One more step" in step.text
    number = Page(step).forms[FORM].fields["step"]
    recovery = Page(fresh.open(f"{idp.url}/login/recovery?step={number}"))
    assert "Signed in as" in fresh.submit(recovery, "recovery", code=holder.codes[0]).text
