"""Work of several requests in a row: a chain of refreshes, and whole code flows with a session that exists."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bench.load import expect, get, post


@dataclass(slots=True)
class Refreshes:
    """Each answer's refresh token is the next request's."""

    path: str
    authorization: str
    refresh_token: str

    def first(self) -> bytes:
        body = f"grant_type=refresh_token&refresh_token={self.refresh_token}"
        return post(self.path, body, self.authorization)

    def next(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        expect(head, body, b"200")
        self.refresh_token = json.loads(body)["refresh_token"]
        return self.first(), True


@dataclass(slots=True)
class CodeFlows:
    """Authorize with the session's cookies, take the code from the redirect, redeem it: one unit."""

    authorize: str
    cookies: str
    token: str
    authorization: str
    redirect_uri: str
    verifier: str

    def first(self) -> bytes:
        return get(self.authorize, f"Cookie: {self.cookies}")

    def next(self, head: bytes, body: bytes) -> tuple[bytes, bool]:
        if head[9:12] == b"303" or head[9:12] == b"302":
            return self._redeem(head), False
        expect(head, body, b"200")
        return self.first(), True

    def _redeem(self, head: bytes) -> bytes:
        at = head.find(b"code=")
        code = head[at + 5 :].split(b"&", 1)[0].split(b"\r\n", 1)[0].decode() if at > 0 else ""
        form = (
            f"grant_type=authorization_code&code={code}&redirect_uri={self.redirect_uri}&code_verifier={self.verifier}"
        )
        return post(self.token, form, self.authorization)
