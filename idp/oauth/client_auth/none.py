"""`none` (RFC 7591 §2): a public client only names itself; PKCE and rotation protect what it gets."""

from __future__ import annotations

from idp.oauth.client_auth.face import AuthMethod, Presented, named_only
from idp.oauth.clients import Client
from idp.platform.forms import Form
from idp.platform.http import Call

NAME, SOURCE = "none", "RFC 6749 3.2.1"


def present(call: Call, form: Form) -> Presented | None:
    client_id = named_only(call, form)
    return None if client_id is None else Presented(client_id, "")


def proves(client: Client, _presented: Presented) -> bool:
    return client.is_public


SPEC = AuthMethod(NAME, present, proves, silent=True)
