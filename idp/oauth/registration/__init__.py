"""Client metadata (RFC 7591): the one form of a client everywhere, checked by Authlib where it checks well and by us where it does not.

Each concern is a file: its members with their kinds, and one check. What would be silently not honoured is refused; what only informs is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from authlib.oauth2.rfc7591 import ClientMetadataClaims
from joserfc.errors import JoseError

from idp.oauth import response_types
from idp.oauth.registration.about import ABOUT, LOCALISED
from idp.oauth.registration.answers import ANSWERS
from idp.oauth.registration.credentials import AUTH_METHODS, CREDENTIALS
from idp.oauth.registration.face import Concern, Kind, code_of, refuse
from idp.oauth.registration.logout import LOGOUT
from idp.oauth.registration.operator import OPERATOR
from idp.oauth.registration.request_objects import REQUEST_OBJECTS
from idp.oauth.registration.requests import REQUESTS
from idp.oauth.registration.senders import CERTIFICATE_BOUND, CERTIFICATE_METHODS, SENDERS

CONCERNS: tuple[Concern, ...] = (REQUESTS, REQUEST_OBJECTS, CREDENTIALS, ANSWERS, LOGOUT, ABOUT, SENDERS, OPERATOR)
MEMBERS: Mapping[str, Kind] = {name: kind for concern in CONCERNS for name, kind in concern.members.items()}
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z")


def checked(
    document: Mapping[str, Any],
    known_resources: Callable[[str], bool],
    *,
    offered: Collection[str] = (response_types.CODE,),
    auth_methods: Collection[str] = AUTH_METHODS,
) -> dict[str, Any]:
    """The metadata with its defaults, when all of it can be honoured; raises `Refused` with RFC 7591 §3.2.2 codes.

    `offered` are the response types of this deployment, `auth_methods` the ways it lets clients prove themselves.
    """
    metadata = dict(document)
    for name, value in metadata.items():
        _check_member(name, value)
    _add_defaults(metadata)
    for concern in CONCERNS:
        concern.check(metadata)
    _check_with_authlib(metadata)
    for field in ("audience", "introspects"):
        for uri in metadata.get(field, ()):
            if not known_resources(uri):
                refuse(f"{field}: {uri[:200]} is not a resource; register it with idp resource create")
    for response_type in metadata["response_types"]:
        if response_types.normal(response_type) not in offered:
            refuse(f"response_types: {response_type[:64]} is not offered here")
    _check_offered_methods(metadata, auth_methods)
    return metadata


def _check_offered_methods(metadata: Mapping[str, Any], auth_methods: Collection[str]) -> None:
    """What this deployment is not set up for would lock the client out."""
    method = metadata["token_endpoint_auth_method"]
    if method not in auth_methods:
        refuse(f"token_endpoint_auth_method: {method} is not offered here")
    if metadata.get(CERTIFICATE_BOUND) and CERTIFICATE_METHODS.isdisjoint(auth_methods):
        refuse(f"{CERTIFICATE_BOUND} is not offered here")


def kind_of(name: str) -> Kind | None:
    """The kind of a member, with or without a language tag (RFC 7591 §2.2); None for one we do not know."""
    bare, mark, language = name.partition("#")
    if mark and (bare not in LOCALISED or not _LANGUAGE.match(language)):
        return None
    return MEMBERS.get(bare)


def _check_member(name: str, value: Any) -> None:
    kind = kind_of(name)
    if kind is None:
        refuse(f"{name[:64]} is not supported")
    if value is None:
        refuse(f"{name} must not be null")
    fault = kind(value)
    if fault is not None:
        refuse(f"{name} {fault}", code_of(name))


def _add_defaults(metadata: dict[str, Any]) -> None:
    """RFC 7591 §2: what is not said."""
    kinds = [response_types.normal(one) for one in metadata.get("response_types", ())]
    metadata.setdefault("grant_types", sorted(response_types.grant_types(kinds)) or ["authorization_code"])
    metadata.setdefault("response_types", ["code"] if "authorization_code" in metadata["grant_types"] else [])
    metadata.setdefault("token_endpoint_auth_method", "client_secret_basic")
    metadata.setdefault("security_profile", "oauth21")
    metadata.setdefault("consent", "ask")
    metadata.setdefault("application_type", "web")


def _check_with_authlib(metadata: dict[str, Any]) -> None:
    """After our own checks: it stumbles over keys that are none, and answers every fault with the same code.

    Redirect URIs are ours alone to judge: it asks a host of all of them, and private schemes have none (RFC 8252 §7.1).
    """
    rest = {name: value for name, value in metadata.items() if name != "redirect_uris"}
    try:
        ClientMetadataClaims(rest, {}).validate()
    except (JoseError, ValueError, TypeError) as error:
        refuse(f"{getattr(error, 'claim', None) or 'the metadata'} does not fit RFC 7591")
