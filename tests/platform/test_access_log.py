"""The access log: at once while requests are few, together while they are many, and never a line lost or doubled."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

from idp.platform.accesslog import FLUSH_SECONDS, AccessLog


class Writes(io.StringIO):
    """A stream that counts how often it is written to."""

    count = 0

    def write(self, text: str) -> int:
        self.count += 1
        return super().write(text)


def test_a_line_after_a_pause_is_written_at_once() -> None:
    stream = Writes()
    access_log = AccessLog(stream)
    access_log.add("one\n", 10.0)
    assert stream.getvalue() == "one\n"
    access_log.add("two\n", 10.0 + FLUSH_SECONDS)
    assert stream.getvalue() == "one\ntwo\n"


def test_lines_that_come_close_together_are_written_together() -> None:
    stream = Writes()
    access_log = AccessLog(stream)
    for number in range(100):
        access_log.add(f"{number}\n", 10.0 + number / 10_000)
    assert stream.count == 1
    access_log.flush()
    assert stream.count == 2
    assert stream.getvalue().split() == [str(number) for number in range(100)]


def test_no_line_is_lost_or_doubled_among_threads() -> None:
    stream = io.StringIO()
    access_log = AccessLog(stream)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: access_log.add(f"{number}\n", number / 20), range(4000)))
    access_log.flush()
    assert sorted(map(int, stream.getvalue().split())) == list(range(4000))


def test_what_waits_is_written_a_little_later_and_not_before_there_is_something() -> None:
    stream = Writes()
    access_log = AccessLog(stream)
    later = Thread(target=access_log.flush_later, daemon=True)
    later.start()
    access_log.add("one\n", 10.0)
    assert later.is_alive()
    access_log.add("two\n", 10.001)
    later.join(30)
    assert not later.is_alive()
    assert stream.getvalue() == "one\ntwo\n"
    assert stream.count == 2
