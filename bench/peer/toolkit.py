"""django-oauth-toolkit: tokens of services."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.peer import SECRET
from bench.peer.pythons import WORKERS, PythonPeer

_SETTINGS = Path(__file__).with_name("toolkit_settings.py")


class Toolkit(PythonPeer):
    """A project of Django with nothing else in it, under gunicorn's workers that keep connections alive."""

    name = "toolkit"
    packages = ("django-oauth-toolkit==3.4.1", "Django==5.2.19", "gunicorn==27.0.1")
    about = (
        f"{packages[0]}: gunicorn with two workers, DEBUG off, SQLite with a write-ahead log and synchronous=NORMAL; "
        "its clients' secrets are kept in clear, since hashed ones, its default, cost a password hash for each token."
    )
    token = "/token/"
    ready = "/.well-known/oauth-authorization-server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.environ |= {
            "SECRET": SECRET,
            "PYTHONPATH": str(folder),
            "DJANGO_SETTINGS_MODULE": _SETTINGS.stem,
        }

    def prepare(self) -> None:
        shutil.copy(_SETTINGS, self.folder)
        self.run("django-admin", "migrate")
        client = ("--client-id", "service", "--client-secret", SECRET, "--no-hash-client-secret")
        self.run("django-admin", "createapplication", "confidential", "client-credentials", *client)

    def command(self) -> Sequence[str]:
        server = (
            "gunicorn",
            "--bind",
            self.host,
            "--workers",
            WORKERS,
            "--worker-class",
            "gthread",
            "--no-control-socket",
        )
        return *server, "django.core.wsgi:get_wsgi_application()"
