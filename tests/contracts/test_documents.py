"""The OpenAPI documents say what the declarations enforce, and are served where the contract says."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator

from resource_server.api.openapi.document import permissions
from resource_server.api.openapi.parameters import template
from resource_server.api.operation import Operation
from tests.contracts.generated import CONTRACTS, generated, operations
from tests.resource_server.apis import Apis

PAIRS = [(service, operation) for service, found in operations().items() for operation in found if operation.version]
each = pytest.mark.parametrize(("service", "operation"), PAIRS, ids=lambda one: getattr(one, "name", one))


def shown(service: str, operation: Operation) -> dict[str, Any]:
    assert operation.doc is not None, f"{operation.name} is not documented"
    paths = generated()[service, str(operation.version)]["paths"]
    found: dict[str, Any] = paths[template(operation.path)][operation.method.lower()]
    return found


@each
def test_an_operation_is_documented_as_it_is_enforced(service: str, operation: Operation) -> None:
    document = shown(service, operation)
    assert operation.needs is not None
    assert document["security"] == [{"issuer": list(operation.needs.scopes)}]
    if operation.cells is not None:
        assert document["x-permissions"] == permissions(operation.cells)
    required = {one["name"] for one in document["parameters"] if one["required"] and one["in"] == "header"}
    expected = {"required": {"Idempotency-Key"}}.get(operation.key or "", set())
    assert required == expected | ({"If-Match"} if operation.tagged == "match" else set())


@pytest.mark.parametrize(("service", "version"), [*CONTRACTS, ("", "v1"), ("", "v2")])
def test_a_document_is_whole(service: str, version: str) -> None:
    document = generated()[service, version]
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids)) > 0
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in references(document):
        holder = document
        for part in reference.removeprefix("#/").split("/"):
            holder = holder[part]


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [found for one in node for found in references(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
    return own + [found for one in node.values() for found in references(one)]


def test_an_acknowledgement_links_to_what_follows() -> None:
    answer = generated()["payments", "v2"]["paths"]["/v2/payments"]["post"]["responses"]["202"]
    assert answer["links"] == {
        "follow_an_operation": {
            "operationId": "follow_an_operation",
            "parameters": {"operation_id": "$response.body#/id"},
        }
    }


def test_the_documents_are_served(apis: Apis) -> None:
    for service, version in [*CONTRACTS, ("", "v1"), ("", "v2")]:
        response = requests.get(f"{apis.url}/openapi/{service}{service and '/'}{version}.json", timeout=30)
        assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
        document = response.json()
        assert document["servers"] == [{"url": apis.url}]
        assert document["paths"] == generated()[service or apis.at_root, version]["paths"]
        scheme = document["components"]["securitySchemes"]["issuer"]
        found = requests.get(scheme["openIdConnectUrl"], timeout=30).json()
        assert found["issuer"] == apis.idp.issuer
