"""No secret is seen where it need not be: not in logs and errors, not in command lines and environments; and nobody starts with a known one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import requests
import structlog

from idp.cli import idp as idp_command
from resource_server.cli import resource_server as services_command
from resource_server.cli import run as run_services
from setting_sources.fields import SAMPLE_SECRETS
from tests.payments.paying import accepted, ask, euros, eventually, over
from tests.resource_server.apis import ALL
from tests.settings.secrecy import Kept, as_every_process_shows, everything_running, shown_in
from tests.support import databases
from tests.support.flows import Browser, Page
from tests.support.ports import free_port
from tests.support.running import PASSWORD, RunningIdp


@pytest.fixture(scope="module")
def kept(postgres_server: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with (
        databases.empty_postgres(postgres_server) as url,
        everything_running(tmp_path_factory.mktemp("kept"), url, redis_url) as running,
    ):
        yield running


def test_neither_logs_nor_errors_tell_a_secret(kept: Kept) -> None:
    """People and services at work, and everything that can go wrong with what they show."""
    apis, idp, app = kept.apis, kept.apis.idp, kept.app
    name, wrong = apis.new_person(), "a wrong password of somebody"
    answers: list[requests.Response] = []
    browser = Browser(idp.url)
    page = Page(browser.open(app.authorize_url()[0]))
    answers.append(browser.submit(page, "login", username=name, password=wrong))
    answer, verifier = app.login(browser, name, scope=f"openid {ALL}")
    first = app.redeem(answer["code"], verifier)
    answers.append(app.redeem(answer["code"], verifier))
    answers.append(app.refresh(secrets.token_urlsafe(32)))
    given = app.client["client_secret"]
    for shown in (given + "x", given):
        form = {"grant_type": "client_credentials", "client_secret": shown}
        answers.append(requests.post(f"{idp.url}/oauth/token", {**form, "client_id": "nobody"}, timeout=30))
        answers.append(requests.post(f"{idp.url}/oauth/nowhere", form, timeout=30))
    forgot = Page(browser.open(f"{idp.url}/password/forgot"))
    browser.submit(forgot, "forgot", email=f"{name}@example.com")

    machine = apis.machine()
    hook = ask(machine, "/v2/webhook-endpoints", {"url": f"{apis.provider}/nowhere"}).json()
    over(machine, accepted(machine, "/v2/payments", {"amount": euros(1234)}))
    over(machine, accepted(machine, "/v2/payments", {"amount": euros(6601)}))
    for shown in (machine.token[:-4] + "AAAA", hook["secret"]):
        headers = {"Authorization": f"Bearer {shown}"}
        answers.append(machine.request("GET", "/v2/payments", headers=headers))
    answers.append(ask(machine, "/v2/payments", {"amount": euros(1), "secret": hook["secret"]}))
    answers.append(requests.post(f"{apis.url}/provider-callbacks", json={}, timeout=30))
    answers.append(requests.get(f"{apis.provider}/charges", headers={"Authorization": "Bearer x"}, timeout=30))
    eventually(kept.logs, lambda logs: "webhook not delivered" in logs or "NotTaken" in logs)
    eventually(kept.logs, lambda logs: '"kind": "mail"' in logs)

    hidden = {
        **kept.hidden,
        "password": PASSWORD,
        "wrong password": wrong,
        "code": answer["code"],
        "token": machine.token,
        "webhook key": hook["secret"],
        **{f"cookie {cookie}": value for cookie, value in browser.http.cookies.get_dict().items() if len(value) > 8},
    }
    assert first.status_code in {200, 400}
    assert shown_in(kept.logs(), hidden) == []
    shown = "".join(f"{answer.text}{answer.headers}" for answer in answers if answer.status_code >= 400)
    assert shown_in(shown, kept.hidden) == []
    assert '"/oauth/token"' in kept.logs(), "there is something to look at"


def test_no_command_line_and_no_environment_has_a_secret(kept: Kept) -> None:
    """Of the servers, their workers, the worker and the provider, while all of them run."""
    processes = as_every_process_shows()
    for running in ("idp serve", "resource-server serve", "resource-server worker", "provider-simulator"):
        assert running in processes
    assert str(kept.folder / "files") in processes, "environments are among it"
    assert shown_in(processes, kept.hidden) == []


def commands(group: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, group
    for inner, command in group.commands.items() if isinstance(group, click.Group) else ():
        yield from commands(command, f"{name} {inner}")


def test_no_command_takes_a_secret_in_its_line() -> None:
    """They come by standard input, by files and by settings: a command line is seen by everybody on the machine."""
    told = ("secret", "password", "token", "credential", "private")
    found = [
        f"{name} {option}"
        for program, group in (("idp", idp_command), ("resource-server", services_command))
        for name, command in commands(group, program)
        for parameter in command.params
        for option in parameter.opts
        if any(word in option for word in told) and not getattr(parameter, "is_flag", False)
    ]
    assert found == []


STARTS = [("serve",), ("worker",), ("provider-simulator",), ("client", "orders")]


@pytest.mark.parametrize("command", STARTS, ids=[words[0] for words in STARTS])
def test_in_production_the_services_start_neither_with_a_known_secret_nor_without_one(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RS_ENV", "production")
    monkeypatch.setenv("RS_PORT", str(free_port()))
    monkeypatch.setenv("RS_DATA_DIR", str(tmp_path / "var"))
    try:
        assert run_services(list(command)) == 1
        assert capsys.readouterr().err == "Error: RS_SECRET: must be given in production: all nodes share it\n"
        for sample in sorted(one for one in SAMPLE_SECRETS if len(one) >= 32):
            monkeypatch.setenv("RS_SECRET", sample)
            assert run_services(list(command)) == 1
            assert capsys.readouterr().err == "Error: RS_SECRET: is a sample value\n"
    finally:
        structlog.reset_defaults()
    assert not list(tmp_path.rglob("*.secret")), "none is made either"


def test_in_production_the_identity_provider_does_not_start_with_a_known_key(tmp_path: Path) -> None:
    idp = RunningIdp(tmp_path)
    idp.environ.update(IDP_ENV="production", IDP_ISSUER="https://id.test")
    for command in ("init", "serve", "jobs"):
        for sample in ("A" * 43, "change-me"):
            idp.environ["IDP_MASTER_KEY"] = sample
            done = idp.run(command)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr == "Error: IDP_MASTER_KEY: is a sample value\n"
