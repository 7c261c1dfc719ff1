"""Every block of the README's quick start is run as it stands there, against what `make run` starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
import requests

from tests.support.flows import Browser, Page
from tests.support.running import clean_environment
from tests.upstream.test_second_idp import Traveller

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PATIENCE = 90
IDP = "http://127.0.0.1:8000"


def blocks(heading: str, language: str) -> list[str]:
    """The fenced blocks of one section."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


RUN, SERVICE, APIS, REFUSED, DISCOVER, OWN = blocks("Quick start", "bash")


@dataclass(frozen=True)
class Demo:
    """What `make run` started, with data of its own."""

    environ: dict[str, str]
    told: str

    def shell(self, *commands: str) -> str:
        """Run blocks in one shell, as somebody pastes them; the first command that fails ends it."""
        script = "set -e -o pipefail\n" + "\n".join(commands)
        done = subprocess.run(
            ["bash", "-c", script], env=self.environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def credential(self, name: str) -> str:
        return str(json.loads(Path(self.environ["IDP_DATA_DIR"], "demo.json").read_text("utf-8"))[name])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The first block, with its data elsewhere; it needs the ports 8000 to 8004."""
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    folder = tmp_path_factory.mktemp("demo")
    own = {"IDP_DATA_DIR": str(folder / "var"), "IDP_KEYS_DIR": str(folder / "keys")}
    environ = {**clean_environment(), **own}
    output = folder / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            RUN.split(), env=environ, cwd=ROOT, stdout=file, stderr=file, start_new_session=True, shell=False
        )
    try:
        yield Demo(environ, _welcome(process, output))
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _welcome(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while "Ready in" not in output.read_text("utf-8"):
        assert process.poll() is None, output.read_text("utf-8")
        assert time.monotonic() < deadline, output.read_text("utf-8")
        time.sleep(0.1)
    return output.read_text("utf-8")


def test_it_says_where_everything_is_and_who_to_sign_in_as(demo: Demo) -> None:
    for words in ("http://127.0.0.1:8000", "http://127.0.0.1:8001", "http://127.0.0.1:8002", "demo", "Ctrl-C"):
        assert words in demo.told
    assert demo.credential("password") in demo.told
    assert "Passkeys belong to names" in demo.told


def test_every_page_it_names_is_there(demo: Demo) -> None:
    named = re.findall(r"^\| <(http://127[^>]+)> \|", README, re.MULTILINE)
    assert len(named) == 4
    for url in named:
        response = requests.get(url, timeout=30)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8"), url


def test_a_service_gets_a_token_and_pays(demo: Demo) -> None:
    made, listed = _documents(demo.shell(SERVICE))
    assert (made["amount"], made["currency"]) == ("9.99", "EUR")
    assert listed["total"] >= 1


def test_the_apis_describe_themselves_and_a_payment_is_waited_for(demo: Demo) -> None:
    answers = demo.shell(SERVICE, APIS)
    assert re.search(r"^HTTP/1.1 20[12]", answers, re.MULTILINE)
    assert re.search(r'"amount": ?\{"currency": ?"EUR", ?"value": ?999\}|"kind"', answers)
    assert '"openapi":"3.1' in answers
    page = requests.get("http://127.0.0.1:8001/reference", timeout=30)
    assert 'data-client="demo-reference"' in page.text


def test_the_api_refuses_what_it_must(demo: Demo) -> None:
    answers = demo.shell(SERVICE, REFUSED)
    assert "HTTP/1.1 401" in answers
    assert "HTTP/1.1 403" in answers
    assert re.search(r'^www-authenticate: Bearer .*scope="orders:read"', answers, re.MULTILINE | re.IGNORECASE)


def test_clients_discover_everything(demo: Demo) -> None:
    metadata, keys = _documents(demo.shell(DISCOVER))
    assert metadata["issuer"] == "http://127.0.0.1:8000"
    assert {key["alg"] for key in keys["keys"]} == {"ES256", "RS256"}


def test_a_person_an_api_and_an_app_of_ones_own(demo: Demo) -> None:
    assert "Nothing to complain about" in demo.shell(OWN)
    browser = Browser("http://127.0.0.1:8000")
    page = Page(browser.open("http://127.0.0.1:8000/login"))
    welcome = browser.submit(page, "login", username="ada", password="correct horse 47 staple")
    assert "Hello" in welcome.text


def test_a_second_person_needs_a_second_step(demo: Demo) -> None:
    name, key = demo.credential("second_username"), demo.credential("second_key")
    assert {name, key, demo.credential("second_recovery_code")} <= set(re.split(r"[\s,]+", demo.told))
    browser = Browser(IDP)
    page = Page(browser.submit(Page(browser.open(f"{IDP}/login")), "login", **login_of(demo, "second")))
    assert "Hello" in browser.submit(page, "otp", code=pyotp.TOTP(key).now()).text


def test_a_company_opens_the_account_that_is_linked(demo: Demo) -> None:
    company = json.loads(Path(demo.environ["IDP_DATA_DIR"], "company.json").read_text("utf-8"))
    assert company["password"] in demo.told
    traveller = Traveller(IDP, company["issuer"])
    there = Page(traveller.submit(Page(traveller.open(f"{IDP}/login")), "upstream-company"))
    who = {"username": company["username"], "password": company["password"]}
    assert "Hello, Demo Person" in traveller.submit(there, "login", **who).text
    assert "Example Company" in traveller.open(f"{IDP}/account/linked").text


def test_what_would_be_mailed_is_in_the_mailbox(demo: Demo) -> None:
    browser = Browser(IDP)
    signing_up = Page(browser.open(f"{IDP}/signup"))
    who = {"username": "eve", "email": "eve@example.com", "password": "correct horse 47 staple"}
    assert f"{IDP}/dev/mailbox" in browser.submit(signing_up, "signup", **who).text
    deadline = time.monotonic() + PATIENCE
    while "eve@example.com" not in browser.open(f"{IDP}/dev/mailbox").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def login_of(demo: Demo, whose: str) -> dict[str, str]:
    return {name: demo.credential(f"{whose}_{name}") for name in ("username", "password")}


def test_the_sample_app_leads_to_the_login(demo: Demo) -> None:
    app = Browser("http://127.0.0.1:8000")
    page = Page(app.http.get("http://127.0.0.1:8002/", timeout=10))
    (form,) = [form for form in page.forms.values() if form.action.endswith("/login")]
    arrived = app.http.post(form.action, data=form.fields, timeout=10)
    assert arrived.url.startswith("http://127.0.0.1:8000/oauth/authorize?")
    assert "login" in Page(arrived).forms


def test_the_snippet_that_guards_an_api_works(demo: Demo) -> None:
    (snippet,) = blocks("Guard an API", "python")
    made: dict[str, Any] = {}
    exec(compile(snippet, "README.md", "exec"), made)
    client = made["app"].test_client()
    assert client.get("/photos").status_code == 401
    wrong = requests.post(
        "http://127.0.0.1:8000/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(demo.credential("service_client_id"), demo.credential("service_client_secret")),
        timeout=10,
    ).json()["access_token"]
    refused = client.get("/photos", headers={"Authorization": f"Bearer {wrong}"})
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_token")


def test_the_settings_for_production_are_settings() -> None:
    (example,) = blocks("Run it for real", "")
    known = (ROOT / "config.example.env").read_text("utf-8")
    for line in example.split():
        name = line.partition("=")[0].removesuffix("_FILE")
        assert re.search(rf"^#? ?{name}=", known, re.MULTILINE), name


def _documents(output: str) -> list[Any]:
    """The JSON documents that stand one after the other."""
    decoder, found, rest = json.JSONDecoder(), [], output.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        found.append(document)
        rest = rest[end:].lstrip()
    return found
