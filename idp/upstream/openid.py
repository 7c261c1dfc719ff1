"""What an ID token of a provider must be (OpenID Connect Core §3.1.3.7), checked with Authlib's own class. Loaded at the first one."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from authlib.oidc.core.claims import CodeIDToken
from joserfc.errors import InvalidClaimError, JoseError

from idp.oauth.signed import Signed
from idp.tokens.identity import left_half

_LEEWAY = 60


class _IdToken(CodeIDToken):  # type: ignore[misc]
    """As Authlib checks it, with `at_hash` for every algorithm that is accepted here."""

    def validate_at_hash(self) -> None:
        at_hash, access_token = self.get("at_hash"), self.params["access_token"]
        if at_hash is None:
            return
        expected = left_half(access_token, self.header["alg"])
        if not isinstance(at_hash, str) or not hmac.compare_digest(at_hash.encode(), expected.encode()):
            raise InvalidClaimError("at_hash")


def fault(signed: Signed, *, issuer: str, client_id: str, nonce: str, access_token: str, now: int) -> str | None:
    """What is wrong with the token, for the log; None when it is right."""
    options: Mapping[str, Any] = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
    }
    params = {"client_id": client_id, "nonce": nonce, "access_token": access_token}
    try:
        _IdToken(dict(signed.claims), dict(signed.header), options, params).validate(now, _LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        return str(error)[:200] or type(error).__name__
    return None
