"""A browser without a browser: follows redirects, keeps cookies, fills in the pages' forms by the names CONTRACT promises."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests

from tests.support.running import PASSWORD

BARE_CHALLENGE = 'Bearer, DPoP algs="ES256 PS256 Ed25519 EdDSA"'
"""What userinfo answers to whoever brings no token."""


def pkce() -> tuple[str, str]:
    """A verifier and its S256 challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, pkce_challenge(verifier)


def pkce_challenge(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636 §4.2)."""
    return base64url(hashlib.sha256(verifier.encode()).digest())


def encoded(part: Any) -> str:
    """One part of a JWT."""
    return base64url(json.dumps(part).encode())


def base64url(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class HtmlForm:
    """One form of a page."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """The forms of a page by id, and the attributes of its main element."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__()
        self.response = response
        self.forms: dict[str, HtmlForm] = {}
        self.main: dict[str, str | None] = {}
        self._form: HtmlForm | None = None
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            action = urljoin(self.response.url, attributes.get("action") or "")
            self._form = HtmlForm(action)
            self.forms[attributes.get("id") or action.rsplit("/", 1)[-1]] = self._form
        elif tag == "main":
            self.main = attributes
        elif tag == "input" and self._form is not None and attributes.get("name"):
            self._form.fields[str(attributes["name"])] = attributes.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


class Browser:
    """A person's browser: `open` follows redirects while they stay at the identity provider."""

    def __init__(self, home: str) -> None:
        self.home = home
        self.http = requests.Session()
        self.http.headers["Accept"] = "text/html"

    def open(self, url: str) -> requests.Response:
        return self._follow(self.http.get(url, allow_redirects=False, timeout=30))

    def submit(self, page: Page, form: str, **fields: str) -> requests.Response:
        target = page.forms[form]
        data = {**target.fields, **fields}
        return self._follow(self.http.post(target.action, data=data, allow_redirects=False, timeout=30))

    def _follow(self, response: requests.Response) -> requests.Response:
        for _ in range(10):
            location = response.headers.get("Location")
            if location is None or not location.startswith(self.home):
                return response
            response = self.http.get(location, allow_redirects=False, timeout=30)
        raise AssertionError("too many redirects")


def answer_of(response: requests.Response) -> dict[str, str]:
    """The parameters of the redirect that left the identity provider, in its query or its fragment."""
    location = response.headers.get("Location")
    assert location is not None, f"no redirect: {response.status_code} {response.text[:1500]}"
    parts = urlsplit(location)
    return dict(parse_qsl(parts.fragment or parts.query, keep_blank_values=True))


class App:
    """A client as its developers write it: it sends people to authorize, and redeems what comes back."""

    def __init__(self, idp: str, client: dict[str, Any], issuer: str | None = None) -> None:
        self.idp = idp
        self.issuer = issuer or idp
        self.client = client
        self.client_id: str = client["client_id"]
        self.redirect_uri: str = client["redirect_uris"][0] if client.get("redirect_uris") else ""

    def authorize_url(self, **parameters: Any) -> tuple[str, str]:
        """The URL that starts a login, and the PKCE verifier that ends it; None leaves a parameter out."""
        verifier, challenge = pkce()
        given = {
            "client_id": self.client_id,
            "response_type": "code",
            "redirect_uri": self.redirect_uri,
            "scope": "openid",
            "state": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        query = urlencode({name: value for name, value in given.items() if value is not None}, doseq=True)
        return f"{self.idp}/oauth/authorize?{query}", verifier

    def login(
        self, browser: Browser, username: str, password: str = PASSWORD, **parameters: Any
    ) -> tuple[dict[str, str], str]:
        """Log in and consent as far as asked; the answer's parameters and the verifier."""
        url, verifier = self.authorize_url(**parameters)
        response = browser.open(url)
        page = Page(response)
        if "login" in page.forms:
            response = browser.submit(page, "login", username=username, password=password)
            page = Page(response)
        if "consent" in page.forms:
            response = browser.submit(page, "consent", decision="allow")
        return answer_of(response), verifier

    def post(
        self,
        path: str,
        *,
        base: str | None = None,
        auth: bool = True,
        headers: dict[str, str] | None = None,
        **data: Any,
    ) -> requests.Response:
        """A form post to a protocol endpoint, authenticated as registered."""
        sent = {name: value for name, value in data.items() if value is not None}
        basic = None
        match self.client["token_endpoint_auth_method"] if auth else None:
            case "client_secret_basic":
                basic = (self.client_id, self.client["client_secret"])
            case "client_secret_post":
                sent = {**sent, "client_id": self.client_id, "client_secret": self.client["client_secret"]}
            case "none":
                sent = {"client_id": self.client_id, **sent}
        return requests.post(f"{base or self.idp}{path}", data=sent, auth=basic, headers=headers, timeout=30)

    def redeem(self, code: str, verifier: str | None, **data: Any) -> requests.Response:
        given = {"redirect_uri": self.redirect_uri, "code_verifier": verifier, **data}
        return self.post("/oauth/token", grant_type="authorization_code", code=code, **given)

    def tokens(self, browser: Browser, username: str, **parameters: Any) -> dict[str, Any]:
        """A whole login; the token response."""
        answer, verifier = self.login(browser, username, **parameters)
        assert "code" in answer, answer
        response = self.redeem(answer["code"], verifier)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    def refresh(self, token: str, **data: Any) -> requests.Response:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=token, **data)

    def userinfo(self, access_token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.idp}/oauth/userinfo", headers=headers, timeout=30)

    def introspect(self, token: str) -> dict[str, Any]:
        response = self.post("/oauth/introspect", token=token)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document


def claims(token: str) -> dict[str, Any]:
    """The payload of a JWT, unverified."""
    payload = token.split(".")[1]
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return document
