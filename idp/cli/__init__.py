"""The `idp` command: one module a noun."""

from __future__ import annotations

import sys

import click

from idp.cli.audit import audit
from idp.cli.base import run
from idp.cli.check import check
from idp.cli.client import client
from idp.cli.db import db
from idp.cli.demo import demo
from idp.cli.keys import keys
from idp.cli.receiver import receiver
from idp.cli.resource import resource
from idp.cli.serve import init, jobs, prune, serve
from idp.cli.user import user


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def idp() -> None:
    """The identity provider. Settings come from the environment, --env-file FILE and .env; --json prints JSON."""


for command in (init, serve, demo, user, client, resource, keys, receiver, jobs, db, check, audit, prune):
    idp.add_command(command)


def main() -> None:
    """The console script."""
    sys.exit(run(idp, sys.argv[1:], "idp"))
