"""What every client authentication method is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from idp.oauth.clients import Client
from idp.platform.forms import Form
from idp.platform.http import Call, ClientCertificate


class Presented(NamedTuple):
    """Which client a request claims to be, and its proof."""

    client_id: str
    proof: str
    certificate: ClientCertificate | None = None


@dataclass(frozen=True, slots=True)
class AuthMethod:
    """`present` says whether a request uses this method, `proves` whether it proves to be the client.

    `silent`: the request says no more than the client's name, so that only its registration tells which of the silent methods it uses.
    """

    name: str
    present: Callable[[Call, Form], Presented | None]
    proves: Callable[[Client, Presented], bool]
    silent: bool = False


def named_only(call: Call, form: Form) -> str | None:
    """The client's name, when that is all the request says of who it is."""
    if "authorization" in call.headers or "client_secret" in form or "client_assertion" in form:
        return None
    return form.get("client_id")


def certificate_of_named(call: Call, form: Form) -> Presented | None:
    """A request that names its client and comes with a certificate (RFC 8705 §2)."""
    client_id = named_only(call, form)
    return None if client_id is None or call.certificate is None else Presented(client_id, "", call.certificate)
