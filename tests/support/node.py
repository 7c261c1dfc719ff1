"""Libraries of others on Node: installed from npm into a folder of the run, driven line by line as JSON."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import IO, Any, Self

import pytest

INSTALL_TIMEOUT, ANSWER_TIMEOUT = 110, 40


def packages(folder: Path, *names: str) -> Path:
    """The folder with these packages in it; what this machine cannot do is skipped, by name."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not on this machine")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-progress", "--no-package-lock", *names]
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_TIMEOUT,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        pytest.skip(f"npm install: {done.stderr.strip().splitlines()[-1:]}")
    return folder


class Script:
    """A running script: `ask` sends it a line of JSON and waits for its next one."""

    def __init__(self, folder: Path, script: Path, **configuration: Any) -> None:
        placed = Path(shutil.copy(script, folder))  # Node looks for packages beside the script
        self._errors = (folder / f"{script.stem}.log").open("a+b")
        self._process = subprocess.Popen(
            ["node", placed.name, json.dumps(configuration)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def ask(self, question: Any = None) -> Any:
        assert self._process.stdin is not None
        if question is not None:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        line = self._lines.get(timeout=ANSWER_TIMEOUT)
        if line is None:
            self._errors.seek(0)
            raise AssertionError(self._errors.read().decode()[-3000:])
        return json.loads(line)

    def _read(self, output: IO[str] | None) -> None:
        for line in output or ():
            self._lines.put(line)
        self._lines.put(None)
