"""Events: told with the change, pushed in order to every receiver, tried again until taken, signed with a published key."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc import jwk, jwt

from idp.errors import Refused
from idp.platform import outbox as outbox_store
from idp.platform.audit import Audit
from idp.platform.db import Database
from idp.platform.outbox import EVENTS, Outbox, Receiver, Receivers
from idp.platform.pusher import CONTENT_TYPE, Pusher
from idp.platform.secrets import MasterKey
from idp.tokens.keyring import Keyring
from idp.users.people import Change
from tests.platform.receivers import ReceiverServer
from tests.support.clocks import ManualClock
from tests.support.ports import free_port
from vetted_http import Client

ISSUER, AUDIENCE = "https://idp.test", "https://api.test"
WEEK = 7 * 86400


class Post:
    """An outbox with its keys; `push` is one round of one node."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database, self.clock = database, clock
        audit = Audit(clock)
        self.ring = Keyring(database, MasterKey(b"m" * 32), clock, audit, jwks_max_age=300, longest_life=300)
        self.ring.ensure("ES256")
        self.outbox, self.receivers = Outbox(clock), Receivers(database, clock, audit)
        self.here = self.node()

    def node(self) -> Pusher:
        http = Client(allow=(ipaddress.ip_network("127.0.0.0/8"),))
        signer = self.ring.signer("ES256")
        return Pusher(
            self.database, self.clock, http, lambda claims: signer.compose("secevent+jwt", claims), issuer=ISSUER
        )

    def publish(self, *types: str) -> None:
        for type_ in types:
            with self.database.write() as tx:
                self.outbox.publish(tx, type_, "alice", {"sub": "alice", "username": "Älice"})

    def receiver(self, server: ReceiverServer | str, *events: str) -> Receiver:
        url = server if isinstance(server, str) else server.url
        return self.receivers.create(url=url, events=events or ("user.*",), audience=AUDIENCE)[0]

    def state(self, receiver: Receiver) -> Receiver:
        return next(one for one in self.receivers.list() if one.id == receiver.id)


@pytest.fixture
def post(database: Database, clock: ManualClock) -> Post:
    return Post(database, clock)


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with ReceiverServer() as running:
        yield running


# -- delivery ---------------------------------------------------------------------------------------------------------


def test_events_arrive_in_the_order_of_their_commits(post: Post, server: ReceiverServer) -> None:
    receiver = post.receiver(server, "user.*", "status.*")
    post.publish(*EVENTS)
    assert [post.here.run(), post.here.run()] == [7, 0]
    assert [next(iter(claims["events"])).rpartition(":")[2] for claims in server.claims] == list(EVENTS)
    assert server.sequences == [1, 2, 3, 4, 5, 6, 7]
    assert post.state(receiver).position == 7


def test_an_event_is_a_security_event_token_signed_with_a_published_key(post: Post, server: ReceiverServer) -> None:
    receiver = post.receiver(server)
    post.publish("user.created")
    post.here.run()
    assert server.types == [CONTENT_TYPE]
    post.ring.reload()
    keys = jwk.KeySet.import_key_set(json.loads(post.ring.published().body))
    token = jwt.decode(server.tokens[0], keys, algorithms=["ES256"])
    assert token.header["typ"] == "secevent+jwt"
    assert token.claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": post.clock.now(),
        "jti": f"{receiver.id}.1",
        "txn": "1",
        "sub_id": {"format": "iss_sub", "iss": ISSUER, "sub": "alice"},
        "events": {"urn:idp:event:user.created": {"sequence": 1, "user": {"sub": "alice", "username": "Älice"}}},
    }
    assert not {"sub", "exp"} & token.claims.keys(), "nobody takes it for another kind of token (RFC 8417 §4)"


def test_an_event_that_is_about_no_person_names_what_it_is_about(post: Post, server: ReceiverServer) -> None:
    """RFC 9493 §3: a list is named by its URI, a key by its id."""
    post.receiver(server, "status.*")
    with post.database.write() as tx:
        post.outbox.publish(tx, "status.changed", "https://idp.test/oauth/status/1-0", {"idx": [7]})
        post.outbox.publish(tx, "status.key_revoked", "the-kid", {"kid": "the-kid"})
    post.here.run()
    changed, revoked = server.claims
    assert changed["sub_id"] == {"format": "uri", "uri": "https://idp.test/oauth/status/1-0"}
    assert changed["events"] == {"urn:idp:event:status.changed": {"sequence": 1, "status": {"idx": [7]}}}
    assert revoked["sub_id"] == {"format": "opaque", "id": "the-kid"}
    assert revoked["events"] == {"urn:idp:event:status.key_revoked": {"sequence": 2, "status": {"kid": "the-kid"}}}


