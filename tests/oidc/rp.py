"""A relying party for every response type and mode: it takes its answer where it asked for it alone, and believes nothing unchecked."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
import requests

from tests.support.flows import App, Browser, Page
from tests.support.running import PASSWORD, RunningIdp

NO_PKCE = {"code_challenge": None, "code_challenge_method": None}
ALWAYS = {"iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid"}
"""What every ID token of ours says."""


@dataclass(frozen=True)
class Flow:
    """One response type in one response mode; without a mode, the default of the type."""

    response_type: str
    asked_mode: str | None = None

    @property
    def words(self) -> set[str]:
        return set(self.response_type.split())

    @property
    def mode(self) -> str:
        return self.asked_mode or ("fragment" if self.words & {"token", "id_token"} else "query")

    @property
    def grant_types(self) -> list[str]:
        """RFC 7591 §2.1, by hand."""
        code = ["authorization_code", "refresh_token"] if "code" in self.words else []
        return code + (["implicit"] if self.words & {"token", "id_token"} else [])

    def __str__(self) -> str:
        return f"{self.response_type} {self.asked_mode or ''}".strip()


RESPONSE_TYPES = ("code", "id_token", "id_token token", "code id_token", "code token", "code id_token token")
FLOWS = [Flow(kind, mode) for kind in RESPONSE_TYPES for mode in (None, "form_post")]
"""Every response type in its default mode and by form post: the base, implicit, hybrid and form-post plans."""


@dataclass(frozen=True)
class Sent:
    """A request that is on its way, with what its answer must fit."""

    url: str
    verifier: str
    parameters: dict[str, Any]


@dataclass
class Tokens:
    """All that one login gave: claims of the ID tokens, access tokens, and the token response, each where there is one."""

    front: dict[str, Any] | None = None
    back: dict[str, Any] | None = None
    access: list[str] = field(default_factory=list)
    response: dict[str, Any] = field(default_factory=dict)
    hint: str = ""

    @property
    def identities(self) -> list[dict[str, Any]]:
        return [claims for claims in (self.front, self.back) if claims is not None]

    @property
    def identity(self) -> dict[str, Any]:
        return self.identities[0]


def registered(op: RunningIdp, flow: Flow, **metadata: Any) -> dict[str, Any]:
    """A client for this flow: confidential, of the `oidc` profile, trusted, unless told otherwise."""
    given = {
        "client_name": f"RP {flow.response_type}",
        "redirect_uris": [f"https://rp-{secrets.token_hex(4)}.test/cb"],
        "grant_types": flow.grant_types,
        "response_types": [flow.response_type],
        "security_profile": "oidc",
        "consent": "trusted",
    }
    return op.client(**{**given, **metadata})


class RelyingParty(App):
    """A registered client that uses one flow."""

    def __init__(self, op: RunningIdp, flow: Flow, client: dict[str, Any]) -> None:
        super().__init__(op.url, client, op.issuer)
        self.flow = flow

    def start(self, **parameters: Any) -> Sent:
        """A request of this flow with a state and a nonce of its own."""
        given = {
            "response_type": self.flow.response_type,
            "response_mode": self.flow.asked_mode,
            "nonce": secrets.token_urlsafe(33),
            **parameters,
        }
        url, verifier = self.authorize_url(**given)
        sent = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        return Sent(url, verifier, sent)

    def received(self, response: requests.Response) -> dict[str, str]:
        return received(response, self.redirect_uri, self.flow.mode)

    def answer(self, browser: Browser, sent: Sent, username: str = "ada") -> dict[str, str]:
        """Go there, log in where asked, and take the answer."""
        response = browser.open(sent.url)
        page = Page(response)
        if "login" in page.forms:
            response = browser.submit(page, "login", username=username, password=PASSWORD)
            page = Page(response)
        if "consent" in page.forms:
            response = browser.submit(page, "consent", decision="allow")
        return self.received(response)

    def finish(self, sent: Sent, answer: dict[str, str]) -> Tokens:
        """Check the whole answer, redeem its code, and check what came for it."""
        words = self.flow.words
        assert answer["iss"] == self.issuer, answer
        assert answer.get("state") == sent.parameters.get("state")
        assert ("code" in answer, "id_token" in answer, "access_token" in answer) == (
            "code" in words,
            "id_token" in words,
            "token" in words,
        ), answer
        tokens = Tokens()
        if "token" in words:
            assert answer["token_type"] == "Bearer"
            assert int(answer["expires_in"]) > 0
            tokens.access.append(answer["access_token"])
        if "id_token" in words:
            tokens.front, tokens.hint = self._front(sent, answer), answer["id_token"]
        if "code" in words:
            self._redeem(sent, answer, tokens)
        for one in tokens.identities:
            assert (one["iss"], one["sub"]) == (self.issuer, tokens.identity["sub"])
        return tokens

    def tokens_of(self, browser: Browser, username: str = "ada", **parameters: Any) -> Tokens:
        """A whole login."""
        sent = self.start(**parameters)
        return self.finish(sent, self.answer(browser, sent, username))

    def verified(self, id_token: str, sent: Sent) -> dict[str, Any]:
        """The claims of an ID token, as OpenID Connect Core §3.1.3.7 checks them.

        One that a refresh brought carries no nonce (§12.2): it is checked against a request that sent none.
        """
        header = jwt.get_unverified_header(id_token)
        key = next(key for key in self._jwks() if key["kid"] == header["kid"])
        claims: dict[str, Any] = jwt.decode(
            id_token,
            jwt.PyJWK(key),
            algorithms=[header["alg"]],
            audience=self.client_id,
            issuer=self.issuer,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
        assert claims.get("nonce") == sent.parameters.get("nonce")
        assert claims["auth_time"] <= claims["iat"] <= time.time() + 1
        assert claims.keys() >= ALWAYS
        assert 0 < len(claims["sub"]) <= 255
        return claims

    def _front(self, sent: Sent, answer: dict[str, str]) -> dict[str, Any]:
        claims = self.verified(answer["id_token"], sent)
        vouched = {"c_hash": answer.get("code"), "at_hash": answer.get("access_token"), "s_hash": answer.get("state")}
        for name, value in vouched.items():
            assert claims.get(name) == (None if value is None else left_half(value)), name
        return claims

    def _redeem(self, sent: Sent, answer: dict[str, str], tokens: Tokens) -> None:
        verifier = sent.verifier if "code_challenge" in sent.parameters else None
        response = self.redeem(answer["code"], verifier)
        assert response.status_code == 200, response.text
        assert response.headers["Cache-Control"] == "no-store"
        tokens.response = response.json()
        tokens.access.append(tokens.response["access_token"])
        if "id_token" in tokens.response:
            tokens.hint = tokens.response["id_token"]
            tokens.back = self.verified(tokens.hint, sent)
            assert tokens.back["at_hash"] == left_half(tokens.response["access_token"])

    def _jwks(self) -> list[dict[str, Any]]:
        keys: list[dict[str, Any]] = requests.get(f"{self.idp}/oauth/jwks", timeout=30).json()["keys"]
        return keys


def left_half(value: str) -> str:
    """OpenID Connect Core §3.1.3.6, for the algorithms with SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()


def claims_parameter(**members: Any) -> str:
    """The value of a `claims` parameter."""
    return json.dumps(members)


def received(response: requests.Response, redirect_uri: str, mode: str) -> dict[str, str]:
    """The parameters of an authorization response, success or error, that left in this mode for this redirect URI."""
    if mode == "form_post":
        return _posted(response, redirect_uri)
    location = response.headers.get("Location")
    assert location is not None, f"no redirect: {response.status_code} {response.text[:1500]}"
    assert response.status_code == 303
    assert location.startswith(redirect_uri)
    parts = urlsplit(location)
    if mode == "fragment":
        assert parts.query == urlsplit(redirect_uri).query
        return _pairs(parts.fragment)
    assert parts.fragment == ""
    return _pairs(location[len(redirect_uri) + 1 :])


def _posted(response: requests.Response, redirect_uri: str) -> dict[str, str]:
    assert response.status_code == 200, f"{response.status_code} {response.headers} {response.text[:1500]}"
    forms = Page(response).forms
    assert "response" in forms, response.text[:1500]
    assert forms["response"].action == redirect_uri
    return forms["response"].fields


def _pairs(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
