"""Client authentication: one file a method. A request presents exactly one method, and it must be the registered one (RFC 6749 §2.3).

Every failure answers the same `invalid_client`, whether the client is unknown, disabled, or its secret wrong. Failures are counted; the
count is looked at beforehand only for pairs this process saw fail within the window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from idp.errors import ProtocolError, TooManyRequests
from idp.oauth.client_auth import none, private_key_jwt, secret_basic, secret_post, self_signed_tls, tls_client
from idp.oauth.client_auth.face import AuthMethod, Presented
from idp.oauth.clients import Client, ClientDirectory
from idp.platform.forms import Form
from idp.platform.http import Call
from idp.platform.limits import Limits
from idp.platform.recent import Recent

WINDOW = 60
_LIMIT = "client-auth"


class ClientAuthenticator:
    """Finds out which client calls; raises `invalid_client` (401) when it does not prove it."""

    def __init__(
        self,
        directory: ClientDirectory,
        limits: Limits,
        assertions: private_key_jwt.AssertionChecker,
        *,
        by_certificate: Sequence[AuthMethod] = (),
        max_failures: int,
        realm: str,
    ) -> None:
        self._directory = directory
        self._limits = limits
        self._max_failures = max_failures
        self._challenge = f'Basic realm="{realm}", charset="UTF-8"'
        self._failed = Recent(WINDOW)
        self._methods: tuple[AuthMethod, ...] = (
            secret_basic.SPEC,
            secret_post.SPEC,
            private_key_jwt.method(assertions),
            *by_certificate,
            none.SPEC,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The methods that are built, as metadata announces them."""
        return tuple(method.name for method in self._methods)

    def authenticate(self, call: Call, form: Form) -> Client:
        """The client that proved itself by the one method it presented."""
        presented = self._presented(call, form)
        client_id = presented[0][1].client_id
        pair = f"{client_id}|{call.peer}"
        if self._failed.holds(pair):
            self._limits.check(_LIMIT, pair, limit=self._max_failures)
        client = self._directory.get(client_id)
        if client is not None and not client.disabled:
            for method, proof in presented:
                if client.auth_method == method.name and method.proves(client, proof):
                    return client
        raise self._failure(pair, call, f"{presented[0][0].name} of {client_id[:64]}")

    def _presented(self, call: Call, form: Form) -> list[tuple[AuthMethod, Presented]]:
        """The one method that is used, or all that a request may use which says no more than the client's name."""
        found = [(method, proof) for method in self._methods if (proof := method.present(call, form)) is not None]
        if len(found) > 1 and not all(method.silent for method, _proof in found):
            raise ProtocolError("invalid_request", "More than one client authentication method is used")
        if not found:
            raise self._refusal(call, "no client authentication")
        named, client_id = form.get("client_id"), found[0][1].client_id
        if named is not None and named != client_id:
            raise ProtocolError("invalid_request", "client_id differs from the authenticated client")
        return found

    def _failure(self, pair: str, call: Call, detail: str) -> ProtocolError | TooManyRequests:
        self._failed.add(pair)
        if self._limits.hit(_LIMIT, pair, window=WINDOW) > self._max_failures:
            return TooManyRequests(WINDOW, "Too many failed client authentications")
        return self._refusal(call, detail)

    def _refusal(self, call: Call, detail: str) -> ProtocolError:
        challenge = self._challenge if "authorization" in call.headers else None
        return ProtocolError(
            "invalid_client", "Client authentication failed", status=401, challenge=challenge, detail=detail
        )


def specs() -> Mapping[str, str]:
    """Each method and the specification it obeys, for documentation."""
    modules = (secret_basic, secret_post, private_key_jwt, tls_client, self_signed_tls, none)
    return {module.NAME: module.SOURCE for module in modules}
