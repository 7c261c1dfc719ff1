"""The library by itself: installed into an empty environment, typed, and its README's five minutes at a running issuer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.flows import App
from tests.support.running import RunningIdp

LIBRARY = Path(__file__).parents[2] / "resource_server" / "guard"
NEEDED = {"cffi", "cryptography", "pip", "pycparser", "pyjwt", "setuptools", "token-guard", "typing-extensions"}
API, SCOPE = "https://five-minutes.test", "payments:read"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the library and what it needs."""
    folder = tmp_path_factory.mktemp("alone")
    source = shutil.copytree(LIBRARY, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, capture_output=True)
    binaries = folder / "venv" / "bin"
    subprocess.run(
        [binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", source],
        check=True,
        capture_output=True,
    )
    return binaries


def said(*command: object) -> str:
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def test_it_needs_pyjwt_and_cryptography_only(empty: Path) -> None:
    listed = said(empty / "python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
    names = {re.sub(r"[-_.]+", "-", re.split("==| @ ", line)[0]).lower() for line in listed.split("\n") if line}
    assert {"token-guard", "pyjwt", "cryptography"} <= names <= NEEDED


def test_its_core_loads_no_framework_and_says_that_it_is_typed(empty: Path) -> None:
    program = (
        "import sys, token_guard, pathlib;"
        "print(sorted({'flask', 'django', 'grpc', 'starlette'} & set(sys.modules)),"
        "(pathlib.Path(token_guard.__file__).parent / 'py.typed').is_file())"
    )
    assert said(empty / "python", "-I", "-c", program).strip() == "[] True"


def test_it_explains_from_the_command_line(empty: Path) -> None:
    assert "explain" in said(empty / "token-guard", "--help")


@pytest.mark.parametrize("idp", ["sqlite"], indirect=True)
def test_the_five_minutes_of_its_readme(idp: RunningIdp) -> None:
    (block,) = re.findall(r"## Five minutes.*?```python\n(.*?)```", (LIBRARY / "README.md").read_text(), re.DOTALL)
    program = block.replace("https://id.example.com", idp.issuer).replace("https://api.example.com", API)
    assert program != block
    idp.cli("resource", "create", API, "--scope", f"{SCOPE}=See payments", "--scope", "other=Something else")
    service = App(idp.url, idp.client(grant_types=["client_credentials"], audience=[API]))
    module: dict[str, Any] = {"__name__": "five_minutes"}
    exec(compile(program, "README.md", "exec"), module)
    calls = module["app"].test_client()

    def answered(scope: str) -> Any:
        token = service.post("/oauth/token", grant_type="client_credentials", scope=scope).json()["access_token"]
        return calls.get("/payments", headers={"Authorization": f"Bearer {token}"})

    assert answered(SCOPE).get_json() == {"owner": service.client_id, "service": True}
    assert answered("other").status_code == 403
    assert calls.get("/payments").status_code == 401
