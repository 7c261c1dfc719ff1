"""Settings that change while the programs run, and secrets that are replaced under load without a failed request."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from pydantic import SecretStr

from idp.assembly.following import BOUNDS, LIMITS
from setting_sources.databases import credentials_only
from tests.cluster.load import Load
from tests.conftest import API
from tests.resource_server.apis import open_apis
from tests.settings.stores import TOKEN, Store, serving
from tests.support import databases
from tests.support.flows import App, Browser, Page
from tests.support.ports import free_port
from tests.support.running import RunningIdp

ROOT = Path(__file__).parents[2]
WITHIN = 30


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def kept_at(port: int, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}CONFIG_URL": f"vault+http://127.0.0.1:{port}/secret/apps/idp",
        f"{prefix}CONFIG_TOKEN": TOKEN,
        f"{prefix}CONFIG_REFRESH": "1",
    }


def test_a_rate_limit_of_an_api_changes_without_a_restart(tmp_path: Path) -> None:
    """The server's word counts for what the machine leaves open; what is wrong, or away, changes nothing."""
    store, port = Store(rate_reads="1000", rate_writes="500"), free_port()
    settings = {**kept_at(port, "RS_"), "RS_RATE_READS": "", "RS_RATE_WRITES": ""}
    with serving(store, port), open_apis(tmp_path, None, None, settings) as apis:
        caller, process = apis.machine(), apis.process.process.pid

        def quota() -> str:
            return caller.get("/v1/payments").headers["RateLimit-Policy"]

        assert quota() == '"payments-read";q=1000;w=60'
        store.put(rate_reads="700")
        eventually(lambda: quota() == '"payments-read";q=700;w=60')

        store.put(rate_reads="600", rate_writes="many")
        asked = len(store.asked)
        eventually(lambda: len(store.asked) >= asked + 2)
        assert quota() == '"payments-read";q=700;w=60', (
            "faulty settings are not taken, not even the good ones among them"
        )
        store.status = 503
        asked = len(store.asked)
        eventually(lambda: len(store.asked) >= asked + 2)
        assert quota() == '"payments-read";q=700;w=60'

        store.status = None
        store.put(rate_reads="3", rate_writes="500")
        eventually(lambda: caller.get("/v1/payments").status_code == 429)
        assert apis.process.process.pid == process
        log = apis.process.log.read_text()
        assert '"names": ["rate_reads"]' in log
        assert TOKEN not in log


def test_a_limit_of_the_provider_changes_without_a_restart(tmp_path: Path) -> None:
    patient = {"login_max_failures_per_address": "100000"}
    store, port = Store(registration="open", registration_max="50", **patient), free_port()
    with serving(store, port):
        idp = RunningIdp(tmp_path / "idp")
        idp.environ.update(kept_at(port, "IDP_"))
        with idp:

            def register() -> int:
                document = {"redirect_uris": ["https://app.test/callback"]}
                return requests.post(f"{idp.url}/oauth/register", json=document, timeout=30).status_code

            assert register() == 201
            store.put(registration_max="1", **patient)
            eventually(lambda: register() == 429)

            def ask() -> int:
                browser = Browser(idp.url)
                page = Page(browser.open(f"{idp.url}/password/forgot"))
                return browser.submit(page, "forgot", email=f"{secrets.token_hex(4)}@example.com").status_code

            assert ask() == 200
            store.put(registration_max="1", reset_max_per_address="1", **patient)
            eventually(lambda: ask() == 429)

            def guess() -> int:
                browser = Browser(idp.url)
                page = Page(browser.open(f"{idp.url}/login"))
                return browser.submit(page, "login", username=secrets.token_hex(4), password="wrong").status_code

            assert guess() == 400
            store.put(registration_max="1", login_max_failures_per_network="1", **patient)
            eventually(lambda: guess() == 429)
            store.put(registration_max="50", registration="closed")
            eventually(lambda: register() == 201)
            assert '"names": ["registration"]' in idp.logs("that need a restart")


def test_each_limit_that_may_change_is_one_that_is_counted() -> None:
    """What is changed by name must be asked for by name."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "idp").rglob("*.py"))
    for name in LIMITS:
        assert f'.take("{name}"' in sources, name
    made = {"login-account", "login-device", "second-factor-account", "second-factor-device"}
    for name in BOUNDS.keys() - made:
        assert f'Bound("{name}"' in sources, name


@contextmanager
def two_roles(server: str) -> Iterator[tuple[str, str]]:
    """Two names under which one may connect, as a lease gives out one after the other."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    names = f"lease_{free_port()}_one", f"lease_{free_port()}_two"
    with engine.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN SUPERUSER")
        yield names


def as_role(url: str, name: str) -> str:
    return sa.make_url(url).set(username=name, password="unused").render_as_string(hide_password=False)


def test_the_credentials_of_the_database_are_replaced_under_load(postgres_server: str, tmp_path: Path) -> None:
    """The new ones are used, the old ones are let go of, then they end: no request notices."""
    port = free_port()
    with databases.empty_postgres(postgres_server) as url, two_roles(postgres_server) as (one, two):
        store = Store(database_url=as_role(url, one))
        admin = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

        def connections(name: str) -> int:
            with admin.connect() as connection:
                query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE usename = :name")
                return int(connection.execute(query, {"name": name}).scalar_one())

        with serving(store, port):
            idp = RunningIdp(tmp_path / "idp")
            idp.environ.update(kept_at(port, "IDP_"))
            with idp:
                idp.user("alice")
                idp.cli("resource", "create", API, "--scope", "read=Read things")
                grants = {"grant_types": ["authorization_code", "refresh_token"], "consent": "trusted"}
                app = App(idp.url, idp.client(redirect_uris=["https://app.test/cb"], audience=[API], **grants))

                def work() -> int:
                    return app.userinfo(app.tokens(Browser(idp.url), "alice")["access_token"]).status_code

                load = Load(work, 3)
                with load.running():
                    eventually(lambda: load.told[200] > 5)
                    store.put(database_url=as_role(url, two))
                    eventually(lambda: connections(two) > 0 and connections(one) == 0)
                    with admin.connect() as connection:
                        connection.exec_driver_sql(f"ALTER ROLE {one} NOLOGIN")
                    before = load.told[200]
                    eventually(lambda: load.told[200] > before + 5)
                assert set(load.told) == {200}, load.told
            with admin.connect() as connection:
                for name in (one, two):
                    connection.exec_driver_sql(f"REASSIGN OWNED BY {name} TO postgres")
                    connection.exec_driver_sql(f"DROP ROLE {name}")


@pytest.mark.parametrize("what", ["host", "database"])
def test_another_database_needs_a_restart(what: str) -> None:
    other = {"host": "postgresql://a:b@elsewhere/d", "database": "postgresql://a:b@h/other"}[what]
    assert credentials_only(SecretStr("postgresql://a:b@h/d"), SecretStr("postgresql://c:d@h/d"))
    assert not credentials_only(SecretStr("postgresql://a:b@h/d"), SecretStr(other))
