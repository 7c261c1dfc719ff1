"""A person with a browser, who follows wherever an app sends them: logs in, allows, confirms."""

from __future__ import annotations

import requests

from tests.support.flows import Page
from tests.support.running import PASSWORD

ANSWERS = {
    "login": {"username": "alice", "password": PASSWORD},
    "consent": {"decision": "allow"},
    "logout": {"confirm": "yes"},
}


class Person:
    """One browser profile; `visit` ends on the first page that asks for nothing."""

    def __init__(self) -> None:
        self.http = requests.Session()
        self.http.headers["Accept"] = "text/html"
        self.asked: list[str] = []

    def visit(self, url: str, *, until: str | None = None) -> requests.Response:
        """Follow redirects and answer pages; stop before the address that begins with `until`."""
        response = self._follow(self.http.get(url, allow_redirects=False, timeout=30), until)
        for _ in range(6):
            page = Page(response)
            form = next((name for name in ANSWERS if name in page.forms), None)
            if form is None:
                return response
            self.asked.append(form)
            target = page.forms[form]
            posted = self.http.post(
                target.action, data={**target.fields, **ANSWERS[form]}, allow_redirects=False, timeout=30
            )
            response = self._follow(posted, until)
        raise AssertionError(f"asked too often: {self.asked}")

    def _follow(self, response: requests.Response, until: str | None) -> requests.Response:
        for _ in range(12):
            location = response.headers.get("Location")
            if location is None or (until is not None and location.startswith(until)):
                return response
            response = self.http.get(requests.compat.urljoin(response.url, location), allow_redirects=False, timeout=30)  # type: ignore[attr-defined]
        raise AssertionError("too many redirects")
