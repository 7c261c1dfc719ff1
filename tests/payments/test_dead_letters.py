"""A provider that is away for long: what was acknowledged becomes a dead letter, which an operator sees and replays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.payments.paying import Till, accepted, euros, eventually, over, shown
from tests.resource_server.apis import PROVIDER_SECRET, Apis, Caller, serve, simulator
from tests.support import nursery
from tests.support.ports import free_port
from tests.support.running import BIN, clean_environment


def command(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return nursery.run(
        [str(BIN / "resource-server"), *arguments], {**clean_environment(), **environ}, Path(environ["RS_DATA_DIR"])
    )


def test_a_dead_letter_is_listed_and_replayed_once_the_provider_is_back(apis: Apis, till: Till, tmp_path: Path) -> None:
    url, away = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    environ = {
        "RS_AUDIENCE": apis.url,
        "RS_DATA_DIR": str(tmp_path / "services"),
        "RS_PROVIDER_URL": away,
        "RS_JOB_RETRY_FIRST": "0.01",
    }
    process = serve(apis.idp, tmp_path, url, **environ)
    try:
        caller = Caller(url, till.customer().token)
        operation = accepted(caller, "/v2/payments", {"amount": euros(4321)})
        (dead,) = eventually(lambda: json.loads(command(environ, "jobs", "list", "--json").stdout), bool)
        assert (dead["kind"], dead["attempts"], dead["last_error"]) == ("payment.charge", 8, "ProviderDown")
        assert "4321" not in json.dumps(dead)
        assert not caller.get(f"/v2/operations/{operation['id']}").json()["done"]
        assert dead["id"] in command(environ, "jobs", "list").stdout
        seen = Caller(url, till.finance().token).get("/v2/condition").json()
        assert (seen["queue"]["dead"], [one["id"] for one in seen["dead_letters"]]) == (1, [dead["id"]])
    finally:
        process.stop()
    with simulator(tmp_path, f"{url}/provider-callbacks") as provider:
        process = serve(apis.idp, tmp_path, url, **{**environ, "RS_PROVIDER_URL": provider})
        try:
            assert command(environ, "jobs", "replay").returncode == 2
            assert command(environ, "jobs", "replay", "msg_none").returncode == 2
            assert command(environ, "jobs", "replay", dead["id"]).stdout == "1 replayed\n"
            assert over(caller, operation)["status"] == "succeeded"
            assert shown(caller, operation)["captured"] == euros(4321)
        finally:
            process.stop()


def test_the_sums_of_the_ledger_are_recounted_by_a_command(tmp_path: Path) -> None:
    environ = {"RS_DATA_DIR": str(tmp_path)}
    assert command(environ, "db", "upgrade").returncode == 0
    assert command(environ, "recount").stdout == "the sums are right\n"


def test_a_worker_apart_does_the_work_and_logs_no_secret(apis: Apis, till: Till, tmp_path: Path) -> None:
    url, folder = f"http://127.0.0.1:{free_port()}", tmp_path / "services"
    environ = {
        "RS_AUDIENCE": apis.url,
        "RS_DATA_DIR": str(folder),
        "RS_PROVIDER_URL": apis.provider,
        "RS_WORKER": "apart",
        "RS_PROVIDER_SECRET": PROVIDER_SECRET,
    }
    process = serve(apis.idp, tmp_path, url, **environ)
    log = tmp_path / "worker.log"
    try:
        caller = Caller(url, till.customer().token)
        operation = accepted(caller, "/v2/payments", {"amount": euros(77), "method": "pm_veryprivate"})
        assert caller.get(f"/v2/operations/{operation['id']}").json()["status"] == "running"
        with log.open("wb") as output:
            words = [str(BIN / "resource-server"), "worker", "--service", "payments"]
            worker = nursery.start(words, {**clean_environment(), **environ}, tmp_path, output)
        assert over(caller, operation)["status"] == "succeeded"
        worker.terminate()
        assert worker.wait(30) == 0
        logged = log.read_text() + process.log.read_text()
        for secret in (PROVIDER_SECRET, "pm_veryprivate", caller.token):
            assert secret not in logged
    finally:
        process.stop()
