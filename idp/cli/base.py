"""What every command shares: where settings come from, `--json` anywhere, one sentence on stderr, exit status 0, 1 or 2."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from idp.errors import IdpError, ProtocolError, Refused, Unavailable
from idp.opening import open_house
from idp.platform.forms import parse_json
from idp.settings import Settings
from idp.settings_source import SettingsError, again, load
from idp.wiring import House

REFUSED, WRONG_USAGE = 1, 2
_P = ParamSpec("_P")
_R = TypeVar("_R")
_MAX_INPUT = 1_000_000


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that stand anywhere on the command line, kept as click's context object."""

    as_json: bool = False
    env_file: Path | None = None

    def settings(self, **overrides: Any) -> Settings:
        """All settings of this invocation, `overrides` from its options first; raises `SettingsError`."""
        return load(os.environ, self.env_file, overrides)

    def again(self, **overrides: Any) -> Callable[[], Settings]:
        """What reads them anew while they are in use."""
        return again(os.environ, self.env_file, overrides)


def run(group: click.Group, arguments: Sequence[str], program: str) -> int:
    """Run one command line and return its exit status; errors become one sentence on stderr."""
    try:
        invocation, rest = _invocation(list(arguments))
        status = group.main(rest, program, standalone_mode=False, obj=invocation)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.ClickException, click.Abort, SettingsError, IdpError, OSError) as error:
        return _report(error)
    return status if isinstance(status, int) else 0


def _report(error: Exception) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        print(error.ctx.get_help(), file=sys.stderr)
        return WRONG_USAGE
    sentences, status = _sentences(error)
    print(*(f"Error: {sentence}" for sentence in sentences), sep="\n", file=sys.stderr)
    return status


def _sentences(error: Exception) -> tuple[Sequence[str], int]:
    match error:
        case SettingsError():
            return error.faults, REFUSED
        case click.ClickException():
            return [error.format_message()], WRONG_USAGE
        case IdpError():
            return [sentence_of(error)], REFUSED
        case OSError(strerror=str(reason)):
            return [f"{error.filename}: {reason}" if error.filename else reason], REFUSED
        case _:
            return ["interrupted"], REFUSED


def sentence_of(error: IdpError) -> str:
    """What an operator is told; unlike a stranger they may know what is away."""
    known = error.description or error.code
    return f"{known} ({error.detail})" if isinstance(error, Unavailable) else known


def with_house(command: Callable[Concatenate[House, _P], _R]) -> Callable[_P, _R]:
    """Hands the command a `House` built from the settings, closed when the command ends."""

    @functools.wraps(command)
    def wrapped(*arguments: _P.args, **options: _P.kwargs) -> _R:
        with house_of(click.get_current_context()) as house:
            return command(house, *arguments, **options)

    return wrapped


@contextmanager
def house_of(context: click.Context) -> Iterator[House]:
    """The house of this invocation's settings."""
    invocation = context.ensure_object(Invocation)
    with open_house(invocation.settings()) as house:
        yield house


def emit(document: Any, text: str) -> None:
    """Print the result: `document` as one JSON document with `--json`, else `text`."""
    invocation = click.get_current_context().find_object(Invocation)
    if invocation is not None and invocation.as_json:
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif text:
        click.echo(text)


def table(rows: Sequence[Sequence[object]], header: Sequence[str]) -> str:
    """Columns of text, aligned; the header alone when there are no rows."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def read_json(path: str) -> dict[str, Any]:
    """One JSON object from a file or, for `-`, from standard input; raises `Refused`."""
    text = read_text(path)
    try:
        document = parse_json(text)
    except ProtocolError as error:
        raise Refused("malformed", f"{_source(path)} is not acceptable JSON") from error
    if not isinstance(document, dict):
        raise Refused("malformed", f"{_source(path)} is not a JSON object")
    return document


def read_text(path: str) -> str:
    """The text of a file or, for `-`, of standard input; raises `Refused`."""
    try:
        raw = sys.stdin.buffer.read(_MAX_INPUT) if path == "-" else Path(path).read_bytes()[:_MAX_INPUT]
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused("unreadable", f"{_source(path)} cannot be read") from error


def _source(path: str) -> str:
    return "standard input" if path == "-" else path


def _invocation(arguments: list[str]) -> tuple[Invocation, list[str]]:
    """Take `--json` and `--env-file` out, wherever they stand before a `--`."""
    if any("\udc80" <= char <= "\udcff" for word in arguments for char in word):
        raise click.UsageError("the command line must be UTF-8")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head, tail = arguments[:end], arguments[end:]
    as_json, env_file, rest = False, None, []
    words = iter(head)
    for word in words:
        if word == "--json":
            as_json = True
        elif word == "--env-file" or word.startswith("--env-file="):
            value = word.partition("=")[2] or next(words, "")
            if not value:
                raise click.UsageError("--env-file needs a file")
            env_file = Path(value)
        else:
            rest.append(word)
    return Invocation(as_json, env_file), rest + tail
