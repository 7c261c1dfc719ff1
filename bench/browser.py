"""A browser that costs little itself: one kept-alive socket, cookies, and forms found by their fields.

A client for everyday use takes as much CPU as a login does, and what it pushes out of the caches of two cores the server pays for.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from bench import load
from bench.subject import CALLBACK

_HOPS = 10
_FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.DOTALL)
_INPUT = re.compile(r"<input\b([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Reply:
    """One response: where it was asked for, its status, where it leads, if anywhere, and its body."""

    url: str
    status: int
    location: str | None
    body: str

    def form(self, *names: str) -> tuple[str, dict[str, str]]:
        """The address and the fields of the first form that has these fields."""
        for form in _FORM.finditer(self.body):
            inputs = [_attributes(field[1]) for field in _INPUT.finditer(form[2])]
            fields = {one["name"]: one.get("value", "") for one in inputs if "name" in one}
            if fields.keys() >= set(names):
                return urljoin(self.url, _attributes(form[1]).get("action", "")), fields
        raise LookupError(f"no form with {names} at {self.url}, {self.status}: {self.body[:500]}")


class Browser:
    """One browser at one site, which knows some cookies."""

    def __init__(self, origin: str, cookies: Mapping[str, str] | None = None) -> None:
        self.cookies = dict(cookies or {})
        self._origin = origin
        self._host = urlsplit(origin).netloc
        name, _, port = self._host.partition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def open(self, url: str) -> Reply:
        """Get a page; redirects are followed while they stay at the site."""
        return self._follow(self._get(url))

    def submit(self, page: Reply, **fields: str) -> Reply:
        """Fill in the form that has these fields."""
        action, given = page.form(*fields)
        return self.post(action, {**given, **fields})

    def post(self, url: str, form: Mapping[str, str], *headers: str) -> Reply:
        """Post a form; redirects are followed while they stay at the site."""
        path, body = url.removeprefix(self._origin), urlencode(form)
        return self._follow(self._ask(url, load.post(path, body, *headers, *self._cookie(), host=self._host)))

    def _follow(self, reply: Reply) -> Reply:
        for _ in range(_HOPS):
            if reply.location is None or not reply.location.startswith(self._origin):
                return reply
            reply = self._get(reply.location)
        raise LookupError(f"too many redirects, the last to {reply.location}")

    def _get(self, url: str) -> Reply:
        return self._ask(url, load.get(url.removeprefix(self._origin), *self._cookie(), host=self._host))

    def _cookie(self) -> list[str]:
        shown = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return [f"Cookie: {shown}"] if shown else []

    def _ask(self, url: str, request: bytes) -> Reply:
        self._socket.sendall(request)
        head, body = self._answer()
        status, *lines = head.decode("latin-1").split("\r\n")
        location = None
        for line in lines:
            name, _, value = line.partition(": ")
            match name.lower():
                case "set-cookie":
                    cookie, _, content = value.partition(";")[0].partition("=")
                    self.cookies[cookie] = content
                case "location":
                    location = urljoin(self._origin + "/", value)
        return Reply(url, int(status.split(" ")[1]), location, body.decode())

    def _answer(self) -> tuple[bytes, bytes]:
        """The head and the body of one response."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head, body = data[:end], data[end + 4 :]
        length = load.content_length(head)
        while len(body) < length:
            body += self._more()
        return head, body

    def _more(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise LookupError("the server closed the connection")
        return data


def redemption(reply: Reply, verifier: str) -> dict[str, str]:
    """The form by which the app redeems the authorization code that a reply brings it."""
    assert reply.location is not None, f"{reply.status} {reply.body[:500]}"
    return {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(reply.location).query)["code"][0],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
    }


def _attributes(tag: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in _ATTRIBUTE.findall(tag)}
