"""A consumer of a Redis queue that token_guard guards: each message carries the token of whoever asks for what it says.

ISSUER=http://127.0.0.1:8000 AUDIENCE=https://api.example REDIS=redis://127.0.0.1:6379/0 python examples/guarded_queue/consumer.py
"""

from __future__ import annotations

import json
import os
import time

import redis
from token_guard import Guard, IssuerTrust, Needs
from token_guard.adapters.messages import Action, MessageGuard, Verdict

QUEUE = os.environ.get("QUEUE", "payments")
NEEDS = Needs(scopes=("read",))


def consume(queue: redis.Redis, guard: MessageGuard) -> None:
    """Take one message and put it where its verdict sends it; a crash in between leaves it in `payments:taken`."""
    taken = queue.blmove(QUEUE, f"{QUEUE}:taken", timeout=1, src="RIGHT", dest="LEFT")
    if taken is None:
        return
    message = json.loads(taken)
    with queue.pipeline() as together:
        match guard.judge(message["headers"], NEEDS):
            case Verdict(Action.HANDLE, principal):
                together.lpush(f"{QUEUE}:done", json.dumps({**message, "by": principal.subject}))
            case Verdict(Action.REJECT, error=error):
                refusal = {"status": error.status, "error": error.code, "trace_id": error.trace_id}
                together.lpush(f"{QUEUE}:dead", json.dumps({**message, "refusal": refusal}))
            case Verdict(Action.RETRY, retry_after=seconds):
                together.zadd(f"{QUEUE}:later", {taken: time.time() + seconds})
        together.lrem(f"{QUEUE}:taken", 1, taken)
        together.execute()


def main() -> None:
    """Consume until stopped."""
    trust = IssuerTrust(os.environ["ISSUER"], os.environ["AUDIENCE"], jwks_uri=os.environ.get("JWKS_URI"))
    guard = MessageGuard(Guard(trust))
    with redis.Redis.from_url(os.environ["REDIS"]) as queue:
        while True:
            consume(queue, guard)


if __name__ == "__main__":
    main()
