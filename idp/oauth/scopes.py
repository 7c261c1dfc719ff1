"""Scopes: what each OpenID scope means, and the pure rules that narrow what was asked to what may be had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from idp.errors import ProtocolError
from idp.marked import N_

MAX_LENGTH = 1024
_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")

OPENID_SCOPES: Mapping[str, str] = {
    "openid": N_("Know that it is you"),
    "profile": N_("See your name and profile"),
    "email": N_("See your e-mail address"),
    "address": N_("See your postal address"),
    "phone": N_("See your phone number"),
    "offline_access": N_("Keep its access while you are away"),
}
"""The scopes that belong to no resource, with what each lets an app do (OpenID Connect Core §5.4, §11)."""

SCOPE_CLAIMS: Mapping[str, tuple[str, ...]] = {
    "openid": ("sub",),
    "profile": (
        "name",
        "family_name",
        "given_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}


@lru_cache(maxsize=1024)
def parse(scope: str | None) -> tuple[str, ...]:
    """The scope tokens in the order they were asked, once each; raises `invalid_scope` (RFC 6749 §3.3)."""
    if not scope:
        return ()
    tokens = tuple(dict.fromkeys(scope.split(" ")))
    if len(scope) > MAX_LENGTH or not all(_TOKEN.match(token) for token in tokens):
        raise ProtocolError("invalid_scope", "The scope is malformed")
    return tokens


def text(tokens: Iterable[str]) -> str:
    """Scope tokens as one parameter."""
    return " ".join(tokens)


def narrow(asked: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """What was asked and is allowed, in the order it was asked; with nothing asked, all that is allowed."""
    asked, allowed = tuple(asked), tuple(allowed)
    return tuple(token for token in asked if token in set(allowed)) if asked else allowed


def releasing(claims: Iterable[str]) -> tuple[str, ...]:
    """The scopes that stand for these claims: what a person allows who allows them one by one."""
    asked = frozenset(claims)
    return tuple(scope for scope, released in SCOPE_CLAIMS.items() if asked.intersection(released))


def claims_of(tokens: Iterable[str]) -> tuple[str, ...]:
    """The claims these scopes release at userinfo (OpenID Connect Core §5.4)."""
    return tuple(claim for token in tokens for claim in SCOPE_CLAIMS.get(token, ()))
