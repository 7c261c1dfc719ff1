"""`idp details-type`: types are registered with a schema and words, changed, and forgotten; servers follow at once."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import API
from tests.delegation.payments import Payer, details
from tests.delegation.support import audited, eventually
from tests.support.flows import Browser, answer_of
from tests.support.running import CliError, RunningIdp

ANY = json.dumps({"type": "object"})


def create(idp: RunningIdp, name: str, *options: str, schema: str = ANY) -> dict[str, Any]:
    made: dict[str, Any] = idp.cli(
        "details-type", "create", name, "--schema", "-", "--name", "A name", *options, stdin=schema
    )
    return made


def test_a_type_is_made_shown_changed_and_forgotten(idp: RunningIdp) -> None:
    name = f"https://types.test/{secrets.token_hex(4)}"
    made = create(idp, name, "--resource", API, "--words", "Do {what}", "--maximum", "amount.value")
    assert made == {
        "type": name,
        "name": "A name",
        "schema": {"type": "object"},
        "resources": [API],
        "words": "Do {what}",
        "maximums": ["amount.value"],
        "once": False,
    }
    assert idp.cli("details-type", "show", name) == made
    assert made in idp.cli("details-type", "list")
    assert audited(idp, "details_type.created")["type"] == name
    changed = idp.cli("details-type", "update", name, "--name", "Another", "--words", "")
    assert changed == {**made, "name": "Another", "words": None}
    changed = idp.cli("details-type", "update", name, "--schema", "-", "--maximum", "x", stdin='{"required": ["x"]}')
    assert (changed["schema"], changed["maximums"]) == ({"required": ["x"]}, ["x"])
    assert idp.cli("details-type", "update", name, "--once") == {**changed, "once": True}
    assert idp.cli("details-type", "update", name, "--many") == changed
    idp.cli("details-type", "delete", name)
    assert changed not in idp.cli("details-type", "list")
    assert audited(idp, "details_type.deleted")["type"] == name
    for command in ("show", "delete", "update"):
        with pytest.raises(CliError, match="no such type"):
            idp.cli("details-type", command, name)


BAD_SCHEMAS = [
    '{"type": "nothing-known"}',
    '{"properties": []}',
    '{"properties": {"x": {"pattern": "("}}}',
    '{"$ref": "#/$defs/missing"}',
    '{"$ref": "https://elsewhere.test/schema"}',
    '{"$ref": "file:///etc/passwd"}',
    '{"properties": {"x": {"allOf": [{"$ref": "other.json"}]}}}',
    '{"$schema": "http://json-schema.org/draft-04/schema#"}',
]


@pytest.mark.parametrize("schema", BAD_SCHEMAS)
def test_a_schema_that_cannot_be_used_is_refused_and_nothing_is_fetched(idp: RunningIdp, schema: str) -> None:
    with pytest.raises(CliError, match="the schema cannot be used"):
        create(idp, f"t{secrets.token_hex(4)}", schema=schema)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("with space", (), "printable ASCII"),
        ("é", (), "printable ASCII"),
        ("t" * 256, (), "printable ASCII"),
        ("plain", ("--resource", "https://unheard-of.test"), "not a resource"),
        ("plain", ("--words", "{"), "a place in the words"),
        ("plain", ("--maximum", "a..b"), "not the path of a member"),
        ("plain", ("--name", ""), "a name has"),
    ],
)
def test_a_type_that_could_not_hold_is_refused(
    idp: RunningIdp, name: str, options: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CliError, match=sentence):
        create(idp, name, *options)


def test_a_type_is_registered_once(idp: RunningIdp) -> None:
    name = f"t{secrets.token_hex(4)}"
    create(idp, name)
    with pytest.raises(CliError, match="already"):
        create(idp, name)
    with pytest.raises(CliError, match="not a JSON object"):
        create(idp, f"{name}x", schema="[]")


def test_a_schema_that_refers_within_itself_is_used(idp: RunningIdp, browser: Browser) -> None:
    name = f"t{secrets.token_hex(4)}"
    schema = {
        "$ref": "#/$defs/entry",
        "$defs": {"entry": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}},
    }
    create(idp, name, schema=json.dumps(schema))
    assert refusal(idp, name, browser, {"x": "text"}) == "invalid_authorization_details"
    assert refusal(idp, name, browser, {"x": 1}) == "login_required"


def test_a_schema_without_end_fits_nothing(idp: RunningIdp, browser: Browser) -> None:
    name = f"t{secrets.token_hex(4)}"
    create(idp, name, schema='{"$ref": "#"}')
    assert refusal(idp, name, browser, {}) == "invalid_authorization_details"


def test_a_changed_schema_counts_on_every_node_within_seconds(idp: RunningIdp, browser: Browser) -> None:
    name = f"t{secrets.token_hex(4)}"
    create(idp, name)
    assert refusal(idp, name, browser, {}) == "login_required"
    idp.cli("details-type", "update", name, "--schema", "-", stdin='{"required": ["x"]}')
    eventually(lambda: refusal(idp, name, browser, {}) == "invalid_authorization_details")


def test_the_library_of_schemas_is_loaded_by_those_who_use_it(idp: RunningIdp) -> None:
    """A server without types does not carry it."""
    program = "import sys, idp.wsgi, idp.background; sys.exit('jsonschema' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=idp.environ, check=False, timeout=60)
    assert done.returncode == 0


def refusal(idp: RunningIdp, name: str, browser: Browser, entry: dict[str, Any]) -> str:
    """How a request with this entry is refused by somebody who may see no page: `login_required` when the details are right."""
    client = idp.client(
        client_name="Asks", redirect_uris=["https://asks.test/cb"], audience=[API], authorization_details_types=[name]
    )
    parameters = {"prompt": "none", "scope": "openid read", "authorization_details": details({"type": name, **entry})}
    return answer_of(browser.open(Payer(idp.url, client).authorize_url(**parameters)[0]))["error"]
