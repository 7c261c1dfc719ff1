"""What is known of well-known providers, so that an operator gives a client id and a secret and no more.

A preset trusts addresses only where the provider proves them to be the person's own. Microsoft does not: any tenant's administrator can write any
address into an account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STANDARD = {
    name: name for name in ("sub", "name", "given_name", "family_name", "preferred_username", "picture", "locale")
}
_OPENID = {**_STANDARD, "email": "email", "email_verified": "email_verified"}
_SCOPE = "openid profile email"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "oidc": {"kind": "oidc", "scope": _SCOPE, "claims": _OPENID},
    "oauth2": {"kind": "oauth2"},
    "google": {
        "kind": "oidc",
        "title": "Google",
        "issuer": "https://accounts.google.com",
        "scope": _SCOPE,
        "auth_method": "client_secret_post",
        "userinfo": False,
        "claims": _OPENID,
        "trusts_email": True,
    },
    "microsoft": {
        "kind": "oidc",
        "title": "Microsoft",
        "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
        "discovery": "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
        "scope": _SCOPE,
        "auth_method": "client_secret_post",
        "userinfo": False,
        "claims": _OPENID,
    },
    "github": {
        "kind": "oauth2",
        "title": "GitHub",
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "userinfo_endpoint": "https://api.github.com/user",
        "emails_endpoint": "https://api.github.com/user/emails",
        "scope": "read:user user:email",
        "auth_method": "client_secret_post",
        "claims": {
            "sub": "id",
            "name": "name",
            "preferred_username": "login",
            "picture": "avatar_url",
            "profile": "html_url",
            "email": "email",
            "email_verified": "email_verified",
        },
        "trusts_email": True,
    },
    "apple": {
        "kind": "oidc",
        "title": "Apple",
        "issuer": "https://appleid.apple.com",
        "scope": "openid name email",
        "auth_method": "apple",
        "response_mode": "form_post",
        "userinfo": False,
        "claims": _OPENID,
        "trusts_email": True,
    },
    "gitlab": {
        "kind": "oidc",
        "title": "GitLab",
        "issuer": "https://gitlab.com",
        "scope": _SCOPE,
        "claims": {**_OPENID, "preferred_username": "nickname"},
    },
}
"""The settings of a provider that the operator need not give, by name."""
