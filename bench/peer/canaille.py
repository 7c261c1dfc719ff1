"""Canaille: tokens of services, and logins of people, each in a browser they have used before."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Sequence
from http.cookiejar import Cookie
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import requests

from bench import processes
from bench.peer import SECRET, stay
from bench.peer.pythons import WORKERS, PythonPeer
from bench.subject import CALLBACK
from tests.support.flows import Page, answer_of, pkce
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
        self._browsers = [self._login(number, None) for number in range(_PEOPLE)]
        self._turns = itertools.cycle(range(_PEOPLE))
        return self

    def login_cpu(self, logins: int) -> float:
        """CPU milliseconds of what `works.login_cpu` measures of ours: a whole login and its code flow, less the password hash."""
        before = processes.cpu_seconds(self.pid)
        for number in itertools.islice(self._turns, logins):
            self._login(number, self._browsers[number])
        return ((processes.cpu_seconds(self.pid) - before) / logins - self._hash) * 1000

    def _login(self, number: int, known: Cookie | None) -> Cookie:
        """A login of somebody who is signed out; what their browser is known by from then on."""
        http = requests.Session()
        if known is not None:
            http.cookies.set_cookie(known)
        verifier, challenge = pkce()
        page = self._get(http, f"/oauth/authorize?{urlencode(_asked(challenge))}")
        if known is None:
            page = self._submit(http, page, login=_name(number), remember="y")
        else:
            assert f'"/login/{_name(number)}"' in page.text
            page = self._get(http, f"/login/{_name(number)}")
        code = answer_of(self._submit(http, page, password=PASSWORD))["code"]
        self._redeem(code, verifier)
        return next(cookie for cookie in http.cookies if cookie.name == _KNOWN)

    def _get(self, http: requests.Session, path: str) -> requests.Response:
        return stay(http, self.url, http.get(self.url + path, allow_redirects=False, timeout=30))

    def _submit(self, http: requests.Session, page: requests.Response, **fields: str) -> requests.Response:
        form = next(form for form in Page(page).forms.values() if fields.keys() <= form.fields.keys())
        data = {**form.fields, **fields}
        return stay(http, self.url, http.post(form.action, data=data, allow_redirects=False, timeout=30))

    def _redeem(self, code: str, verifier: str) -> None:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
        }
        response = requests.post(self.url + self.token, data=form, auth=("web", SECRET), timeout=30)
        assert {"access_token", "id_token"} <= response.json().keys(), response.status_code


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
