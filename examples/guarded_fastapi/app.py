"""An API in FastAPI that token_guard guards.

ISSUER=http://127.0.0.1:8000 AUDIENCE=https://api.example PORT=8010 python examples/guarded_fastapi/app.py
"""

import os
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from token_guard import Guard, IssuerTrust, Principal
from token_guard.adapters.fastapi import FastApiGuard


def build(guard: Guard) -> FastAPI:
    """The API: one operation for everybody, one for callers who may read, one for those who may write."""
    app, guarded = FastAPI(title="Guarded"), FastApiGuard(guard)
    reader, writer = Depends(guarded("read")), Depends(guarded("write"))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/payments")
    async def payments(principal: Annotated[Principal, reader]) -> dict[str, str]:
        return {"owner": principal.subject}

    @app.post("/payments", status_code=201)
    def pay(principal: Annotated[Principal, writer]) -> dict[str, str]:
        return {"payer": principal.subject}

    return app


def main() -> None:
    """Serve on a port of this machine."""
    trust = IssuerTrust(os.environ["ISSUER"], os.environ["AUDIENCE"], jwks_uri=os.environ.get("JWKS_URI"))
    uvicorn.run(build(Guard(trust)), host="127.0.0.1", port=int(os.environ.get("PORT", "8010")), log_level="warning")


if __name__ == "__main__":
    main()
