"""Passkeys in Chromium, with a virtual authenticator in place of a finger: made, used by button and in the name field, as second step, removed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.browser.sites import Site
from tests.browser.test_login_with import log_in
from tests.oidc.rp import claims_parameter
from tests.support.flows import App, claims
from tests.support.running import RunningIdp
from tests.users.joining import CODE, code_in
from tests.users.mail import letter_about

pytestmark = pytest.mark.whole_browser

NO_AUTOFILL = "delete PublicKeyCredential.isConditionalMediationAvailable;"


@pytest.fixture(scope="session")
def named_idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIdp]:
    """An identity provider at `localhost`: browsers bind passkeys to names, not to addresses."""
    folder = tmp_path_factory.mktemp("named")
    with RunningIdp(
        folder, host="localhost", signup="on", signup_max="1000", login_max_failures_per_address="100000"
    ) as running:
        yield running


@pytest.fixture(scope="session")
def app(named_idp: RunningIdp) -> Iterator[App]:
    with Site() as site:
        metadata = {"security_profile": "oidc", "consent": "trusted", "redirect_uris": [f"{site.url}/callback"]}
        yield App(named_idp.url, named_idp.client(client_name="Web App", **metadata))


@pytest.fixture
def name(named_idp: RunningIdp) -> str:
    """A person of this test's own."""
    name = f"ada.{secrets.token_hex(3)}"
    named_idp.user(name, "--email-verified")
    return name


