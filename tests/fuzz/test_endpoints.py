"""Whatever is sent to any endpoint: no 500, no redirect to a place that is not registered, and a standard refusal."""

from __future__ import annotations

import base64
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import requests

from tests.support.flows import App, Browser, Page
from tests.support.running import RunningIdp

SEED = int(os.environ.get("FUZZ_SEED", "20260101"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "250"))
PROTOCOL = ("/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/userinfo", "/oauth/jwks", "/events/snapshot")
DOCUMENTS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/livez", "/readyz")
PAGES = (
    *("/", "/oauth/authorize", "/oauth/logout", "/oauth/check_session", "/login", "/consent", "/signup", "/account"),
    "/static/style.css",
)
METHODS = ("GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH")
NAMES = [
    *("grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret", "refresh_token", "scope"),
    *("resource", "token", "token_type_hint", "client_assertion", "client_assertion_type", "response_type", "state"),
    *("nonce", "prompt", "max_age", "login_hint", "id_token_hint", "acr_values", "code_challenge", "display", "claims"),
    *("code_challenge_method", "response_mode", "ui_locales", "claims_locales", "request", "request_uri", "dpop_jkt"),
    *("post_logout_redirect_uri", "username", "password", "csrf", "decision", "flow", "access_token", "after", "since"),
]
CODE = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
NEEDED = {
    "/oauth/token": ("grant_type", "code", "code_verifier", "redirect_uri", "refresh_token", "scope", "resource"),
    "/oauth/revoke": ("token", "token_type_hint"),
    "/oauth/introspect": ("token", "token_type_hint"),
    "/oauth/authorize": (
        *CODE,
        "prompt",
        "max_age",
        "resource",
        "id_token_hint",
        "acr_values",
        "response_mode",
        "claims",
    ),
    "/oauth/logout": ("id_token_hint", "post_logout_redirect_uri", "state", "client_id"),
    "/login": ("username", "password", "csrf"),
    "/consent": ("flow", "decision", "csrf"),
}
HOSTILE = (
    "",
    " ",
    "\0",
    "a\0b",
    "\r\nSet-Cookie: x=y",
    "%00",
    "%",
    "%zz",
    "é",
    "\ud7ff",
    "\U0010ffff",
    "'\"><script>alert(1)</script>",
    "' OR 1=1 --",
    "../../etc/passwd",
    "https://evil.test/",
    "//evil.test",
    "javascript:alert(1)",
    "-1",
    "0",
    "1e309",
    "9" * 400,
    "NaN",
    "{}",
    '{"userinfo":' + "[" * 500,
    "none",
    "none login",
    "login consent select_account",
    "a" * 5000,
    "..",
    "e30.e30.",
    "eyJhbGciOiJub25lIn0.e30.",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, as it is told when it fails."""

    method: str
    path: str
    query: bytes
    headers: Mapping[str, str]
    body: bytes | None


class Source:
    """Random requests that are near enough to good ones to get past the first check."""

    def __init__(self, seed: str, good: Mapping[str, list[str]], secret: str) -> None:
        self._random = random.Random(seed)
        self._good = good
        self._secret = secret

    def request(self, path: str) -> Sent:
        some = self._random
        method = some.choice(METHODS)
        pairs = self._pairs(NEEDED.get(path, ()))
        in_body = method in {"POST", "PUT", "PATCH"} and some.random() < 0.9
        extra = self._encoded(self._pairs(())) if in_body and some.random() < 0.1 else b""
        query = extra if in_body else self._encoded(pairs)
        return Sent(method, path, query, self._headers(path), self._body(pairs) if in_body else None)

    def _pairs(self, needed: tuple[str, ...]) -> list[tuple[str, str]]:
        """A good request of this kind, with up to three faults in it."""
        some = self._random
        pairs = [(name, self._good_value(name)) for name in needed]
        for _ in range(some.randint(0, 3)):
            self._spoil(pairs)
        some.shuffle(pairs)
        return pairs

    def _good_value(self, name: str) -> str:
        return self._random.choice(self._good.get(name) or HOSTILE)

    def _spoil(self, pairs: list[tuple[str, str]]) -> None:
        some = self._random
        place = some.randrange(len(pairs)) if pairs else None
        match some.choice(("value", "value", "value", "drop", "double", "add", "add")):
            case "value" if place is not None:
                pairs[place] = (pairs[place][0], some.choice(HOSTILE))
            case "drop" if place is not None:
                del pairs[place]
            case "double" if place is not None:
                pairs.append(pairs[place])
            case _:
                pairs.append((name := some.choice(NAMES), self._good_value(name)))

    def _encoded(self, pairs: list[tuple[str, str]]) -> bytes:
        encoded = requests.models.RequestEncodingMixin._encode_params(pairs)
        raw = str(encoded).encode()
        if self._random.random() < 0.1:
            raw += self._random.choice((b"&%ff=%fe", b"&a=%c3%28", b"&=&&;", b"&a", b"&%=%", b"&" * 2000))
        return raw

    def _body(self, pairs: list[tuple[str, str]]) -> bytes:
        kind = self._random.random()
        if kind < 0.85:
            return self._encoded(pairs)
        return self._random.choice((b"", b"{", b"[" * 10000, b"\xff\xfe\x00", b"a=b&" * 50000, b'{"grant_type":1}'))

    def _headers(self, path: str) -> dict[str, str]:
        some = self._random
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if some.random() < 0.1:
            kinds = (
                "application/json",
                "text/plain",
                "multipart/form-data; boundary=x",
                "",
                "a/b; charset=\xff",
                "x" * 900,
            )
            headers["Content-Type"] = some.choice(kinds)
        if some.random() < 0.9:
            good = "Bearer" if path == "/oauth/userinfo" else "Basic"
            kinds = self._authorizations()
            headers["Authorization"] = some.choice(
                [*kinds, *[kind for kind in kinds if len(kind) > 40 and good in kind] * 9]
            )
        for name, values in _OPTIONAL_HEADERS.items():
            if some.random() < 0.08:
                headers[name] = some.choice(values)
        return headers

    def _authorizations(self) -> tuple[str, ...]:
        basic = base64.b64encode(f"{self._good['client_id'][0]}:{self._secret}".encode()).decode()
        tokens = self._good["token"]
        return (
            f"Basic {basic}",
            "Basic",
            "Basic !!!",
            f"Basic {base64.b64encode(b'no colon').decode()}",
            f"Basic {base64.b64encode(bytes([255, 0, 58, 254])).decode()}",
            "Bearer",
            "Bearer a b",
            f"Bearer {tokens[0]}",
            f"Bearer {tokens[-1]}",
            "DPoP x",
            "Negotiate " + "A" * 4000,
        )


_OPTIONAL_HEADERS = {
    "Cookie": ("idp-session=x", "idp-flow=\x7f", "idp-session=a; idp-session=b", "a" * 4000, "idp-browser-state=é"),
    "Origin": ("null", "https://evil.test", "http://127.0.0.1"),
    "Accept": ("*/*", "text/html", "application/json;q=x", ",;,"),
    "Accept-Language": ("de", "x" * 300, "*;q=9"),
    "X-Forwarded-For": ("1.2.3.4", "x", "::1, y"),
    "X-Request-Id": ("abcdefgh12", "<x>", "a" * 200),
    "If-None-Match": ("*", '"x"', "W/"),
    "Range": ("bytes=0-1", "bytes=9-1", "x"),
    "Content-Encoding": ("gzip", "br"),
}


@pytest.fixture(scope="module")
def good(idp: RunningIdp, web_app: App) -> dict[str, list[str]]:
    tokens = web_app.tokens(Browser(idp.url), "alice", scope="openid offline_access read")
    return {
        "client_id": [web_app.client_id],
        "redirect_uri": [web_app.redirect_uri],
        "post_logout_redirect_uri": web_app.client["post_logout_redirect_uris"],
        "response_type": ["code"],
        "grant_type": ["authorization_code", "refresh_token", "client_credentials"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
        "code_verifier": ["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
        "scope": ["openid", "openid profile", "read", "openid offline_access read"],
        "token": [tokens["access_token"], tokens["id_token"], "x.y"],
        "id_token_hint": [tokens["id_token"]],
        "refresh_token": ["not-a-refresh-token"],
        "resource": ["https://api.test", idp.issuer],
        "prompt": ["none", "login", "consent"],
        "max_age": ["0", "100"],
        "response_mode": ["query", "form_post", "fragment"],
        "claims": ['{"userinfo":{"email":null}}', '{"id_token":{"acr":{"essential":true,"values":["9fa"]}}}'],
        "acr_values": ["1fa", "phr"],
        "state": ["abc", "x" * 60],
        "nonce": ["n-1"],
        "token_type_hint": ["access_token", "refresh_token", "other"],
    }


def sent_to(path: str, good: dict[str, list[str]], secret: str) -> Iterator[Sent]:
    source = Source(f"{SEED} {path}", good, secret)
    for _ in range(ROUNDS):
        yield source.request(path)


def answer(base: str, sent: Sent) -> requests.Response:
    url = f"{base}{sent.path}" + (f"?{sent.query.decode('latin-1')}" if sent.query else "")
    headers = {name: value.encode("latin-1", "replace") for name, value in sent.headers.items()}
    request = requests.Request(sent.method, base + sent.path, headers=headers, data=sent.body).prepare()
    request.url = url
    with requests.Session() as session:
        return session.send(request, allow_redirects=False, timeout=30)


@pytest.mark.parametrize("path", PROTOCOL + DOCUMENTS + PAGES)
def test_no_input_gives_a_500_or_an_open_redirect(
    idp: RunningIdp, web_app: App, good: dict[str, list[str]], path: str
) -> None:
    registered = {*web_app.client["redirect_uris"], *web_app.client["post_logout_redirect_uris"]}
    for sent in sent_to(path, good, web_app.client["client_secret"]):
        response = answer(idp.url, sent)
        assert response.status_code < 500, (SEED, sent, response.text[:2000])
        location = response.headers.get("Location")
        if location is not None:
            place = urlsplit(location)._replace(query="", fragment="").geturl()
            assert place in registered or place.startswith(idp.url), (SEED, sent, location)
        if path in PROTOCOL and response.status_code >= 400 and response.content and sent.method != "HEAD":
            assert set(response.json()) <= {"error", "error_description"}, (SEED, sent, response.text)
        assert "evil" not in response.headers.get("Set-Cookie", "")


@pytest.mark.parametrize("form", ["login", "consent", "logout"])
def test_no_filled_in_form_gives_a_500(idp: RunningIdp, web_app: App, person: str, form: str) -> None:
    """The same behind the proof that a form is ours: what a person, or their browser's extensions, may fill in."""
    some = random.Random(f"{SEED} {form}")
    browser = Browser(idp.url)
    if form != "login":
        web_app.login(browser, person)
    start = f"{idp.url}/oauth/logout" if form == "logout" else web_app.authorize_url(scope="openid profile read")[0]
    for _ in range(ROUNDS // 4):
        page = Page(browser.open(start))
        fields = {name: some.choice(HOSTILE) for name in some.sample([*page.forms[form].fields, "x", "username"], 2)}
        fields.pop("csrf", None)
        response = browser.submit(page, form, **{"username": "nobody", "password": "p", "decision": "x", **fields})
        assert response.status_code < 500, (SEED, fields, response.text[:2000])
        assert "evil" not in response.headers.get("Location", ""), (SEED, fields)
        if form == "logout" and "logout" not in Page(browser.open(start)).forms:
            web_app.login(browser, person)


def test_the_server_is_sound_afterwards(idp: RunningIdp, web_app: App) -> None:
    assert web_app.tokens(Browser(idp.url), "alice", scope="openid read")["access_token"]
    assert '"unexpected"' not in idp.logs()
    assert "Traceback" not in idp.logs()
