"""Keys behind a URL: fetched once for many, again when one is missed, kept while their host is away."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwk

from idp.errors import Unavailable
from idp.oauth.remote_keys import FRESH, LIMITS, RETRY, STALE, RemoteKeys
from tests.support.clocks import ManualClock
from tests.support.published import Document, Site
from vetted_http import Client

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
ONE, TWO = (jwk.ECKey.generate_key("P-256", {"kid": kid}) for kid in ("one", "two"))


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def keys(clock: ManualClock) -> RemoteKeys:
    return RemoteKeys(Client(allow=LOOPBACK, timeout=5).get, clock)


def published(*keys: jwk.Key) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys]}


def kids(keys: tuple[jwk.Key, ...]) -> list[str | None]:
    return [key.kid for key in keys]


def test_a_set_is_fetched_once_while_it_is_fresh(site: Site, keys: RemoteKeys, clock: ManualClock) -> None:
    url = site.publish("/jwks", published(ONE))
    assert kids(keys.current(url)) == ["one"]
    clock.advance(FRESH - 1)
    assert kids(keys.current(url)) == ["one"]
    assert site.times("/jwks") == 1
    site.publish("/jwks", published(TWO))
    clock.advance(1)
    assert kids(keys.current(url)) == ["two"]


def test_a_missed_key_is_looked_for_at_once_but_not_again_and_again(
    site: Site, keys: RemoteKeys, clock: ManualClock
) -> None:
    url = site.publish("/jwks", published(ONE))
    keys.current(url)
    site.publish("/jwks", published(TWO))
    assert kids(keys.renewed(url)) == ["two"]
    site.publish("/jwks", published(ONE, TWO))
    assert kids(keys.renewed(url)) == ["two"]
    assert site.times("/jwks") == 2
    clock.advance(RETRY)
    assert kids(keys.renewed(url)) == ["one", "two"]


def test_the_last_good_set_stands_in_while_its_host_is_away(site: Site, keys: RemoteKeys, clock: ManualClock) -> None:
    url = site.publish("/jwks", published(ONE))
    keys.current(url)
    site.publish("/jwks", b"", status=500)
    for wait in (FRESH, STALE - 1):
        clock.advance(wait)
        assert kids(keys.current(url)) == ["one"]
    clock.advance(1)
    assert keys.current(url) == ()
    site.publish("/jwks", published(TWO))
    clock.advance(RETRY)
    assert kids(keys.current(url)) == ["two"]


def test_a_host_that_never_answered_is_not_asked_at_every_request(
    site: Site, keys: RemoteKeys, clock: ManualClock
) -> None:
    url = f"{site.url}/nothing"
    assert keys.current(url) == ()
    assert keys.current(url) == ()
    assert site.times("/nothing") == 1
    clock.advance(RETRY)
    assert keys.current(url) == ()
    assert site.times("/nothing") == 2


def test_many_who_need_the_same_keys_make_one_fetch(site: Site, keys: RemoteKeys) -> None:
    arrived = threading.Event()
    url = site.publish("/jwks", published(ONE), before=lambda: arrived.wait(5))
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(keys.current, url) for _ in range(8)]
        arrived.set()
        assert [kids(one.result()) for one in waiting] == [["one"]] * 8
    assert site.times("/jwks") == 1


def test_who_has_keys_that_are_merely_old_does_not_wait_for_new_ones(
    site: Site, keys: RemoteKeys, clock: ManualClock
) -> None:
    url = site.publish("/jwks", published(ONE))
    keys.current(url)
    clock.advance(FRESH)
    fetching, go_on = threading.Event(), threading.Event()
    site.publish("/jwks", published(TWO), before=lambda: (fetching.set(), go_on.wait(5)))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(keys.current, url)
        assert fetching.wait(5)
        assert kids(keys.current(url)) == ["one"]
        go_on.set()
        assert kids(slow.result()) == ["two"]


def test_slow_hosts_cannot_take_every_thread(site: Site, keys: RemoteKeys) -> None:
    good, last = site.publish("/good", published(ONE)), site.publish("/last", published(ONE))
    assert kids(keys.current(good)) == ["one"]
    arrived, go_on = threading.Semaphore(0), threading.Event()
    slow = Document(b"", before=lambda: (arrived.release(), go_on.wait(5)))
    site.documents |= {f"/slow/{number}": slow for number in range(LIMITS.waiting)}
    with ThreadPoolExecutor(LIMITS.waiting) as pool:
        waiting = [pool.submit(keys.current, site.url + path) for path in site.documents if "slow" in path]
        assert all(arrived.acquire(timeout=5) for _ in waiting)
        with pytest.raises(Unavailable):
            keys.current(last)
        assert kids(keys.current(good)) == ["one"]
        go_on.set()
        assert [one.result() for one in waiting] == [()] * len(waiting)
    assert kids(keys.current(last)) == ["one"]


NO_SETS: list[Any] = [
    b"",
    b"{",
    b"[]",
    b'{"keys": {}}',
    b'{"keys": 5}',
    b'{"keys": [], "keys": []}',
    {"keys": [ONE.as_dict(private=False)] * 33},
    b'{"keys": [' + b" " * 70_000 + b"]}",
]


@pytest.mark.parametrize("document", NO_SETS, ids=range(len(NO_SETS)))
def test_what_is_no_key_set_replaces_nothing(site: Site, keys: RemoteKeys, clock: ManualClock, document: Any) -> None:
    url = site.publish("/jwks", published(ONE))
    keys.current(url)
    site.publish("/jwks", document)
    clock.advance(FRESH)
    assert kids(keys.current(url)) == ["one"]


@pytest.mark.filterwarnings("ignore:Key size")
def test_keys_that_prove_nothing_are_passed_over(site: Site, keys: RemoteKeys) -> None:
    useless: list[Any] = [
        "x",
        {},
        {"kty": "later", "kid": "future"},
        {"kty": "oct", "k": "AAAA"},
        ONE.as_dict(private=True),
        {**ONE.as_dict(private=False), "x": "AA"},
        {**ONE.as_dict(private=False), "kid": 5},
        jwk.RSAKey.generate_key(1024).as_dict(private=False),
    ]
    url = site.publish("/jwks", {"keys": [*useless, TWO.as_dict(private=False)]})
    assert kids(keys.current(url)) == ["two"]


def test_an_address_that_is_not_let_through_is_not_fetched(site: Site, clock: ManualClock) -> None:
    url = site.publish("/jwks", published(ONE))
    assert RemoteKeys(Client().get, clock).current(url) == ()
    assert site.asked == []


def test_few_sets_are_remembered(site: Site, clock: ManualClock) -> None:
    keys = RemoteKeys(Client(allow=LOOPBACK).get, clock, replace(LIMITS, kept=2))
    urls = [site.publish(f"/{number}", published(ONE)) for number in range(3)]
    for url in (*urls, urls[0]):
        keys.current(url)
    assert (site.times("/0"), site.times("/2")) == (2, 1)
