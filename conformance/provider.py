"""The identity provider under test: a fresh one with a person who has every claim and the clients the suite plays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests

from conformance.configuration import client_base, read

_READY_TIMEOUT = 60
_STOP_TIMEOUT = 30
_IDP = str(Path(sys.executable).parent / "idp")


class Provider:
    """Runs while the context is open; its data is gone afterwards, unless a folder for it is given."""

    def __init__(self, *, issuer: str, certificate: Path, key: Path, ca: Path | None, folder: Path | None) -> None:
        self.issuer = issuer
        self.person: dict[str, Any] = read("person.json")
        self.clients: dict[str, dict[str, Any]] = {}
        self._ca = ca
        self._folder = folder
        self._closing = ExitStack()
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("IDP_")},
            "IDP_ISSUER": issuer,
            "IDP_TLS_CERT_FILE": str(certificate.resolve()),
            "IDP_TLS_KEY_FILE": str(key.resolve()),
            "IDP_OUTBOUND_ALLOW": "127.0.0.0/8,::1/128",
            **({"IDP_OUTBOUND_CA_FILE": str(ca.resolve())} if ca else {}),
            **read("server.json"),
        }

    def __enter__(self) -> Self:
        folder = self._folder or Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        self._environ |= {"IDP_DATA_DIR": str(folder / "var"), "IDP_KEYS_DIR": str(folder / "keys")}
        self.command("init")
        self._register_person()
        self._serve(folder / "idp.log")
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def register_clients(self, suite: str) -> None:
        """The clients that the plans with static registration use."""
        documents = read("clients.json", CLIENT=client_base(suite))
        common = documents.pop("common")
        for name, document in documents.items():
            made = self.command("client", "create", "--file", "-", typed=json.dumps({**common, **document}))
            self.clients[name] = made

    def rotate_keys(self) -> None:
        """Make new signing keys and wait until they are published; the old ones are kept for what they signed.

        Keys made shortly before must come to sign first, so it is asked again until there are new ones.
        """
        before = self._published_keys()
        deadline = time.monotonic() + _READY_TIMEOUT
        while self._published_keys() <= before:
            if time.monotonic() > deadline:
                raise SystemExit("the identity provider does not publish new keys")
            self.command("keys", "rotate", "--now")
            time.sleep(0.5)

    def _published_keys(self) -> set[str]:
        return {key["kid"] for key in self._get("/oauth/jwks").json()["keys"]}

    def command(self, *arguments: str, typed: str = "") -> Any:
        """One `idp` command; returns its JSON document."""
        done = subprocess.run(  # noqa: S603 - our own program
            [_IDP, *arguments, "--json"], env=self._environ, input=typed, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"idp {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def _register_person(self) -> None:
        claims = [f"--claim={name}={value}" for name, value in self.person["claims"].items()]
        options = ("--email", self.person["email"], "--email-verified", "--password-stdin", *claims)
        self.command("user", "create", self.person["username"], *options, typed=f"{self.person['password']}\n")

    def _serve(self, log: Path) -> None:
        if self._answers():
            raise SystemExit(f"something else answers at {self.issuer} already")
        port = self.issuer.rpartition(":")[2]
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [_IDP, "serve", "--port", port, "--workers", "1"], env=self._environ, stdout=output, stderr=output
            )
        self._closing.callback(_stop, process)
        deadline = time.monotonic() + _READY_TIMEOUT
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the identity provider does not become ready: {log.read_text('utf-8')[-2000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return self._get("/readyz").status_code == 200
        except requests.RequestException:
            return False

    def _get(self, path: str) -> requests.Response:
        return requests.get(self.issuer + path, verify=str(self._ca) if self._ca else True, timeout=10)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
