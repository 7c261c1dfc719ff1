"""Users, asked from another process: on the behalf of who asks us by an exchanged token, and for ourselves by one of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resource_server.calls.caller import Caller, Credential
from resource_server.calls.exchange import TokenExchange
from resource_server.calls.transport import Call
from resource_server.edges.faces import Absent, Asker, Recipient, Refused, Unreachable, UserSeen

READ, DELIVER = "users:read", "users:deliver"
_MOST = 100
"""So many people at once; a list of what is theirs is no longer."""


class RemoteUsers:
    """Fills `UsersFace` by calls."""

    def __init__(self, caller: Caller, exchange: TokenExchange, *, audience: str) -> None:
        self._caller = caller
        self._exchange = exchange
        self._audience = audience

    def see(self, subjects: Sequence[str], asker: Asker) -> Mapping[str, UserSeen | Absent]:
        """Oneself is asked for alone, which needs no role; all others at once."""
        mine = asker.principal.subject
        others = [one for one in subjects if one != mine]
        parts = [[mine], *(others[start : start + _MOST] for start in range(0, len(others), _MOST))]
        wanted = parts if mine in subjects else parts[1:]
        return {name: seen for part in wanted for name, seen in self._seen(part, asker).items()}

    def recipient(self, subject: str) -> Recipient | None:
        call = Call("users.recipient", {"id": subject})

        def credential(fresh: bool) -> str:
            return self._exchange.own_token(audience=self._audience, scope=DELIVER, fresh=fresh)

        try:
            found = self._caller.call(call, credential).document
        except Refused as refused:
            if refused.code == "not_found":
                return None
            raise
        return Recipient(found.get("name"), found.get("delivery_note"))

    def _seen(self, subjects: Sequence[str], asker: Asker) -> Mapping[str, UserSeen | Absent]:
        def credential(fresh: bool) -> str:
            return self._exchange.token(asker.token, audience=self._audience, scope=READ, fresh=fresh)

        try:
            found = {one["id"]: UserSeen(one["id"], one) for one in self._asked(subjects, credential)}
        except Refused as refused:
            return dict.fromkeys(subjects, Absent.UNKNOWN if refused.code == "not_found" else Absent.DENIED)
        except (Unreachable, KeyError, TypeError):  # or an answer that is no people
            return dict.fromkeys(subjects, Absent.UNAVAILABLE)
        return {one: found.get(one, Absent.UNKNOWN) for one in subjects}

    def _asked(self, subjects: Sequence[str], credential: Credential) -> Sequence[Mapping[str, Any]]:
        if len(subjects) == 1:
            return [self._caller.call(Call("users.find", {"id": subjects[0]}), credential).document]
        call = Call("users.list", {"ids": ",".join(subjects), "limit": _MOST})
        items: Sequence[Mapping[str, Any]] = self._caller.call(call, credential).document["items"]
        return items
