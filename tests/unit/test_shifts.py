"""How the suite is cut into pieces: what runs on the same servers runs in one piece."""

from __future__ import annotations

import pytest

from tests.support.shifts import LATER, LONG, place, unit


@pytest.mark.parametrize(
    ("nodeid", "piece"),
    [
        ("tests/oidc/test_prompts.py::test_a", "tests/oidc/test_prompts.py"),
        ("tests/oidc/test_prompts.py::test_a[none]", "tests/oidc/test_prompts.py"),
        ("tests/oidc/test_prompts.py::test_sqlite", "tests/oidc/test_prompts.py"),
        ("tests/oidc/test_prompts.py::test_a[sqlite-none]", "tests/oidc sqlite"),
        ("tests/oidc/test_max_age.py::test_b[60-postgresql]", "tests/oidc postgresql"),
        ("tests/matrix/test_matrix.py::test_c[apart-postgresql-amqp-GET /v1/users]", "tests/matrix apart-postgresql-amqp"),
        ("tests/orders/test_twins.py::test_d[together-sqlite]", "tests/orders together-sqlite"),
        ("tests/payments/test_kills.py::test_e[postgresql-redis]", "tests/payments/test_kills.py"),
    ],
)  # fmt: skip
def test_a_piece_is_a_rooms_tests_for_one_way_of_running_the_servers(nodeid: str, piece: str) -> None:
    assert unit(nodeid) == piece


def test_a_room_stands_where_it_is_named_whatever_runs_in_it() -> None:
    assert place("tests/orders together-sqlite", LONG) == place("tests/orders/test_kills.py", LONG) == 1
    assert place("tests/payments/test_kills.py", LONG) == 0
    assert place("tests/payments apart-sqlite-redis", LONG) == len(LONG)
    assert place("tests/users_of_another_room.py", LATER) == len(LATER)
