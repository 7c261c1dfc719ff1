"""An API in Django, in one file, that token_guard guards.

ISSUER=http://127.0.0.1:8000 AUDIENCE=https://api.example PORT=8011 python examples/guarded_django/app.py
"""

from __future__ import annotations

import os
import secrets
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET
from token_guard import Guard, IssuerTrust
from token_guard.adapters.django import DjangoGuard

trust = IssuerTrust(os.environ["ISSUER"], os.environ["AUDIENCE"], jwks_uri=os.environ.get("JWKS_URI"))
guarded = DjangoGuard(Guard(trust))


@require_GET
def healthz(_request: HttpRequest) -> HttpResponse:
    """Open to everybody."""
    return JsonResponse({"status": "ok"})


@require_GET
@guarded("read")
def payments(request: HttpRequest) -> HttpResponse:
    """For callers who may read."""
    return JsonResponse({"owner": request.principal.subject})


urlpatterns = [path("healthz", healthz), path("payments", payments)]


def main() -> None:
    """Serve on a port of this machine."""
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY=secrets.token_hex())
    with make_server("127.0.0.1", int(os.environ.get("PORT", "8011")), get_wsgi_application()) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
