"""Status lists (draft-ietf-oauth-status-list-21): one at the URI that a token names (§8.1), and the list of lists (§9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from idp.errors import ProtocolError
from idp.oauth.endpoints.documents import conditional_answer
from idp.platform.forms import parse_query
from idp.platform.http import Answer, Call, json_answer
from idp.tokens.status_list_tokens import StatusListTokens

CONTENT_TYPE = "application/statuslist+jwt"
_SHARD = re.compile(r"[0-9]{1,12}-[0-9]{1,9}\Z")
_HEADERS = {"Content-Type": CONTENT_TYPE, "Cache-Control": "public, no-cache"}
"""Whoever caches asks each time whether it changed, so that no cache on the way adds to the `ttl` of who checks tokens."""


@dataclass(frozen=True, slots=True)
class StatusListEndpoint:
    """One list; the last segment of the path names it. There is no history (§8.4, §12.8)."""

    lists: StatusListTokens

    def __call__(self, call: Call) -> Answer:
        if "time" in parse_query(call):
            raise ProtocolError("unsupported_request", "Lists of the past are not kept", status=501)
        shard = call.path.rpartition("/")[2]
        found = self.lists.find(shard) if _SHARD.match(shard) else None
        if found is None:
            raise ProtocolError("not_found", "There is no such status list", status=404)
        return conditional_answer(call, found.body, found.etag, _HEADERS)


@dataclass(frozen=True, slots=True)
class StatusAggregationEndpoint:
    """The URIs of all lists that living tokens point into (§9.3)."""

    lists: StatusListTokens

    def __call__(self, _call: Call) -> Answer:
        return json_answer({"status_lists": self.lists.uris()})
