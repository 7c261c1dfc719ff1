"""Starlette, and FastAPI: how a refusal inside of a handler is answered, where `Guard.require` asks for more.

app = Starlette(routes=..., exception_handlers={GuardError: refused})
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from token_guard.adapters import answers


async def refused(_request: Any, error: Any) -> Response:
    """The plain answer to a `GuardError`: the standard error code, never the reason."""
    answer = answers.refusal(error)
    return Response(answer.body, answer.status, dict(answer.headers))
