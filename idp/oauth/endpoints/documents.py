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
    """One metadata document that does not change while the process lives."""

    def __init__(self, document: Mapping[str, Any], *, max_age: int) -> None:
        body = json.dumps(document, separators=(",", ":")).encode()
        fixed = PublishedKeys(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        self._serve = _Prepared(lambda: fixed, max_age)

    def __call__(self, call: Call) -> Answer:
        return self._serve(call)


class _Prepared:
    def __init__(self, current: Callable[[], PublishedKeys], max_age: int) -> None:
        self._current = current
        self._headers = {"Content-Type": JSON, "Cache-Control": f"public, max-age={max_age}"}

    def __call__(self, call: Call) -> Answer:
        document = self._current()
        return conditional_answer(call, document.body, document.etag, self._headers)
