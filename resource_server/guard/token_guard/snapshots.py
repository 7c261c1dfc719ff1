"""The last good keys of an issuer on disk, for a cold start while the issuer is down."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path

from token_guard.keys import Keys, KeysError, parse_jwks
from token_guard.trust import IssuerTrust

_FOREIGN_WRITERS = 0o022


def write_snapshot(*, trust: IssuerTrust, body: bytes, now: float) -> None:
    """Keep a JWKS, readable by this user only; a disk that cannot take it is no reason to fail."""
    path = trust.policy.snapshot
    if path is None:
        return
    document = {"issuer": trust.issuer, "fetched_at": now, "jwks": body.decode("utf-8", "replace")}
    with contextlib.suppress(OSError):
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600, and nobody's link
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(document, file)
            Path(draft).replace(path)
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise


def read_snapshot(*, trust: IssuerTrust) -> tuple[Keys, float] | None:
    """The keys and when they were fetched, in epoch seconds; None unless it is a file nobody else could have written, of this issuer."""
    path = trust.policy.snapshot
    if path is None:
        return None
    try:
        if path.stat().st_mode & _FOREIGN_WRITERS:
            return None
        document = json.loads(path.read_text("utf-8"))
        if document["issuer"] != trust.issuer:
            return None
        keys = parse_jwks(str(document["jwks"]).encode(), max_keys=trust.policy.max_keys)
        return keys, float(document["fetched_at"])
    except (OSError, KeysError, ValueError, KeyError, TypeError, RecursionError):
        return None
