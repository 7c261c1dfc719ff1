"""Random bytes drawn many at once: never twice the same, in threads and in forked processes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from idp.platform.ids import RandomBytes

DRAWS = 2000


def test_threads_never_draw_the_same() -> None:
    random = RandomBytes()
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _number: random.draw(), range(DRAWS)))
    assert len(set(drawn)) == DRAWS
    assert {len(one) for one in drawn} == {16}


def test_a_forked_process_does_not_draw_what_its_parent_drew() -> None:
    random = RandomBytes()
    random.draw()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(random.draw() for _ in range(64)))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert len(theirs) == 64 * 16
    ours = {random.draw() for _ in range(256)}
    assert ours.isdisjoint(theirs[at : at + 16] for at in range(0, len(theirs), 16))


def test_its_text_is_base64url() -> None:
    text = RandomBytes().text()
    assert len(text) == 22
    assert text.replace("-", "").replace("_", "").isalnum()
