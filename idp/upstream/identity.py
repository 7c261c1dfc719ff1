"""Who a provider says somebody is, in our claims; what does not fit is left out, for it was a stranger who said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idp.upstream.providers import Known
from idp.upstream.stopped import untrusted
from idp.users.accounts import is_email
from idp.users.claims import STORED

AMR = "fed"
"""The `amr` of a login that another provider vouches for. RFC 8176 has no value for it; how they did it is theirs to know."""
_MAX_SUBJECT, _MAX_AMR = 255, 8


@dataclass(frozen=True, slots=True)
class Identity:
    """One account at a provider. `subject` never changes; `claims` fit an account here; `username` is how they like to be called."""

    provider: str
    subject: str
    username: str | None
    email: str | None
    email_verified: bool
    claims: Mapping[str, Any]
    amr: tuple[str, ...]

    @property
    def display(self) -> str | None:
        """A name for people to recognise it by."""
        return self.claims.get("name") or self.username


def identity_of(known: Known, told: Mapping[str, Any], *, tenant: str | None = None) -> Identity:
    """The identity in what the provider told; raises `Stopped` when it names nobody."""
    mapped = {ours: told.get(theirs) for ours, theirs in known.provider.claims.items()}
    subject = mapped["sub"]
    if isinstance(subject, int) and not isinstance(subject, bool):
        subject = str(subject)
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT or not subject.isprintable():
        raise untrusted(known.title, "no usable sub")
    email = mapped.get("email")
    email = email.strip() if isinstance(email, str) and is_email(email.strip()) else None
    return Identity(
        provider=known.name,
        subject=f"{tenant}/{subject}" if tenant else subject,
        username=_text(mapped.get("preferred_username")),
        email=email,
        email_verified=email is not None and _yes(mapped.get("email_verified")),
        claims={name: value for name, value in mapped.items() if name in STORED and STORED[name](value)},
        amr=(AMR, *(_amr(told.get("amr")) if known.provider.trusts_amr else ())),
    )


def _text(value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() and value.isprintable() else None


def _yes(value: Any) -> bool:
    """True, or the text that Apple sends for it; no other value that Python takes for true."""
    return value is True or value == "true"


def _amr(value: Any) -> list[str]:
    values = value if isinstance(value, list) else []
    return [one for one in values if isinstance(one, str) and one.isascii() and 0 < len(one) <= 16][:_MAX_AMR]
