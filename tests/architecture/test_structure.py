"""The house as it is built: its floors, its packages, its imports and the size of its files."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SOURCES = ("idp", "resource_server", "vetted_http", "setting_sources", "lifespan", "examples", "conformance", "cluster")
GUARD = ROOT / "resource_server" / "guard"
MAX_LINES = 400
LAZY = {
    ("idp/platform/counting.py", "idp.platform.limits_redis"),
    ("idp/platform/counting.py", "idp.platform.throttle_redis"),
    ("idp/assembly/senders.py", "idp.platform.replay_redis"),
    ("idp/oauth/details/types.py", "idp.oauth.details.schema"),
    ("idp/users/passkey_ceremonies.py", "idp.users.passkey_proofs"),
    ("idp/opening.py", "idp.platform.schema"),
    ("idp/upstream/conversation.py", "idp.upstream"),
    ("idp/platform/i18n.py", "idp.platform"),
    ("idp/wsgi.py", "idp.background"),
    ("idp/wsgi.py", "idp.wsgi_certificates"),
    ("vetted_http/client.py", "vetted_http.sending"),
    ("setting_sources/gathering.py", "setting_sources.remote"),
    ("setting_sources/gathering.py", "setting_sources.leases"),
    ("setting_sources/databases.py", "setting_sources.leases"),
    ("resource_server/calls/opening.py", "resource_server.calls.rpc"),
    ("resource_server/calls/opening.py", "resource_server.calls.lines"),
    ("resource_server/calls/opening.py", "resource_server.calls.messages"),
    ("resource_server/app.py", "resource_server.platform"),
    ("resource_server/app.py", "resource_server.rpc.server"),
    ("resource_server/app.py", "resource_server.rpc.listening"),
    ("resource_server/app.py", "resource_server.calls.lines"),
    ("resource_server/work/transports.py", "resource_server.work.brokers"),
}
"""Imports inside functions that are meant: what is large and rarely needed, loaded only where it is switched on."""


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []


def test_the_contracts_between_the_floors_are_kept() -> None:
    done = subprocess.run(
        [BIN / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_packages_of_the_distribution_are_the_packages_there_are() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    listed = config["options"]["packages"].split()
    found = [
        str(init.parent.relative_to(base)).replace("/", ".")
        for base, top in (
            (ROOT, "idp"),
            (ROOT, "resource_server"),
            (ROOT, "vetted_http"),
            (ROOT, "setting_sources"),
            (ROOT, "lifespan"),
            (GUARD, "token_guard"),
        )
        for init in (base / top).rglob("__init__.py")
        if base == GUARD or GUARD not in init.parents
    ]
    assert sorted(listed) == sorted(found)
    assert len(listed) == len(set(listed))


def test_every_folder_with_modules_is_a_package() -> None:
    for path in modules(
        "idp",
        "resource_server",
        "vetted_http",
        "setting_sources",
        "lifespan",
        "tests",
        "bench",
        "conformance",
        "cluster",
    ):
        if path.parent != GUARD:
            assert (path.parent / "__init__.py").is_file(), path.parent


def test_the_console_scripts_exist() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", "utf-8")
    for line in config["options.entry_points"]["console_scripts"].strip().splitlines():
        module, _, function = line.partition("=")[2].strip().partition(":")
        base = (GUARD if module.startswith("token_guard") else ROOT) / module.replace(".", "/")
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        body = tree_of(path).body
        names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
        taken = {alias.name for node in body if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert function in names | taken


@pytest.mark.parametrize("package", ["idp", "resource_server", "vetted_http", "setting_sources", "lifespan"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    names = {_name(path): path for path in modules(package)}
    graph = {name: set(_edges(name, path, names)) for name, path in names.items()}
    assert list(TopologicalSorter(graph).static_order())


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _edges(name: str, path: Path, names: dict[str, Path]) -> Iterator[str]:
    """The modules of ours that this one imports: `from package import module` means the module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}.{alias.name}" in names]
            yield from inner
            if len(inner) < len(node.names) and node.module in names and node.module != name:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)


def test_nothing_is_imported_inside_a_function() -> None:
    for path in modules(*SOURCES):
        for function in ast.walk(tree_of(path)):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner = [name for node in ast.walk(function) for name in imported(node)]
                place = str(path.relative_to(ROOT))
                assert {(place, name) for name in inner} <= LAZY, f"{place}: {function.name} imports {inner}"


def test_imports_name_whole_paths() -> None:
    for path in modules(*SOURCES):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                assert all(alias.name != "*" for alias in node.names), f"{path}: star import"


@pytest.mark.parametrize("folder", [*SOURCES, "tests", "bench"])
def test_files_stay_small(folder: str) -> None:
    long = {
        str(path): count for path in modules(folder) if (count := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert not long


def test_every_module_says_what_it_is() -> None:
    for path in modules(*SOURCES):
        if path.stat().st_size and "migrations/versions" not in str(path):
            assert ast.get_docstring(tree_of(path)), path


def test_only_the_settings_and_the_processes_edge_read_the_environment() -> None:
    """`os.environ` is read where settings are gathered, where a process cleans it, and where the demo hands it on."""
    readers = {
        str(path.relative_to(ROOT))
        for path in modules("idp", "resource_server", "vetted_http", "setting_sources", "lifespan")
        if "os.environ" in path.read_text("utf-8") or "getenv" in path.read_text("utf-8")
    }
    assert readers <= {"idp/cli/base.py", "idp/cli/demo.py", "idp/wsgi.py", "resource_server/cli.py"}


def test_only_the_clock_is_asked_for_the_time() -> None:
    """Elsewhere in the protocol the time comes from the clock that tests can move; the rest measures or waits."""
    askers = {str(path.relative_to(ROOT)) for path in modules("idp") if "time.time(" in path.read_text("utf-8")}
    assert askers <= {"idp/clock.py", "idp/oauth/client_auth/secrets.py", "idp/platform/web.py"}


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = [record.name[:4] for record in (ROOT / "docs" / "decisions").glob("*.md")]
    assert len(set(numbers)) == len(numbers), sorted(number for number in numbers if numbers.count(number) > 1)
