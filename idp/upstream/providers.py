"""A provider as the operator describes it: checked, with what its preset says filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from idp.errors import Refused
from idp.upstream.presets import PRESETS
from idp.users.claims import STORED

NAME = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
TENANT = "{tenantid}"
"""What stands for the tenant in the issuer of a provider that has many (Microsoft)."""
_OURS = frozenset({"sub", "preferred_username", "email", "email_verified", *STORED})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_OPENID = frozenset({"issuer"})
_PLAIN = frozenset({"authorization_endpoint", "token_endpoint", "userinfo_endpoint"})
_APPLE = frozenset({"team_id", "key_id"})
_KEPT_TO_US = frozenset(
    {
        "client_id",
        "client_secret",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "redirect_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)


def _url(value: str) -> str:
    parts = urlsplit(value)
    if not parts.hostname or parts.fragment or parts.username is not None or not value.isprintable():
        raise ValueError("is not a URL")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("must be https")
    return value


Url = Annotated[str, Field(max_length=512), AfterValidator(_url)]
Text = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Provider(BaseModel):
    """`kind` is `oidc` (OpenID Connect, found by discovery) or `oauth2` (endpoints given, the person read from an API).

    `claims` says which of theirs fills which of ours. `trusts_email`: an address they call verified counts as proven. `trusts_amr`: how
    they authenticated counts here too. `sign_up`: whether strangers get an account; `policy` follows IDP_SIGNUP.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: Literal["oidc", "oauth2"]
    title: Annotated[Text, Field(max_length=60)]
    client_id: Text
    issuer: Url | None = None
    discovery: Url | None = None
    tenants: tuple[Text, ...] = ()
    authorization_endpoint: Url | None = None
    token_endpoint: Url | None = None
    userinfo_endpoint: Url | None = None
    emails_endpoint: Url | None = None
    userinfo: bool = True
    scope: Text
    auth_method: Literal["client_secret_basic", "client_secret_post", "apple", "none"] = "client_secret_basic"
    team_id: Text | None = None
    key_id: Text | None = None
    response_mode: Literal["form_post"] | None = None
    parameters: dict[Text, Text] = {}
    claims: dict[Text, Text]
    trusts_email: bool = False
    trusts_amr: bool = False
    sign_up: Literal["policy", "yes", "no"] = "policy"
    position: Annotated[int, Field(ge=0, le=9999)] = 100

    @model_validator(mode="after")
    def _whole(self) -> Self:
        needed = _OPENID if self.kind == "oidc" else _PLAIN
        needed |= _APPLE if self.auth_method == "apple" else frozenset()
        missing = [name for name in sorted(needed) if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be given")
        if not self.claims.keys() <= _OURS or "sub" not in self.claims:
            raise ValueError("claims maps our standard claims, sub among them, to theirs")
        if self.parameters.keys() & _KEPT_TO_US:
            raise ValueError("parameters has one that we send ourselves")
        if self.kind == "oidc" and "openid" not in self.scope.split():
            raise ValueError("scope must have openid")
        return self

    @property
    def has_tenants(self) -> bool:
        """Whether its issuer has a place for the tenant."""
        return self.issuer is not None and TENANT in self.issuer

    @property
    def discovery_url(self) -> str:
        """Where its metadata lies (OpenID Connect Discovery §4)."""
        return self.discovery or f"{(self.issuer or '').rstrip('/')}/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Known:
    """A registered provider: its name, what the operator gave, and what that makes."""

    name: str
    given: Mapping[str, Any]
    provider: Provider
    sealed: bytes | None
    disabled: bool

    @property
    def title(self) -> str:
        """What people call it."""
        return self.provider.title

    @property
    def welcomes_strangers(self) -> bool:
        """Whether an account may be made of one there, where strangers may make accounts at all."""
        return self.provider.sign_up != "no"

    def document(self) -> dict[str, Any]:
        """What the command line shows: never the secret."""
        effective = self.provider.model_dump(mode="json", exclude_none=True)
        preset = {"preset": self.given["preset"]} if "preset" in self.given else {}
        return {"name": self.name, **preset, **effective, "disabled": self.disabled, "secret": self.sealed is not None}


def provider_of(given: Mapping[str, Any]) -> Provider:
    """The provider this describes, its preset filled in; raises `Refused` with the first fault."""
    described = dict(given)
    preset = described.pop("preset", "oidc")
    if not isinstance(preset, str) or preset not in PRESETS:
        raise Refused("preset", f"there is no such preset; there are {', '.join(PRESETS)}")
    try:
        return Provider.model_validate({**PRESETS[preset], **described})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise Refused("provider", f"{place}: {fault['msg']}" if place else str(fault["msg"])) from error
