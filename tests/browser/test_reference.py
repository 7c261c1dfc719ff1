"""The reference page of the APIs: read by everybody, and calls tried by whoever logs in there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.looking import Looker
from tests.resource_server.apis import ALL, Apis, open_apis
from tests.support.running import PASSWORD

CLIENT = "reference-page"


@pytest.fixture(scope="module")
def apis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apis]:
    """The services, whose page is a public client."""
    settings = {"RS_REFERENCE_CLIENT_ID": CLIENT}
    with open_apis(tmp_path_factory.mktemp("reference"), None, None, settings) as opened:
        opened.idp.client(
            client_id=CLIENT,
            client_name="Reference",
            redirect_uris=[f"{opened.url}/reference"],
            grant_types=["authorization_code"],
            token_endpoint_auth_method="none",
            audience=[opened.url],
            scope=ALL,
        )
        yield opened


def tried(page: Page, operation: str, **values: str) -> str:
    """What an operation's form shows after its call."""
    section = page.locator(f"details#{operation}")
    if section.get_attribute("open") is None:
        section.locator("summary").click()
    for name, value in values.items():
        section.locator(f"[name={name}]").fill(value)
    section.get_by_role("button", name="Try it").click()
    expect(section.locator("output")).not_to_be_empty()
    return section.locator("output").inner_text()


def test_a_person_logs_in_and_tries_calls(visit: Visit, apis: Apis) -> None:
    name = apis.new_person()
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{apis.url}/reference")
    expect(page.get_by_role("status")).to_contain_text("log in")
    page.click("#log-in")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("#login-submit")
    page.click("#consent-allow")
    expect(page.get_by_role("status")).to_contain_text("You are logged in")
    assert page.url == f"{apis.url}/reference"

    made = tried(page, "place_an_order_as_a_draft")
    assert made.startswith("201"), made
    assert '"status": "draft"' in made
    assert tried(page, "list_orders", limit="1").startswith("200")
    order = re.search(r"ord_[a-v0-9]{26}", made)
    assert order is not None
    assert f'etag: "{order[0]}.1"' in tried(page, "show_an_order", order_id=order[0])
    page.click("#log-out")
    expect(page.locator("#log-in")).to_be_visible()
    origins = {"/".join(url.split("/")[:3]) for url in asked}
    assert origins <= {apis.url, apis.idp.url}, "nothing comes from elsewhere"


def test_whoever_does_not_allow_it_is_told_and_reads_on(visit: Visit, apis: Apis) -> None:
    page = visit()
    page.goto(f"{apis.url}/reference/v1")
    page.click("#log-in")
    page.fill("input[name=username]", apis.new_person())
    page.fill("input[name=password]", PASSWORD)
    page.click("#login-submit")
    page.click("#consent-deny")
    expect(page.get_by_role("status")).to_contain_text("access_denied")
    assert page.url == f"{apis.url}/reference/v1"


def test_an_answer_that_nobody_asked_for_logs_nobody_in(visit: Visit, apis: Apis) -> None:
    page = visit()
    page.goto(f"{apis.url}/reference?code=stolen&state=made-up&iss={apis.idp.issuer}")
    expect(page.locator("#log-in")).to_be_visible()
    assert page.url == f"{apis.url}/reference"


def test_without_javascript_everything_can_be_read(visit: Visit, apis: Apis) -> None:
    page = visit(java_script_enabled=False)
    page.goto(f"{apis.url}/reference")
    section = page.locator("details#pay")
    section.locator("summary").click()
    expect(section).to_contain_text("payments:write")
    expect(section).to_contain_text("Idempotency-Key")
    expect(section.get_by_role("button")).to_be_hidden()


def test_the_reference_is_readable(visit: Visit, apis: Apis, look: Looker) -> None:
    page = visit()
    page.goto(apis.url)
    assert page.url == f"{apis.url}/reference"
    page.locator("details#pay summary").click()
    look(page, "reference")


def test_the_other_pages_about_the_apis_are_readable(visit: Visit, apis: Apis, look: Looker) -> None:
    page = visit()
    page.goto(f"{apis.url}/reference")
    page.get_by_role("link", name="Problems").click()
    expect(page.get_by_role("row", name=re.compile("^not_found 404"))).to_be_visible()
    look(page, "problems")
    page.goto(f"{apis.url}/problems/not_found")
    look(page, "problem")
    page.goto(f"{apis.url}/docs/from-v1-to-v2")
    look(page, "from-v1-to-v2")


def test_a_person_takes_a_token_apart(visit: Visit, apis: Apis, look: Looker) -> None:
    token = apis.person().token
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{apis.url}/reference")
    page.get_by_role("link", name="Take a token apart").click()
    page.get_by_label("The access token").fill(f"Bearer {token}")
    page.get_by_role("button", name="Take it apart").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("This API accepts it")
    expect(page.get_by_role("row", name=re.compile("^sub "))).to_contain_text("whom it speaks for")
    expect(page.get_by_role("row", name=re.compile("^signature Does"))).to_contain_text("passed")
    expect(page.locator("textarea")).to_have_value("")
    look(page, "token")

    page.get_by_label("The access token").fill(f"{token[:-6]}AAAAAA")
    page.get_by_role("button", name="Take it apart").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("This API refuses it")
    expect(page.locator("#verdict")).to_contain_text("Refused by signature")
    expect(page.get_by_role("row", name=re.compile("^status Has"))).to_contain_text("not asked")
    assert page.url == f"{apis.url}/reference/token"
    assert {"/".join(url.split("/")[:3]) for url in asked} == {apis.url}, "it goes nowhere else"
    assert not any(token[-20:] in url for url in asked)


@pytest.mark.parametrize("path", ["/reference", "/reference/v1", "/reference/v2"])
def test_the_page_may_load_from_itself_and_ask_the_issuer_alone(apis: Apis, path: str) -> None:
    response = requests.get(f"{apis.url}{path}", timeout=30)
    assert response.headers["Content-Security-Policy"] == (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {apis.idp.url}; "
        "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert "style=" not in response.text
    assert "onclick" not in response.text
    assert requests.get(f"{apis.url}/reference/v3", timeout=30).status_code == 404
