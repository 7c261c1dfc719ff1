"""Response types (OAuth 2.0 Multiple Response Type Encoding Practices §3, §5): words in any order, compared in one."""

from __future__ import annotations

from collections.abc import Iterable

CODE, TOKEN, ID_TOKEN = "code", "token", "id_token"
IMPLICIT = ("id_token", "id_token token")
HYBRID = ("code id_token", "code token", "code id_token token")
ALL = (CODE, *IMPLICIT, *HYBRID)


def offered(implicit: bool) -> tuple[str, ...]:
    """The response types of this deployment; `implicit` is its setting of that name, for hybrid ones too."""
    return ALL if implicit else (CODE,)


def normal(response_type: str) -> str:
    """The words in alphabetical order: the order a client writes them in means nothing (RFC 6749 §3.1.1)."""
    return " ".join(sorted(response_type.split(" ")))


def returns_code(response_type: str) -> bool:
    """Whether the authorization response carries a code."""
    return CODE in response_type.split()


def returns_id_token(response_type: str) -> bool:
    """Whether the authorization response itself carries an ID token."""
    return ID_TOKEN in response_type.split()


def returns_access_token(response_type: str) -> bool:
    """Whether the authorization response itself carries an access token."""
    return TOKEN in response_type.split()


def returns_tokens(response_type: str) -> bool:
    """Whether the authorization response itself carries a token, so that it must never be in a query (§3)."""
    return returns_access_token(response_type) or returns_id_token(response_type)


def grant_types(registered: Iterable[str]) -> set[str]:
    """The grant types that response types go with (RFC 7591 §2.1)."""
    kinds = tuple(registered)
    code = {"authorization_code"} if any(map(returns_code, kinds)) else set()
    return code | ({"implicit"} if any(map(returns_tokens, kinds)) else set())