def test_what_is_rolled_back_is_told_to_nobody(post: Post, server: ReceiverServer) -> None:
    post.receiver(server)
    with pytest.raises(RuntimeError), post.database.write() as tx:
        post.outbox.publish(tx, "user.created", "alice", {})
        raise RuntimeError
    post.publish("user.updated")
    assert post.here.run() == 1
    assert server.sequences == [1]


def test_a_receiver_gets_what_it_asked_for_and_nothing_from_before(post: Post, server: ReceiverServer) -> None:
    post.publish("user.created")
    receiver = post.receiver(server, "user.deleted", "user.disabled")
    post.publish("user.updated", "user.deleted", "user.created")
    assert post.here.run() == 1
    assert server.sequences == [3]
    assert post.state(receiver).position == 4


def test_more_than_a_batch_arrives_whole(post: Post, server: ReceiverServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.platform.pusher._BATCH", 3)
    post.receiver(server)
    post.publish(*["user.updated"] * 8)
    assert [post.here.run() for _ in range(4)] == [3, 3, 2, 0]
    assert server.sequences == list(range(1, 9))


# -- failure ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 429, 503, 307])
def test_what_was_not_taken_is_tried_again_and_nothing_overtakes_it(post: Post, status: int) -> None:
    with ReceiverServer(202, status, status) as server:
        receiver = post.receiver(server)
        post.publish("user.created", "user.updated", "user.deleted")
        assert [post.here.run(), post.here.run()] == [1, 0]
        state = post.state(receiver)
        assert (state.position, state.failures, server.sequences) == (1, 1, [1])
        assert state.last_error in {f"status {status}", "redirect"}
        post.clock.advance(1)
        assert post.here.run() == 0
        assert post.state(receiver).failures == 2
        post.clock.advance(1)
        assert post.here.run() == 0, "the delay grows"
        post.clock.advance(1)
        assert post.here.run() == 2
        state = post.state(receiver)
        assert (server.sequences, state.failures, state.last_error) == ([1, 2, 3], 0, None)


def test_the_delay_grows_to_five_minutes_and_starts_anew_after_a_success(post: Post) -> None:
    with ReceiverServer(*[500] * 12) as server:
        receiver = post.receiver(server)
        post.publish("user.created", "user.updated")
        for failures in range(12):
            assert post.here.run() == 0
            assert post.state(receiver).failures == failures + 1
            post.clock.advance(min(300, 2**failures))
        server.answers = [202, 500]
        assert post.here.run() == 1
        assert post.state(receiver).failures == 1
        post.clock.advance(1)
        assert post.here.run() == 1


def test_a_dead_receiver_keeps_no_other_waiting(post: Post, server: ReceiverServer) -> None:
    dead = post.receiver(f"http://127.0.0.1:{free_port()}/events")
    alive = post.receiver(server)
    refused = post.receiver("https://10.0.0.1/events")
    last = post.receiver(server)
    post.publish("user.created", "user.deleted")
    assert post.here.run() == 4
    positions = [post.state(one).position for one in (dead, alive, refused, last)]
    assert positions == [0, 2, 0, 2]
    assert (post.state(dead).last_error, post.state(refused).last_error) == ("connect", "address")


def test_two_nodes_at_once_neither_repeat_nor_reorder(post: Post, server: ReceiverServer) -> None:
    receiver = post.receiver(server)
    post.publish(*["user.updated"] * 20)
    nodes = [post.node() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        while post.state(receiver).position < 20:
            list(pool.map(lambda node: node.run(), nodes))
    assert server.sequences == list(range(1, 21))


def test_a_node_that_dies_while_pushing_is_replaced_when_its_lease_ends(post: Post) -> None:
    class Dies(BaseException):
        pass

    def sign(_claims: Any) -> str:
        raise Dies

    with ReceiverServer() as server:
        post.receiver(server)
        post.publish("user.created")
        dying = Pusher(post.database, post.clock, Client(), sign, issuer=ISSUER)
        with pytest.raises(Dies):
            dying.run()
        assert post.here.run() == 0
        post.clock.advance(30)
        assert post.here.run() == 1


def test_a_node_that_lost_its_lease_while_pushing_stops_and_changes_nothing(post: Post) -> None:
    """The slow node's event may arrive twice, with the same jti, but never after a later one is noted."""
    others = [post.node()]

    def overtake(_token: str) -> None:
        if others:
            post.clock.advance(31)
            others.pop().run()

    with ReceiverServer(before=overtake) as server:
        receiver = post.receiver(server)
        post.publish("user.created", "user.updated")
        post.here.run()
        assert server.sequences == [1, 2, 1]
        assert len({claims["jti"] for claims in server.claims}) == 2
        assert post.state(receiver).position == 2
        assert post.here.run() == 0


# -- who is told ------------------------------------------------------------------------------------------------------


NO_EVENTS = (
    *([], [""], ["*"], ["*.*"], ["user"], ["user."], ["user.*.x"], ["User.*"], ["user.*\n"], ["us*.created"]),
    *(["foo.bar"], ["foo.*"], ["user.foo"], ["status.foo"], ["user.password_set"], ["user.*", "foo.*"]),
)
NO_URLS = (
    *("", "x", "/events", "ftp://api.test/", "https://", "https:///x", "javascript:alert(1)", "file:///etc/passwd"),
    *("https://u:p@api.test/", "https://api.test/#x", "http://[", "https://api.test:x/", "https://api.test:0/"),
    *("https://api.test/\n", "https://api.test/ä", "https://api.test/" + "x" * 2048),
)


def refusal(post: Post, **changes: Any) -> str:
    asked = {"url": "https://api.test/events", "events": ["user.*"], "audience": AUDIENCE, **changes}
    with pytest.raises(Refused) as raised:
        post.receivers.create(**asked)
    assert post.receivers.list() == []
    return raised.value.code


def test_a_pattern_that_no_event_ever_matches_is_refused(post: Post) -> None:
    assert [refusal(post, events=events) for events in NO_EVENTS] == ["events"] * len(NO_EVENTS)


def test_a_url_that_nothing_could_be_pushed_to_is_refused(post: Post) -> None:
    assert [refusal(post, url=url) for url in NO_URLS] == ["url"] * len(NO_URLS)


def test_an_audience_that_is_none_is_refused(post: Post) -> None:
    assert {refusal(post, audience=audience) for audience in ("", "x" * 2049, "a\nb", "a\x00")} == {"audience"}


def test_every_change_of_a_person_that_is_told_can_be_asked_for(post: Post) -> None:
    of_people = {event for event in EVENTS if event.startswith("user.")}
    another_name = {Change.CLOSED: Change.DISABLED, Change.REOPENED: Change.ENABLED}
    told = {another_name.get(change, change) for change in Change if not change.value.startswith("password_")}
    assert {f"user.{change}" for change in told} == of_people
    for pattern in ("user.*", *EVENTS):
        post.receiver("https://api.test/events", pattern)


def test_the_token_of_a_receiver_is_known_by_its_digest_until_it_is_deleted(post: Post) -> None:
    made, token = post.receivers.create(url="https://api.test/", events=["user.*"], audience=AUDIENCE)
    assert post.receivers.authenticate(token)
    assert not post.receivers.authenticate(token + "x")
    assert not post.receivers.authenticate("")
    with post.database.read() as tx:
        assert token not in str(tx.exec_driver_sql("SELECT * FROM receivers").all())
    post.receivers.delete(made.id)
    assert not post.receivers.authenticate(token)
    with pytest.raises(Refused):
        post.receivers.delete(made.id)


def test_events_are_kept_until_everybody_has_them_and_a_week_has_passed(post: Post, server: ReceiverServer) -> None:
    dead = post.receiver(f"http://127.0.0.1:{free_port()}/events")
    post.receiver(server)
    post.publish("user.created", "user.updated", "user.deleted")
    post.here.run()

    def prune() -> int:
        with post.database.write() as tx:
            return outbox_store.prune(tx, post.clock.now(), 100)

    post.clock.advance(WEEK + 1)
    assert prune() == 0, "one receiver has not got them yet"
    post.receivers.delete(dead.id)
    assert prune() == 2, "the newest stays: new receivers begin behind it"
    post.publish("user.created")
    assert prune() == 1
    assert post.here.run() == 1
    assert server.sequences == [1, 2, 3, 4]
