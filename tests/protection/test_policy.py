"""Which ways to sign in a login offers, and when a second factor is asked for: by the deployment and by the client."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.protection.people import Someone
from tests.support.flows import Browser, Page
from tests.support.running import PASSWORD, RunningIdp


def test_only_the_methods_of_the_deployment_are_offered_and_taken(tmp_path: Path) -> None:
    with RunningIdp(tmp_path, host="localhost", login_methods="passkey") as idp:
        person, browser = Someone.new(idp), Browser(idp.url)
        page = Page(browser.open(f"{idp.url}/login"))
        assert "passkey" in page.forms
        assert "login" not in page.forms
        assert "/password/forgot" not in page.response.text
        fields = {**page.forms["passkey"].fields, "username": person.name, "password": PASSWORD}
        refused = browser.http.post(f"{idp.url}/login", data=fields, timeout=30)
        assert (refused.status_code, Page(refused).main["data-error"]) == (403, "not_offered")
        assert "idp-session" not in browser.http.cookies


def test_the_methods_are_offered_in_the_order_of_the_setting(tmp_path: Path) -> None:
    with RunningIdp(tmp_path, host="localhost", login_methods="passkey,password") as idp:
        assert list(Page(Browser(idp.url).open(f"{idp.url}/login")).forms) == ["passkey", "login"]


@pytest.mark.parametrize(
    ("methods", "said"), [("passkey", "no way to sign in"), ("password,face", "IDP_LOGIN_METHODS")]
)
def test_methods_that_leave_nobody_in_stop_the_start(tmp_path: Path, methods: str, said: str) -> None:
    """At an address no browser knows passkeys."""
    idp = RunningIdp(tmp_path)
    idp.cli("init")
    idp.environ["IDP_LOGIN_METHODS"] = methods
    ended = idp.run("serve", "--port", str(idp.port), "--workers", "1")
    assert ended.returncode != 0
    assert said in ended.stderr