class Finger:
    """The virtual authenticator of a page: whoever is asked for says yes, or does not answer."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self._id = self._session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def present(self, here: bool) -> None:
        named = {"authenticatorId": self._id, "enabled": here}
        self._session.send("WebAuthn.setAutomaticPresenceSimulation", named)

    def verified(self, right: bool) -> None:
        self._session.send("WebAuthn.setUserVerified", {"authenticatorId": self._id, "isUserVerified": right})

    def count(self) -> int:
        """How many passkeys it keeps."""
        return len(self._session.send("WebAuthn.getCredentials", {"authenticatorId": self._id})["credentials"])


def enrol(page: Page, idp: RunningIdp, name: str) -> Finger:
    """Sign in with the password and make a passkey."""
    finger = Finger(page)
    page.goto(f"{idp.url}/account/security")
    log_in(page, name)
    page.click("#passkey-add")
    page.fill("input[name=name]", "My laptop")
    page.click("#passkey-create")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    page.get_by_role("link", name="I have kept them").click()
    expect(page.locator("#passkey-list li")).to_have_count(1)
    return finger


def leave(page: Page) -> None:
    """Forget who was signed in."""
    page.context.clear_cookies()


def sign_in_for(page: Page, app: App, **parameters: str) -> str:
    """Send the page to sign in for the app; returns the PKCE verifier."""
    url, verifier = app.authorize_url(**parameters)
    page.goto(url)
    return verifier


def told(page: Page, app: App, verifier: str) -> dict[str, object]:
    """The claims of the ID token that the app gets."""
    page.wait_for_url(f"{app.redirect_uri}*")
    answer = dict(parse_qsl(urlsplit(page.url).query))
    return claims(app.redeem(answer["code"], verifier).json()["id_token"])


def test_a_passkey_is_made_and_signs_in_by_the_button(visit: Visit, named_idp: RunningIdp, name: str) -> None:
    page = visit()
    finger = enrol(page, named_idp, name)
    assert finger.count() == 1
    expect(page.locator("#passkey-list")).to_contain_text("My laptop")
    expect(page.locator("#passkey-list")).to_contain_text("not used yet")
    finger.present(False)
    leave(page)
    page.goto(f"{named_idp.url}/account/security")
    expect(page.locator("#passkey-submit")).to_be_visible()
    page.click("#passkey-submit")
    expect(page.get_by_role("status")).to_have_text("Your browser asks for your passkey now.")
    finger.present(True)
    page.click("#passkey-submit")  # the first question is taken back
    expect(page.locator("#passkey-list")).to_contain_text("last used")


def test_a_passkey_signs_in_from_the_name_field(visit: Visit, named_idp: RunningIdp, app: App, name: str) -> None:
    page = visit()
    enrol(page, named_idp, name)
    leave(page)
    verifier = sign_in_for(page, app)
    assert told(page, app, verifier)["acr"] == "phr"


def test_a_passkey_is_the_second_step_after_the_password(
    visit: Visit, named_idp: RunningIdp, app: App, name: str, screenshots: Path
) -> None:
    page = visit()
    finger = enrol(page, named_idp, name)
    leave(page)
    finger.present(False)
    verifier = sign_in_for(page, app)
    log_in(page, name)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.screenshot(path=screenshots / "passkey-step.png")
    finger.present(True)
    page.click("#passkey-submit")
    found = told(page, app, verifier)
    assert found["acr"] == "phr"
    assert set(found["amr"]) == {"pwd", "pop", "user", "mfa"}


def test_every_page_is_readable_labelled_and_within_its_width(
    visit: Visit, named_idp: RunningIdp, name: str, look: Looker
) -> None:
    page = visit()
    for place in _walk(page, named_idp, name):
        look(page, place)


def _walk(page: Page, idp: RunningIdp, name: str) -> Iterator[str]:
    """Visits every page that passkeys have a part in, and says which one is in view."""
    finger = Finger(page)
    page.goto(f"{idp.url}/account/security")
    expect(page.locator("#passkey-submit")).to_be_visible()
    yield "passkey-login"
    log_in(page, name)
    yield "passkeys-none"
    page.click("#passkey-add")
    expect(page.locator("#passkey-create")).to_be_visible()
    yield "passkey-new"
    finger.verified(False)
    page.click("#passkey-create")
    expect(page.get_by_role("status")).to_contain_text("stopped")
    yield "passkey-new-stopped"
    finger.verified(True)
    page.click("#passkey-create")
    page.get_by_role("link", name="I have kept them").click()
    yield "passkeys"
    page.locator("#passkey-list summary").click()
    yield "passkeys-change"
    finger.present(False)
    leave(page)
    page.goto(f"{idp.url}/account/security")
    log_in(page, name)
    expect(page.locator("#passkey-submit")).to_be_visible()
    yield "passkey-step"
    page.click("#passkey-submit")
    yield "passkey-step-waiting"


def test_an_app_that_needs_a_passkey_gets_one(visit: Visit, named_idp: RunningIdp, app: App, name: str) -> None:
    page = visit()
    finger = enrol(page, named_idp, name)
    essential = claims_parameter(id_token={"acr": {"values": ["phr"], "essential": True}})
    verifier = sign_in_for(page, app, claims=essential)
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.click("#passkey-submit")
    assert set(told(page, app, verifier)["amr"]) == {"pwd", "pop", "user", "mfa"}
    leave(page)
    finger.present(False)
    verifier = sign_in_for(page, app, claims=essential)
    expect(page.locator("#passkey-wanted")).to_be_visible()
    finger.present(True)
    page.click("#passkey-submit")
    found = told(page, app, verifier)
    assert (found["acr"], set(found["amr"])) == ("phr", {"pop", "user", "mfa"})


def test_a_passkey_is_renamed_and_removed(visit: Visit, named_idp: RunningIdp, name: str) -> None:
    page = visit()
    page.add_init_script(NO_AUTOFILL)  # it would be picked again and again
    finger = enrol(page, named_idp, name)
    page.locator("#passkey-list summary").click()
    page.fill("#passkey-list input[name=name]", "Desk")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#passkey-list")).to_contain_text("Desk")
    page.locator("#passkey-list summary").click()
    page.get_by_role("button", name="Remove Desk").click()
    expect(page.locator("#passkey-list")).to_have_count(0)
    leave(page)
    assert finger.count() == 1
    page.goto(f"{named_idp.url}/account/security")
    page.click("#passkey-submit")
    expect(page.get_by_role("alert")).to_contain_text("did not work here")
    log_in(page, name)
    expect(page.get_by_role("heading", name="Security")).to_be_visible()


def test_a_device_that_has_a_passkey_is_not_given_another(visit: Visit, named_idp: RunningIdp, name: str) -> None:
    page = visit()
    finger = enrol(page, named_idp, name)
    page.click("#passkey-add")
    page.click("#passkey-create")
    expect(page.get_by_role("status")).to_have_text("This device has a passkey for your account already.")
    assert finger.count() == 1


def test_a_person_who_is_not_recognised_can_try_again_or_use_the_password(
    visit: Visit, named_idp: RunningIdp, name: str
) -> None:
    page = visit()
    finger = enrol(page, named_idp, name)
    leave(page)
    finger.verified(False)
    page.goto(f"{named_idp.url}/account/security")
    page.click("#passkey-submit")
    expect(page.get_by_role("status")).to_contain_text("You can try again")
    finger.verified(True)
    page.click("#passkey-submit")
    expect(page.locator("#passkey-list")).to_be_visible()


def test_without_scripts_all_else_works(visit: Visit, named_idp: RunningIdp, name: str) -> None:
    with_scripts = visit()
    enrol(with_scripts, named_idp, name)
    page = visit(java_script_enabled=False)
    page.goto(f"{named_idp.url}/account/security")
    expect(page.locator("#passkey-submit")).to_be_hidden()
    log_in(page, name)
    expect(page.locator("[data-missing]")).to_be_visible()
    expect(page.get_by_role("link", name="Use a recovery code")).to_be_visible()


@pytest.mark.parametrize("missing", ["parsing", "autofill", "everything"])
def test_browsers_that_know_less_do_what_they_can(visit: Visit, named_idp: RunningIdp, name: str, missing: str) -> None:
    """Older browsers read no options from JSON, or offer nothing in the field, or know no passkeys at all."""
    page = visit()
    page.add_init_script(
        {
            "parsing": "delete PublicKeyCredential.parseRequestOptionsFromJSON;"
            "delete PublicKeyCredential.parseCreationOptionsFromJSON;",
            "autofill": NO_AUTOFILL,
            "everything": "delete window.PublicKeyCredential;",
        }[missing]
    )
    if missing == "everything":
        page.goto(f"{named_idp.url}/account/security")
        expect(page.locator("#login-submit")).to_be_visible()
        expect(page.locator("#passkey-submit")).to_be_hidden()
        return
    finger = enrol(page, named_idp, name)
    leave(page)
    finger.present(missing == "parsing")
    page.goto(f"{named_idp.url}/account/security")
    if missing == "autofill":
        finger.present(True)
        page.click("#passkey-submit")
    expect(page.locator("#passkey-list")).to_contain_text("last used")


def test_an_account_is_made_with_a_passkey_and_no_password(
    visit: Visit, named_idp: RunningIdp, app: App, look: Looker
) -> None:
    page, name = visit(), f"new.{secrets.token_hex(3)}"
    finger = Finger(page)
    verifier = sign_in_for(page, app, prompt="create", nonce="n")
    page.get_by_role("link", name="Create an account with a passkey").click()
    page.fill("input[name=username]", name)
    page.fill("input[name=email]", f"{name}@example.com")
    look(page, "signup-passkey")
    page.click("#signup-submit")
    page.fill("#code", code_in(letter_about(named_idp, f"{name}@example.com", CODE)))
    page.click("#verify-submit")
    expect(page.locator("#passkey-create")).to_be_visible()
    expect(page.locator("#passkey-create")).to_be_focused()
    look(page, "signup-passkey-make")
    page.click("#passkey-create")
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    look(page, "signup-passkey-codes")
    assert finger.count() == 1
    page.click("#signup-done")
    assert told(page, app, verifier)["acr"] == "phr"
