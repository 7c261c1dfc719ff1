"""Every page there is, by the name of its template, and the module that walks to it and looks at it."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).parents[2] / "idp" / "templates"
MODULES: dict[str, frozenset[str]] = {
    "test_pages": frozenset(
        {
            "account/access",
            "account/activity",
            "account/apps",
            "account/authenticator",
            "account/password",
            "account/profile",
            "account/recovery_codes",
            "account/security",
            "consent",
            "error",
            "forgot",
            "forgot_sent",
            "home",
            "link_gone",
            "login",
            "logout",
            "otp",
            "recovery",
            "signed_out",
            "signup",
        }
    ),
    "test_mail_journeys": frozenset(
        {
            "account/email",
            "account/email_change",
            "email_agreed",
            "email_approve",
            "email_code",
            "email_confirm",
            "email_kept",
            "email_link",
            "email_login",
            "mailbox",
            "mailbox_letter",
            "reset",
            "reset_done",
            "verified",
            "signup_over",
            "signup_proof",
            "signup_refused",
            "signup_sent",
            "verify",
        }
    ),
    "test_passkeys": frozenset({"account/passkey", "passkey", "signup_codes", "signup_passkey"}),
    "test_log_in_with_others": frozenset({"account/linked", "upstream_stopped"}),
    "test_rarer_pages": frozenset(
        {
            "account/close",
            "account/closed",
            "account/data",
            "account/overview",
            "account/password_done",
            "account/refused",
            "account/sessions",
            "email_elsewhere",
            "enrol",
            "enrol_passkey",
            "enrolled",
            "return",
        }
    ),
}
NOT_LOOKED_AT = frozenset({"check_session", "form_post"})
"""A frame without anything in it, and a page that leaves by itself (`test_form_post`)."""


def pages() -> frozenset[str]:
    """The templates that are pages: the rest are pieces of them, and letters."""
    names = (path.relative_to(TEMPLATES).with_suffix("") for path in TEMPLATES.rglob("*.html"))
    return frozenset(map(str, filter(_is_page, names)))


def _is_page(name: Path) -> bool:
    return name.parts[0] not in {"base", "mail"} and name.parent.name != "login" and name.name[0] != "_"
