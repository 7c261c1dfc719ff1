"""What is said of an account that could not be kept: nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from idp.settings_source import load
from tests.support import databases
from tests.support.flows import Browser, Page
from tests.support.running import RunningIdp
from tests.support.servers import free_port
from tests.support.status import eventually
from tests.users.joining import begun
from tests.users.mail import link_in
from tests.users.test_sign_up import counted, exists, fields, form, name

__all__ = ["name"]
DOOM = {
    "sqlite": "CREATE TRIGGER doom AFTER INSERT ON users BEGIN INSERT INTO doomed VALUES (1); END",
    "postgresql": "CREATE RULE doom AS ON INSERT TO users DO ALSO INSERT INTO doomed VALUES (1)",
}


@pytest.mark.parametrize("kind", databases.KINDS)
def test_an_account_whose_commit_fails_is_not_counted_and_its_link_is_still_good(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, name: str
) -> None:
    with contextlib.ExitStack() as stack:
        url = None
        if kind == "postgresql":
            url = stack.enter_context(databases.empty_postgres(request.getfixturevalue("postgres_server")))
        settings = {"signup": "on", "metrics_port": str(free_port())}
        idp = stack.enter_context(RunningIdp(tmp_path, url, host="localhost", **settings))
        browser, database = Browser(idp.url), databases.open_database(load(idp.environ).database)
        stack.callback(database.engine.dispose)
        with database.write() as tx:  # what refers to nothing is refused when it commits, and not before
            tx.execute(sa.text("CREATE TABLE needed (id INTEGER PRIMARY KEY)"))
            tx.execute(sa.text("CREATE TABLE doomed (id INTEGER REFERENCES needed DEFERRABLE INITIALLY DEFERRED)"))
            tx.execute(sa.text(DOOM[kind]))
        _, letter = begun(idp, browser, form(browser), **fields(name))
        assert browser.submit(Page(browser.open(link_in(letter))), "verify").status_code == 400
        begun(idp, browser, form(browser), **fields(f"{name}-next"))
        eventually(lambda: counted(idp, "begun") == 2, 60)
        assert (counted(idp, "finished"), exists(idp, name)) == (0, False)
        with database.write() as tx:
            tx.execute(sa.text("INSERT INTO needed VALUES (1)"))
        browser.submit(Page(browser.open(link_in(letter))), "verify")
        assert exists(idp, name)
        eventually(lambda: counted(idp, "finished") == 1, 60)
