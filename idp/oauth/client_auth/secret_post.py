"""`client_secret_post` (RFC 6749 §2.3.1): id and secret in the body."""

from __future__ import annotations

from idp.oauth.client_auth.face import AuthMethod, Presented
from idp.oauth.client_auth.secrets import holds
from idp.platform.forms import Form
from idp.platform.http import Call

NAME, SOURCE = "client_secret_post", "RFC 6749 2.3.1"


def present(_call: Call, form: Form) -> Presented | None:
    secret = form.get("client_secret")
    return None if secret is None else Presented(form.get("client_id", ""), secret)


SPEC = AuthMethod(NAME, present, holds)
