"""The `idp` command: one module a noun, loaded when it is called for."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

import click

from idp.cli.base import run

_MODULES = {
    "init": "serve",
    "serve": "serve",
    "demo": "demo",
    "user": "user",
    "client": "client",
    "resource": "resource",
    "details-type": "details_type",
    "exchange": "exchange",
    "upstream": "upstream",
    "keys": "keys",
    "receiver": "receiver",
    "logout": "logout",
    "jobs": "jobs",
    "db": "db",
    "check": "check",
    "audit": "audit",
    "prune": "serve",
}


class _Commands(click.Group):
    """Finds a command by its name in the module that holds it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"idp.cli.{module}"), cmd_name.replace("-", "_"))
        if not gc.isenabled():  # as the console script starts: no collection need ever look at what was imported
            gc.freeze()
            gc.enable()
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def idp() -> None:
    """The identity provider. Settings come from the environment, --env-file FILE and .env; --json prints JSON."""


def main() -> None:
    """The console script."""
    sys.exit(run(idp, sys.argv[1:], "idp"))
