"""Why a login with another provider does not go on, in words for the person."""

from __future__ import annotations

from idp.errors import IdpError
from idp.platform import i18n


class Stopped(IdpError):
    """`code` is for automation, `description` a sentence or two for the person, `detail` for the log."""

    def __init__(self, code: str, description: str, *, status: int = 400, detail: str = "") -> None:
        super().__init__(code, description, detail=detail)
        self.status = status


def away(title: str, detail: str) -> Stopped:
    """The provider could not be asked."""
    return Stopped(
        "away",
        i18n.gettext("%(provider)s cannot be reached just now. Try again in a moment.", provider=title),
        status=502,
        detail=detail,
    )


def untrusted(title: str, detail: str) -> Stopped:
    """The provider's answer is not one to believe."""
    return Stopped(
        "untrusted",
        i18n.gettext("What came back from %(provider)s could not be trusted. Try again.", provider=title),
        detail=detail,
    )
