"""Anything that fits the documents, and much that does not, sent to every operation: no 500, no answer that is not documented."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies
from schemathesis import Case
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contracts.generated import generated
from tests.matrix.things import Stage
from tests.resource_server.apis import Apis, Caller

SEED, EXAMPLES = 20261125, 15
"""Of each operation, on each way in which the services run; what is sent differs between them."""
DOCUMENTS = {version: generated()["", version] for version in ("v1", "v2")}
OPERATIONS = [
    (version, method.upper(), path, mode)
    for version, document in DOCUMENTS.items()
    for path, item in document["paths"].items()
    for method, operation in item.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation["parameters"] or "requestBody" in operation
]
"""With what fits, and, where anything is sent, with what does not."""
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
limited = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def stage(apis: Apis) -> Stage:
    """Everybody, with what is theirs."""
    return Stage(apis)


@pytest.fixture(scope="module")
def known(stage: Stage) -> Mapping[str, str]:
    """Ids of what there is, by the parameter that takes them."""
    found = {f"{name}_id": stage.thing(name, "customer") for name in ("user", "order", "payment", "operation", "event")}
    return {**found, "refund_id": stage.thing("large refund", "customer"), "endpoint_id": stage.endpoint("admin")}


@pytest.mark.parametrize(("version", "method", "path", "mode"), OPERATIONS)
def test_every_answer_is_documented(
    request: pytest.FixtureRequest,
    apis: Apis,
    stage: Stage,
    known: Mapping[str, str],
    version: str,
    method: str,
    path: str,
    mode: GenerationMode,
) -> None:
    operation = schemathesis.openapi.from_dict(DOCUMENTS[version])[path][method]
    way = request.node.callspec.id
    callers = [stage.caller("customer", "payments"), stage.caller("admin", "payments")]

    @seed(f"{SEED} {way}")
    @limited
    @given(
        case=operation.as_strategy(generation_mode=mode),
        caller=strategies.sampled_from(callers),
        real=strategies.booleans(),
    )
    def every(case: Case, caller: Caller, real: bool) -> None:
        if real:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        headers = {"Authorization": f"Bearer {caller.token}"}
        response = case.call(base_url=apis.url, headers=headers, timeout=30)
        assert response.status_code < 500, (response.text, case.as_curl_command())
        case.validate_response(response, checks=CHECKS)

    every()
