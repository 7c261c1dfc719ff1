"""The status lists of access tokens."""

from __future__ import annotations

from idp.oauth.endpoints.status import StatusAggregationEndpoint, StatusListEndpoint
from idp.platform.web import Route
from idp.tokens.status_list import PATH
from idp.wiring import House


def status_routes(house: House) -> list[Route]:
    get = frozenset({"GET"})
    return [
        Route(PATH, StatusAggregationEndpoint(house.status_lists), get, cors=True),
        Route(f"{PATH}/<shard>", StatusListEndpoint(house.status_lists), get, cors=True),
    ]
