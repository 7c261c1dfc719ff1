"""Users of the database that OpenBao makes for a while: leases are renewed, then followed by others, and no request notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from idp.settings_source import load
from resource_server.settings import load as load_services
from setting_sources.gathering import SettingsError
from tests.cluster.load import Load
from tests.conftest import API
from tests.resource_server.apis import open_apis
from tests.settings.leases import DatabaseEngine, leasing
from tests.settings.stores import TOKEN
from tests.support import databases
from tests.support.flows import App, Browser
from tests.support.running import RunningIdp

WITHIN = 60


def eventually(holds: Callable[[], object], otherwise: str = "it never came true") -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@pytest.fixture
def database(postgres_server: str) -> Iterator[str]:
    with databases.empty_postgres(postgres_server) as url:
        yield url


def without_user(url: str) -> str:
    return sa.make_url(url).set(username=None).render_as_string()


def leased_at(port: int, prefix: str, url: str) -> dict[str, str]:
    return {
        f"{prefix}DATABASE_URL": without_user(url),
        f"{prefix}DATABASE_LEASE_URL": f"vault+http://127.0.0.1:{port}/database/creds/idp",
        f"{prefix}CONFIG_TOKEN": TOKEN,
    }


def test_leases_are_renewed_and_followed_under_load(database: str, tmp_path: Path) -> None:
    """Every lease is renewed once and ends then, with all connections its user has: by then nobody needs them."""
    engine = DatabaseEngine(database, ttl=12, longest=16)
    with leasing(engine) as port:
        idp = RunningIdp(tmp_path / "idp")
        idp.environ.update(leased_at(port, "IDP_", database))
        with idp.cluster():
            idp.cli("init")
            idp.user("alice")
            idp.cli("resource", "create", API, "--scope", "read=Read things")
            grants = {"grant_types": ["authorization_code", "refresh_token"], "consent": "trusted"}
            client = idp.client(redirect_uris=["https://app.test/cb"], audience=[API], **grants)
            assert not engine.users(), "a command gives back what it leased"
            idp.node(idp.port, workers=2)
            app = App(idp.url, client)

            def work() -> int:
                return app.userinfo(app.tokens(Browser(idp.url), "alice")["access_token"]).status_code

            load = Load(work, 3)
            with load.running():
                eventually(lambda: load.told[200] > 5)
                first = engine.users()
                eventually(lambda: first <= set(engine.ended), "the first leases never end")
                before = load.told[200]
                eventually(lambda: load.told[200] > before + 10)
            assert set(load.told) == {200}, load.told
            assert engine.renewals > 0
            assert TOKEN not in idp.logs()


def test_a_server_that_is_away_for_a_while_is_waited_for(database: str, tmp_path: Path) -> None:
    """What is leased holds until its end; renewals are asked for again and again."""
    engine = DatabaseEngine(database, ttl=30, longest=3600)
    with leasing(engine) as port:
        idp = RunningIdp(tmp_path / "idp")
        idp.environ.update(leased_at(port, "IDP_", database))
        with idp.cluster():
            idp.cli("init")
            idp.node(idp.port)
            engine.ill = 503
            idp.logs("the credentials of the database are not renewed")
            engine.ill = None
            eventually(lambda: engine.renewals > 0)
            assert requests_work(idp)


def requests_work(idp: RunningIdp) -> bool:
    return Browser(idp.url).open(f"{idp.url}/readyz").status_code == 200


def test_the_services_lease_theirs(database: str, tmp_path: Path) -> None:
    engine = DatabaseEngine(database, ttl=6, longest=8)
    with leasing(engine) as port:
        settings = leased_at(port, "RS_", database)
        with open_apis(tmp_path, None, None, settings) as apis:
            machine = apis.machine()
            load = Load(lambda: machine.get("/v2/payments").status_code, 2)
            with load.running():
                eventually(lambda: load.told[200] > 5)
                first = engine.users()
                eventually(lambda: first <= set(engine.ended), "the first leases never end")
                before = load.told[200]
                eventually(lambda: load.told[200] > before + 10)
            assert set(load.told) == {200}, load.told


def test_without_the_server_nothing_starts(database: str, tmp_path: Path) -> None:
    engine = DatabaseEngine(database, ttl=6, longest=8)
    with leasing(engine) as port:
        idp = RunningIdp(tmp_path)
        idp.environ.update(leased_at(port, "IDP_", database))
        for ill in (503, 403):
            engine.ill = ill
            done = idp.run("init")
            assert (done.returncode, done.stdout) == (1, "")
            assert "database" in done.stderr
            assert TOKEN not in done.stderr


@pytest.mark.parametrize(
    "url", ["vault+http://vault.test/database/creds/idp", "spring+https://a/b/c", "https://a/b", "x"]
)
def test_a_place_that_no_token_may_be_sent_to_is_refused(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for read, prefix in ((load, "IDP_"), (load_services, "RS_")):
        with pytest.raises(SettingsError) as raised:
            read({f"{prefix}DATABASE_LEASE_URL": url})
        assert raised.value.faults == [f"{prefix}DATABASE_LEASE_URL: must be vault+https://HOST/MOUNT/creds/ROLE"]
