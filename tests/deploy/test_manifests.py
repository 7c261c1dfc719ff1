"""The container, compose and Kubernetes files: they parse, name settings that exist, start in production, and hold no secret."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from idp.platform.ids import new_secret
from idp.settings import Settings as IdpSettings
from idp.settings_source import load as load_idp
from resource_server.settings import Settings as ServiceSettings
from resource_server.settings import load as load_service

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRETS = {
    "IDP_MASTER_KEY",
    "IDP_DATABASE_URL",
    "RS_SECRET",
    "RS_DATABASE_URL",
    "RS_EVENTS_TOKEN",
    "RS_PROVIDER_SECRET",
}
URL = "postgresql+psycopg://idp:secret@postgres/idp"
PROGRAMS = {"idp": (IdpSettings, "IDP_"), "resource-server": (ServiceSettings, "RS_")}
NODES = {"idp": 3, "users": 2, "orders": 2, "payments": 2}


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return found


def kubernetes(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind, by name."""
    documents = (
        document
        for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text("utf-8"))
    )
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = kubernetes("Deployment")[name]["spec"]["template"]["spec"]
    return spec


def ours() -> Iterator[tuple[str, list[str], Mapping[str, Any]]]:
    """Every container that runs one of our programs: where it is written, its command, and its environment by name."""
    for name, service in compose()["services"].items():
        if service["image"] == "idp:latest":
            yield (
                f"compose {name}",
                service.get("command", ["idp", "serve"]),
                service["environment"],
            )
    settings = kubernetes("ConfigMap")
    for name in kubernetes("Deployment"):
        spec = pod(name)
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            shared = {
                key: value
                for one in container["envFrom"]
                for key, value in settings[one["configMapRef"]["name"]]["data"].items()
            }
            own = {one["name"]: one for one in container["env"]}
            yield f"kubernetes {name} {container['name']}", container["command"], {**shared, **own}


