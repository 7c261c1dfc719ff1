"""`client_secret_basic` (RFC 6749 §2.3.1): id and secret, form-urlencoded, in a Basic header."""

from __future__ import annotations

import binascii

from idp.errors import ProtocolError
from idp.oauth.client_auth.face import AuthMethod, Presented
from idp.oauth.client_auth.secrets import holds
from idp.platform.forms import Form, decode_component
from idp.platform.http import Call

NAME, SOURCE = "client_secret_basic", "RFC 6749 2.3.1"
_MAX = 2048


def present(call: Call, _form: Form) -> Presented | None:
    """Some clients percent-encode every character, others none: decoding as a form serves both."""
    header = call.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = binascii.a2b_base64(value.strip()[:_MAX], strict_mode=True)
        client_id, _, secret = raw.partition(b":")
        return Presented(decode_component(client_id), decode_component(secret))
    except (binascii.Error, ValueError, ProtocolError):
        return Presented("", "")  # malformed credentials prove nothing


SPEC = AuthMethod(NAME, present, holds)
