"""Canaille: tokens of services, and logins of people, each in a browser they have used before."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from bench import processes
from bench.browser import Browser, redemption
from bench.peer import SECRET, basic
from bench.peer.pythons import WORKERS, PythonPeer
from bench.subject import CALLBACK
from tests.support.flows import pkce
from tests.support.running import PASSWORD

_PEOPLE = 60
"""Its access tokens tell when they were made in whole seconds, and two that are alike it refuses with a 500: nobody logs in twice in one."""
_KNOWN = "canaille_login_history"
_HASHES = 20
_HASH = f"""
import time
from passlib.context import CryptContext
context = CryptContext(schemes=["pbkdf2_sha512"])
hashed = context.hash({PASSWORD!r})
begin = time.process_time()
for _ in range({_HASHES}):
    assert context.verify_and_update({PASSWORD!r}, hashed)[0]
print((time.process_time() - begin) / {_HASHES})
"""
"""The call with which its SQL backend compares a password, by its own default; prints seconds of CPU."""


class Canaille(PythonPeer):
    """As its documentation has it: `canaille run`, which is hypercorn, on its SQL backend."""

    name = "canaille"
    packages = ("canaille[front,oidc,sqlite,server]==0.3.6",)
    about = (
        f"{packages[0]}: `canaille run` with two workers, its SQL backend on SQLite, its default tokens and hash; "
        "people log in by choosing their name from those the browser knows, at a client that is trusted."
    )
    token = "/oauth/token"
    ready = "/.well-known/openid-configuration"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environ |= {
            "SECRET_KEY": SECRET,
            "SERVER_NAME": self.host,
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE_SQL__DATABASE_URI": f"sqlite:///{folder / 'canaille.sqlite'}",
            "CANAILLE_OIDC__TRUSTED_DOMAINS": "app.bench",
        }

    def prepare(self) -> None:
        self.environ["CANAILLE_OIDC__ACTIVE_JWKS"] = f"[{self.run('canaille', 'jwk', 'create', 'rsa')}]"
        self.run("canaille", "install")
        self.run("canaille", "restore", stdin=json.dumps({"user": _people(), "client": _clients()}))
        self._hash = float(self.run("python", "-c", _HASH))

    def command(self) -> Sequence[str]:
        return "canaille", "run", "--bind", self.host, "--workers", WORKERS

    def __enter__(self) -> Self:
        super().__enter__()
        with Browser(self.url) as app:
            self._browsers = [self._login(app, number, None) for number in range(_PEOPLE)]
        self._turns = itertools.cycle(range(_PEOPLE))
        return self

    def login_cpu(self, logins: int) -> float:
        """CPU milliseconds of what `login_cpu.milliseconds` measures of ours: a whole login and its code flow, less the password hash."""
        before = processes.cpu_seconds(self.pid)
        with Browser(self.url) as app:
            for number in itertools.islice(self._turns, logins):
                self._login(app, number, self._browsers[number])
        return ((processes.cpu_seconds(self.pid) - before) / logins - self._hash) * 1000

    def _login(self, app: Browser, number: int, known: str | None) -> str:
        """A login of somebody who is signed out; what their browser is known by from then on."""
        verifier, challenge = pkce()
        with Browser(self.url, {_KNOWN: known} if known else {}) as browser:
            page = browser.open(f"/oauth/authorize?{urlencode(_asked(challenge))}")
            if known is None:
                page = browser.submit(page, login=_name(number), remember="y")
            else:
                assert f'"/login/{_name(number)}"' in page.body
                page = browser.open(f"/login/{_name(number)}")
            form = redemption(browser.submit(page, password=PASSWORD), verifier)
            tokens = app.post(self.token, form, basic("web"))
            assert {"access_token", "id_token"} <= json.loads(tokens.body).keys(), tokens.status
            return browser.cookies[_KNOWN]


def _asked(challenge: str) -> dict[str, str]:
    return {
        "client_id": "web",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid read",
        "state": secrets.token_urlsafe(8),
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }


def _name(number: int) -> str:
    return f"person{number}"


def _people() -> list[dict[str, Any]]:
    return [
        {
            "id": _name(number),
            "user_name": _name(number),
            "password": PASSWORD,
            "family_name": "Bench",
            "formatted_name": f"{_name(number)} Bench",
            "emails": [f"{_name(number)}@example.com"],
        }
        for number in range(_PEOPLE)
    ]


def _clients() -> list[dict[str, Any]]:
    service = {"scope": ["read"], "grant_types": ["client_credentials"]}
    web = {
        "scope": ["openid", "read"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": [CALLBACK],
        "client_uri": "https://app.bench",
    }
    return [
        {
            "id": name,
            "client_id": name,
            "client_name": name,
            "client_secret": SECRET,
            "token_endpoint_auth_method": "client_secret_basic",
            "audience": [name],
            **metadata,
        }
        for name, metadata in (("service", service), ("web", web))
    ]