@pytest.mark.parametrize(
    ("place", "command", "environ"), list(ours()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_container_starts_in_production_with_these_settings(
    place: str, command: list[str], environ: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as the program reads them, with files and references resolved to something that is none of ours."""
    monkeypatch.chdir(tmp_path)
    given = {name: resolved(name, value, tmp_path) for name, value in environ.items()}
    if command[0] == "idp":
        idp = load_idp(given)
        assert (idp.env, idp.database) == ("production", URL)
        assert idp.master_key is not None
        return
    services = load_service(given)
    assert services.database("users") == URL
    assert services.secret is not None, f"{place}: nodes share one"


def resolved(name: str, value: Any, folder: Path) -> str:
    """What the container would see; a secret's file lies in `folder` instead."""
    if not name.endswith("_FILE"):
        return secret_for(name) if isinstance(value, dict) else str(value)
    assert name.removesuffix("_FILE") in SECRETS
    file = folder / name
    file.touch(mode=0o600)
    file.write_text(secret_for(name))
    return str(file)


def secret_for(name: str) -> str:
    return URL if "DATABASE_URL" in name else new_secret()


def test_the_manifests_are_what_kubernetes_takes() -> None:
    """Every object by the schemas of Kubernetes, without a name that is unknown there; the list of files is no object."""
    checked = []
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if document["kind"] == "Kustomization":
                assert {DEPLOY / "kubernetes" / name for name in document["resources"]} == set(
                    path.parent.glob("*.yaml")
                ) - {path}
            else:
                kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
                checked.append(document["kind"])
    assert {"Deployment", "Service", "Ingress", "ConfigMap", "PodDisruptionBudget", "Namespace"} == set(checked)


def test_the_compose_file_is_one_by_the_specification() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    command = [program, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_secrets_are_referred_to_and_never_written() -> None:
    for place, _command, environ in ours():
        for name, value in environ.items():
            if name in SECRETS:
                assert set(value["valueFrom"]) == {"secretKeyRef"}, f"{place}: {name}"
    assert not kubernetes("Secret")
    text = "".join(path.read_text("utf-8") for path in DEPLOY.rglob("*") if path.is_file())
    assert not re.search(r"PASSWORD: |-----BEGIN|://[^/\s:]+:(?!PASSWORD@|\d)[^@\s]+@", text)
    assert all(set(secret) == {"file"} for secret in compose()["secrets"].values())


@pytest.mark.parametrize(("service", "name"), [("users", "RS_EVENTS_TOKEN"), ("payments", "RS_PROVIDER_SECRET")])
def test_who_needs_a_secret_of_its_own_is_given_it_and_no_other_is(service: str, name: str) -> None:
    """People are found by the one, the payment provider knows us by the other."""
    having = {place for place, _command, environ in ours() if {name, f"{name}_FILE"} & environ.keys()}
    assert having == {f"compose {service}-1", f"compose {service}-2", f"kubernetes {service} {service}"}


def test_a_container_of_compose_sees_each_secret_that_it_reads() -> None:
    for name, service in compose()["services"].items():
        files = [value for key, value in service.get("environment", {}).items() if key.endswith("_FILE")]
        assert {Path(file).name for file in files} <= set(service.get("secrets", ())), name


def test_every_node_is_there_and_none_is_the_only_one() -> None:
    services = compose()["services"]
    for name, count in NODES.items():
        assert {one for one in services if re.fullmatch(rf"{name}-\d", one)} == {
            f"{name}-{number + 1}" for number in range(count)
        }
        assert kubernetes("Deployment")[name]["spec"]["replicas"] == count
        budget = kubernetes("PodDisruptionBudget")[name]["spec"]
        assert 0 < budget["minAvailable"] < count
        assert budget["selector"] == kubernetes("Deployment")[name]["spec"]["selector"]
        assert kubernetes("Service")[name]["spec"]["selector"] == budget["selector"]["matchLabels"]


@pytest.mark.parametrize("name", NODES)
def test_kubernetes_asks_before_it_sends_and_waits_before_it_stops(name: str) -> None:
    spec, container = pod(name), pod(name)["containers"][0]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe")} == {"/livez"}
    command, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep"
    grace = IdpSettings.model_fields["shutdown_grace"].default
    assert spec["terminationGracePeriodSeconds"] > int(seconds) + grace
    assert kubernetes("Deployment")[name]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("name", NODES)
def test_pods_are_given_no_rights_and_no_foreign_variables(name: str) -> None:
    spec = pod(name)
    assert spec["enableServiceLinks"] is False, "IDP_PORT of a Service would be an unknown setting"
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    for container in spec["containers"]:
        rights = container["securityContext"]
        assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_the_ingress_sends_each_path_where_nginx_does() -> None:
    template = (DEPLOY / "nginx" / "site.conf.template").read_text("utf-8")
    rules = re.findall(r"location ~ (\S+) \{\s+proxy_pass http://(\w+);", template)
    every = [rule for ingress in kubernetes("Ingress").values() for rule in ingress["spec"]["rules"]]
    paths = [path for rule in every if rule["host"].startswith("api") for path in rule["http"]["paths"]]
    for path in paths:
        found = [service for pattern, service in rules if re.search(pattern, path["path"])] or ["users"]
        assert found[0] == path["backend"]["service"]["name"], path
    assert len(paths) > len(rules)


def test_the_image_has_the_extras_these_files_need_and_runs_as_nobody() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    config = configparser.ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", "utf-8")
    wanted = set(re.search(r"'\.\[(.+)\]'", text).group(1).split(","))  # type: ignore[union-attr]
    assert {"postgres", "redis", "queues"} <= wanted <= set(config["options.extras_require"])
    user = re.search(r"^USER (\d+)$", text, re.MULTILINE)
    assert user is not None
    assert int(user.group(1)) == pod("idp")["securityContext"]["runAsUser"] > 0
    packages = {line.strip().partition(".")[0] for line in config["options"]["packages"].split()}
    assert set(re.findall(r"^COPY (\w+) \./\1$", text, re.MULTILINE)) == packages - {"token_guard"}, (
        "which lies in resource_server"
    )
    for name in re.findall(r"\b((?:IDP|RS)_[A-Z_]+)=", text):
        model, prefix = next(found for found in PROGRAMS.values() if name.startswith(found[1]))
        assert name.removeprefix(prefix).lower() in model.model_fields
