"""The public documents: JWKS and both metadata documents, as prepared bytes with a strong ETag."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from idp.platform.http import JSON, Answer, Call
from idp.tokens.keyring import Keyring, PublishedKeys


def conditional_answer(call: Call, body: bytes, etag: str, headers: Mapping[str, str]) -> Answer:
    """A document with its ETag, or 304 for whoever has it already (RFC 9110 §13.1.2)."""
    tagged = {**headers, "ETag": etag}
    if etag in call.headers.get("if-none-match", ""):
        return Answer(304, b"", tagged)
    return Answer(200, body, tagged)


class JwksEndpoint:
    """The keys that verify our signatures (RFC 7517 §5)."""

    def __init__(self, keyring: Keyring, *, max_age: int) -> None:
        self._keyring = keyring
        self._serve = _Prepared(keyring.published, max_age)

    def __call__(self, call: Call) -> Answer:
        return self._serve(call)


class DocumentEndpoint:
    """One metadata document. `varying` gives the members that operators change while the process lives; it is prepared anew when they do."""

    def __init__(
        self, document: Mapping[str, Any], *, max_age: int, varying: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        self._fixed = document
        self._varying = varying
        self._prepared = _prepared(document, varying())
        self._serve = _Prepared(self._current, max_age)

    def __call__(self, call: Call) -> Answer:
        return self._serve(call)

    def _current(self) -> PublishedKeys:
        varying, (shown, document) = self._varying(), self._prepared
        if varying != shown:
            self._prepared = _, document = _prepared(self._fixed, varying)
        return document


def _prepared(fixed: Mapping[str, Any], varying: Mapping[str, Any]) -> tuple[Mapping[str, Any], PublishedKeys]:
    body = json.dumps({**fixed, **varying}, separators=(",", ":")).encode()
    return varying, PublishedKeys(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class _Prepared:
    def __init__(self, current: Callable[[], PublishedKeys], max_age: int) -> None:
        self._current = current
        self._headers = {"Content-Type": JSON, "Cache-Control": f"public, max-age={max_age}"}

    def __call__(self, call: Call) -> Answer:
        document = self._current()
        return conditional_answer(call, document.body, document.etag, self._headers)
