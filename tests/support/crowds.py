"""Crowds: the same form posted very often at once."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.support.flows import HtmlForm

CROWD, THREADS = 1000, 16


def crowd(
    ready: Sequence[tuple[HtmlForm, Mapping[str, str]]], times: int = CROWD, **fields: str
) -> list[requests.Response]:
    """So many posts of these forms in turn, each with the cookies of its browser, from many threads that keep their connections."""
    local = threading.local()

    def post(number: int) -> requests.Response:
        if not hasattr(local, "http"):
            local.http = requests.Session()
            local.http.trust_env = False  # to look for a proxy takes as long as some answers
        form, cookies = ready[number % len(ready)]
        data = {**form.fields, **fields}
        sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answer: requests.Response = local.http.post(
            form.action, data=data, headers={"Cookie": sent, "Accept": "text/html"}, allow_redirects=False, timeout=100
        )
        local.http.cookies.clear()
        return answer

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(post, range(times)))
