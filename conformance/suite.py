"""The REST interface of a running conformance suite."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class CreatedPlan:
    """A plan as the suite keeps it; each module with the variant it is to run in."""

    id: str
    modules: list[dict[str, Any]]


class Suite:
    """A suite at a URL, trusted by an authority of its own where `ca` names one."""

    def __init__(self, url: str, ca: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        if ca is not None:
            self._http.trust_env = False  # else REQUESTS_CA_BUNDLE of the environment wins over `verify`
            self._http.verify = str(ca)

    def version(self) -> str:
        """The release the suite says it is."""
        return str(self._json("GET", "/server")["version"])

    def create_plan(self, name: str, variant: Mapping[str, str], configuration: Mapping[str, Any]) -> CreatedPlan:
        """A new plan with our configuration."""
        query = {"planName": name, **({"variant": json.dumps(variant)} if variant else {})}
        made = self._json("POST", "/plan", params=query, json=configuration)
        return CreatedPlan(made["id"], made["modules"])

    def create_module(self, plan: CreatedPlan, module: Mapping[str, Any]) -> str:
        """Begin one module of a plan; returns the id of this run."""
        query = {"test": module["testModule"], "plan": plan.id, "variant": json.dumps(module.get("variant") or {})}
        return str(self._json("POST", "/runner", params=query)["id"])

    def start(self, run: str) -> None:
        """Let a module go on that waits to be started by hand."""
        self._json("POST", f"/runner/{run}")

    def cancel(self, run: str) -> None:
        """End a module that does not end by itself."""
        self._http.delete(f"{self.url}/api/runner/{run}", timeout=_TIMEOUT)

    def info(self, run: str) -> dict[str, Any]:
        """`status` and `result` of a module."""
        found: dict[str, Any] = self._json("GET", f"/info/{run}")
        return found

    def log(self, run: str) -> list[dict[str, Any]]:
        """Everything the suite wrote down about a module."""
        entries: list[dict[str, Any]] = self._json("GET", f"/log/{run}")
        return entries

    def urls_to_visit(self, run: str) -> list[str]:
        """The URLs that the module wants a person's browser to open."""
        response = self._http.get(f"{self.url}/api/runner/browser/{run}", timeout=_TIMEOUT)
        return list(response.json()["urls"]) if response.status_code == 200 else []

    def visited(self, run: str, url: str) -> None:
        """Tell that a person's browser opens the URL."""
        self._http.post(f"{self.url}/api/runner/browser/{run}/visit", params={"url": url}, timeout=_TIMEOUT)

    def add_picture(self, run: str, picture: str, description: str) -> None:
        """Add a picture, as a data URL, to a module's log."""
        self._upload(f"/log/{run}/images", picture, description=description)

    def hand_in(self, run: str, picture: str) -> None:
        """Give the module the picture that it waits for."""
        for entry in self.log(run):
            if "upload" in entry:
                self._upload(f"/log/{run}/images/{entry['upload']}", picture)

    def _upload(self, path: str, picture: str, **query: str) -> None:
        headers = {"Content-Type": "text/plain"}
        response = self._http.post(
            f"{self.url}/api{path}", params=query, data=picture, headers=headers, timeout=_TIMEOUT
        )
        response.raise_for_status()

    def link(self, run: str) -> str:
        """Where a person reads the log of a module."""
        return f"{self.url}/log-detail.html?log={run}"

    def _json(self, method: str, path: str, **options: Any) -> Any:
        response = self._http.request(method, f"{self.url}/api{path}", timeout=_TIMEOUT, **options)
        if not response.ok:
            raise SystemExit(f"the suite refuses {method} {path}: {response.status_code} {response.text[:500]}")
        return response.json()
