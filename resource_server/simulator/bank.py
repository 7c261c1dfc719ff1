"""The payer's bank: a page on which they say that it is them or refuse, and from which they go back to where they came from.

Its address is the key to it: nobody guesses it, and it opens one charge.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader

from resource_server.api.money import Money

PREFIX = "/bank/"
_STYLE = f"{PREFIX}style.css"
_RESOURCES = Path(__file__).parents[1]
_URL = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]+\Z")
_POLICY = "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
_ANSWERS = {"yes": True, "no": False}


class Charges(Protocol):
    """What a bank needs of a payment provider."""

    def look(self, charge: str) -> dict[str, Any] | None: ...
    def authenticate(self, charge: str, *, passed: bool) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a browser."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Bank:
    """Serves people below `PREFIX` of `url`; they go back to these `shops` (origins) and nowhere else."""

    def __init__(self, charges: Charges, secrets: tuple[str, ...], url: str, shops: tuple[str, ...]) -> None:
        self._charges = charges
        self._secrets = secrets
        self._url = url
        self._shops = shops
        self._forms = " ".join(("'self'", *shops))  # browsers ask for where a form is redirected to as well
        self._style = (_RESOURCES / "static" / "bank.css").read_bytes()
        loader = FileSystemLoader(_RESOURCES / "templates")
        self._template = Environment(loader=loader, autoescape=True).get_template("bank.html")

    def page_of(self, charge: str) -> str:
        """The address at which the payer of a charge answers."""
        return f"{self._url}{_path(self._secrets[0], charge)}"

    def get(self, target: str) -> Page:
        """The question, or what was answered."""
        path, query = _parts(target)
        if path == _STYLE:
            return Page(200, self._style, {"Content-Type": "text/css; charset=utf-8"})
        found, back = self._found(path), query.get("return_to")
        if found is None or not self._may_return(back):
            return self._page(404 if found is None else 400, "unknown")
        return self._page(200, found["state"], back=back, amount=_amount(found))

    def post(self, target: str, body: bytes) -> Page:
        """The answer, which counts once; then back to the shop."""
        path, _ = _parts(target)
        form = dict(parse_qsl(body.decode("latin-1")))
        found, back = self._found(path), form.get("return_to") or None
        if found is None or not self._may_return(back):
            return self._page(404 if found is None else 400, "unknown")
        passed = _ANSWERS.get(form.get("passed", ""))
        if passed is None:
            return self._page(400, found["state"], back=back, amount=_amount(found))
        self._charges.authenticate(found["key"], passed=passed)
        return Page(303, headers={"Location": back or path})

    def _found(self, path: str) -> dict[str, Any] | None:
        """The charge whose page this is."""
        charge = path.removeprefix(PREFIX).partition("/")[0]
        good = (_path(secret, charge).encode() for secret in self._secrets)
        return self._charges.look(charge) if any(hmac.compare_digest(path.encode(), one) for one in good) else None

    def _may_return(self, url: str | None) -> bool:
        """Whether this leads to one of the shops: an open redirect would lend our name to anybody."""
        if url is None:
            return True
        if _URL.match(url) is None:
            return False
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        return f"{parts.scheme}://{parts.netloc}" in self._shops

    def _page(self, status: int, state: str, **values: str | None) -> Page:
        content = self._template.render(state=state, style=_STYLE, **values)
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": f"{_POLICY}; form-action {self._forms}",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return Page(status, content.encode(), headers)


def _path(secret: str, charge: str) -> str:
    proof = hmac.digest(secret.encode(), f"bank {charge}".encode(), "sha256").hex()
    return f"{PREFIX}{charge}/{proof}"


def _parts(target: str) -> tuple[str, dict[str, str]]:
    path, _, query = target.partition("?")
    return path, dict(parse_qsl(query))


def _amount(charge: Mapping[str, Any]) -> str:
    return f"{Money(charge['value'], charge['currency']).text()} {charge['currency']}"
