"""Questions of other services out of a queue: judged by the guard like any request, and carried to the operation they stand for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from token_guard import Guard
from token_guard.adapters.messages import Action, MessageGuard, Verdict

from resource_server.api.edge import WsgiApp
from resource_server.api.operation import Operation
from resource_server.api.problems import LATE
from resource_server.calls.lines import Line
from resource_server.calls.messages import queue_of
from resource_server.calls.rest import ROUTES
from resource_server.platform import deadlines
from resource_server.rpc.carrying import NoDocument, actions_of, carried

_PAUSE = 1.0
log = structlog.get_logger("rs.messages")


class Listener:
    """Takes the questions for some services off a line and answers them; `start` and `stop` it once."""

    def __init__(
        self, line: Line, services: Iterable[str], application: WsgiApp, operations: Iterable[Operation], guard: Guard
    ) -> None:
        self._line = line
        self._application = application
        self._actions = actions_of(operations)
        self._guard = MessageGuard(guard)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._services = tuple(services)

    def start(self, *, threads: int) -> None:
        """So many questions at once, for each service."""
        for service in self._services:
            for _ in range(threads):
                thread = threading.Thread(target=self._listen, args=(queue_of(service),), daemon=True)
                thread.start()
                self._threads.append(thread)

    def stop(self) -> None:
        """Take no more, and wait for what is being answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def _listen(self, queue: str) -> None:
        while not self._stopping.is_set():
            try:
                self._line.serve(queue, self.answer, self._stopping)
            except Exception as error:  # the broker is away: it comes back
                log.warning("the broker of calls is away", error=type(error).__name__)
                self._stopping.wait(_PAUSE)

    def answer(self, question: bytes) -> bytes:
        """One question's answer, whatever it is."""
        try:
            status, document = self._answered(json.loads(question))
        except NoDocument:
            status, document = 502, {}
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            status, document = 400, {"code": "malformed", "detail": "This is no question."}
        return json.dumps({"status": status, "document": document}).encode()

    def _answered(self, asked: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        operation, headers = self._actions.get(asked["action"]), dict(asked["headers"])
        if operation is None:
            return 404, {"code": "not_found", "detail": "There is no such action."}
        if operation.needs is not None:
            with deadlines.within(_left(asked)):
                verdict = self._guard.judge(headers, operation.needs)
                if verdict.action is not Action.HANDLE:
                    return _refusal(verdict)
        more = {deadlines.HEADER: f"{_left(asked):.3f}"}
        return carried(self._application, ROUTES[asked["action"]], asked["arguments"], headers.items(), **more)


def _left(asked: Mapping[str, Any]) -> float:
    """The seconds its caller still waits: fewer than they said when they asked, where it lay in the queue."""
    seconds = float(asked["seconds"])
    return max(0.0, min(seconds, float(asked.get("until", time.time() + seconds)) - time.time()))


def _refusal(verdict: Verdict) -> tuple[int, Mapping[str, Any]]:
    error = verdict.error
    if error is None or verdict.action is Action.RETRY:
        return 503, {"code": "deadline_passed", "detail": LATE} if deadlines.passed() else {}
    return error.status, {"code": error.code or "token_missing", "detail": error.description or "A token is needed."}
