"""Response types (OAuth 2.0 Multiple Response Type Encoding Practices §3, §5): words in any order, compared in one."""

from __future__ import annotations

CODE = "code"
_FRONT_CHANNEL = frozenset({"token", "id_token"})


def normal(response_type: str) -> str:
    """The words in alphabetical order: the order a client writes them in means nothing (RFC 6749 §3.1.1)."""
    return " ".join(sorted(response_type.split(" ")))


def returns_tokens(response_type: str) -> bool:
    """Whether the authorization response itself carries a token, so that it must never be in a query (§3)."""
    return not _FRONT_CHANNEL.isdisjoint(response_type.split())
