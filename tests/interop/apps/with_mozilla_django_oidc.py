"""A Django app that logs people in with mozilla-django-oidc; prints its address."""

from __future__ import annotations

import json
import sys
from typing import Any
from wsgiref.simple_server import make_server

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

given = json.loads(sys.argv[1])
issuer, metadata, port = given["issuer"], given["metadata"], given["port"]
settings.configure(
    SECRET_KEY="only for this test",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": given["database"]}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_COOKIE_NAME="django",
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    LOGIN_REDIRECT_URL="/me",
    LOGOUT_REDIRECT_URL="/me",
    OIDC_RP_CLIENT_ID=metadata["client_id"],
    OIDC_RP_CLIENT_SECRET=metadata["client_secret"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_RP_SCOPES="openid email profile",
    OIDC_USE_PKCE=given["pkce"],
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{issuer}/oauth/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{issuer}/oauth/token",
    OIDC_OP_USER_ENDPOINT=f"{issuer}/oauth/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{issuer}/oauth/jwks",
)
django.setup()
call_command("migrate", verbosity=0)


def me(request: HttpRequest) -> JsonResponse:
    """Who is logged in."""
    user: Any = request.user
    return JsonResponse({"email": user.email if user.is_authenticated else None})


urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), path("me", me)]

with make_server("127.0.0.1", port, get_wsgi_application()) as server:
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    server.serve_forever()
