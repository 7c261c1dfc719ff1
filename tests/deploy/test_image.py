"""The container file without a container: what it copies is there, and its steps, taken in a folder, give programs that start and answer."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import yaml

from tests.support.ports import free_port
from tests.support.running import Process, clean_environment

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
INSTALL_TIMEOUT = 500


@dataclass
class Stage:
    """One FROM and what follows it, as (instruction, rest) pairs."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.steps if name == instruction]


def stages() -> list[Stage]:
    found: list[Stage] = []
    text = (DEPLOY / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append(Stage(rest))
        elif line and not line.startswith("#"):
            found[-1].steps.append((name, rest.strip()))
    return found


def test_what_is_copied_is_there() -> None:
    build, image = stages()
    for copied in build.of("COPY"):
        *sources, _target = copied.split()
        for source in sources:
            assert (ROOT / source).exists(), source
    assert image.of("COPY") == ["--from=build /opt/idp /opt/idp"]
    assert build.base.endswith(" AS build")
    assert build.base.split()[0] == image.base, "what was built for one Python runs on the same"


def test_it_ends_by_the_signal_that_servers_drain_at_and_keeps_what_it_writes_in_one_folder() -> None:
    image = stages()[-1]
    assert image.of("STOPSIGNAL") == ["SIGTERM"]
    assert image.of("VOLUME") == image.of("WORKDIR") == ["/data"]
    environment = dict(pair.split("=", 1) for rest in image.of("ENV") for pair in shlex.split(rest))
    for name in ("IDP_DATA_DIR", "IDP_KEYS_DIR", "RS_DATA_DIR"):
        assert environment[name].startswith("/data")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that stands for the root of the image, after the steps of the build."""
    root = tmp_path_factory.mktemp("image")
    folder = root / "source"
    folder.mkdir()
    (root / "opt").mkdir()
    environ = {**clean_environment(), "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    for name, rest in stages()[0].steps:
        match name:
            case "WORKDIR":
                assert rest == "/source"
            case "COPY":
                *sources, target = rest.split()
                for source in sources:
                    copied(ROOT / source, folder / target if len(sources) == 1 else folder / target / source)
            case "RUN":
                command = re.sub(r"(?<=[ ^])/opt/", f"{root}/opt/", f" {rest}").strip()
                done = subprocess.run(
                    ["sh", "-c", command],
                    check=False,
                    cwd=folder,
                    env=environ,
                    timeout=INSTALL_TIMEOUT,
                    capture_output=True,
                    text=True,
                )
                assert done.returncode == 0, done.stdout + done.stderr
            case _:
                raise AssertionError(f"what does {name} do?")
    return root


def copied(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    else:
        shutil.copy(source, target)


def environment(root: Path, **more: str) -> Mapping[str, str]:
    """What the image sets, below that folder, and what a container is given."""
    image = stages()[-1]
    pairs = (pair.split("=", 1) for rest in image.of("ENV") for pair in shlex.split(rest))
    placed = {name: re.sub(r"(^|:)/(opt|data)\b", rf"\1{root}/\2", value) for name, value in pairs}
    (root / "data").mkdir(mode=0o700, exist_ok=True)
    return {**placed, "IDP_HOST": "127.0.0.1", "RS_HOST": "127.0.0.1", **more}


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_programs_of_the_image_start_and_answer(built: Path) -> None:
    """With the packages of the image alone, none of those that tests need; and the probes of the compose file find them ready."""
    idp, services = free_port(), free_port()
    issuer, audience = (f"http://127.0.0.1:{port}" for port in (idp, services))
    environ = environment(
        built, IDP_PORT=str(idp), IDP_ISSUER=issuer, RS_PORT=str(services), RS_ISSUER=issuer, RS_AUDIENCE=audience
    )
    program = str(built / "opt" / "idp" / "bin")
    command = yaml.safe_load(stages()[-1].of("CMD")[0])
    (built / "data" / "logs").mkdir()
    running = []
    try:
        for words, port in ((command, idp), (["resource-server", "serve"], services)):
            log = built / "data" / "logs" / f"{words[0]}.log"
            whole = [f"{program}/{words[0]}", *words[1:]]
            running.append(Process(whole, environ, log, f"http://127.0.0.1:{port}/readyz"))
        assert requests.get(f"{issuer}/oauth/jwks", timeout=30).json()["keys"]
        assert requests.get(f"{audience}/v2/payments", timeout=30).status_code == 401
        found = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
        for name, port in (("idp-1", idp), ("payments-1", services)):
            kind, *probe = found[name]["healthcheck"]["test"]
            assert kind == "CMD"
            placed = [re.sub(r":800[01]/", f":{port}/", word) for word in probe]
            subprocess.run([f"{program}/{placed[0]}", *placed[1:]], env=environ, check=True, timeout=60)
    finally:
        for process in running:
            process.stop()
