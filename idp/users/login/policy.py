"""Which ways to sign in a login offers, and whether one factor is enough: by the deployment, and within it by who asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idp.errors import PageError
from idp.users.login.context import LoginContext

PASSWORD, PASSKEY, EMAIL, UPSTREAM = METHODS = ("password", "passkey", "email", "upstream")
"""The names of all the ways to begin a login; each has its part of the page in `templates/login/`."""
AMR = {PASSWORD: "pwd", PASSKEY: "pop", EMAIL: "email", UPSTREAM: "fed"}
"""The `amr` value by which a session shows that this was done: of RFC 8176 where it has one."""


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """What this deployment allows: `methods` in the order they are offered, and `second_factor` where one factor never is enough."""

    methods: tuple[str, ...]
    second_factor: bool = False

    def offered(self, context: LoginContext | None) -> tuple[str, ...]:
        """The methods of this login, in order: those the asker allows, all where it names none."""
        allowed = context.methods if context else ()
        return tuple(name for name in allowed if name in self.methods) if allowed else self.methods

    def check(self, method: str, context: LoginContext | None) -> None:
        """Raise `PageError` unless this login may begin with this method."""
        if method not in self.offered(context):
            raise not_offered()

    def allows(self, amr: Sequence[str], methods: Sequence[str]) -> bool:
        """Whether a login that was made so is one of those `methods`, empty for all."""
        return not methods or any(AMR[name] in amr for name in methods)

    def needs_second_factor(self, context: LoginContext | None) -> bool:
        """Whether this login needs two factors, whoever it is of."""
        return self.second_factor or (context is not None and context.second_factor)


def not_offered() -> PageError:
    """What is said of a way to sign in that a login may not take."""
    return PageError("not_offered", "You cannot sign in in this way here. Go back and choose another one.", status=403)
