"""The same verdicts over gRPC, on a server with threads and on asyncio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from token_guard import Dpop, Guard, IssuerTrust, Nonces
from token_guard.adapters.grpc import principal
from token_guard.certificates import thumbprint
from token_guard.fetch import Fetched, FetchError

from tests.guard import certs
from tests.guard.minting import AUDIENCE, ISSUER, FromNow, jwks, token
from tests.guard.proofs import bound, proof
from tests.guard.rpc import SERVERS, SERVICE, call, metadata, threaded

CREATE = f"{AUDIENCE}/{SERVICE}/Create"


def guard(**options: Any) -> Guard:
    fetch = options.pop("fetch", lambda _trust: Fetched(jwks(), 300))
    return Guard(IssuerTrust(ISSUER, AUDIENCE), fetch=fetch, **options)


@pytest.fixture(scope="module", params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def channel(kind: str) -> Iterator[grpc.Channel]:
    with SERVERS[kind](guard()) as place, grpc.insecure_channel(place) as opened:
        yield opened


def refusal(channel: grpc.Channel, sent: list[tuple[str, str]], method: str = "Create") -> tuple[str, dict[str, str]]:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, sent, method)
    error: Any = caught.value
    return error.code().name, dict(error.trailing_metadata() or ())


def test_every_kind_of_call_sees_who_calls(channel: grpc.Channel) -> None:
    sent = metadata(token())
    assert call(channel, sent) == b"person-1"
    assert list(channel.unary_stream(f"/{SERVICE}/List")(b"50", metadata=sent, timeout=30)) == [b"person-1"] * 50
    uploaded = channel.stream_unary(f"/{SERVICE}/Upload")(iter([b"a", b"b"]), metadata=sent, timeout=30)
    assert uploaded == b"person-1 ab"
    answers = channel.stream_stream(f"/{SERVICE}/Chat")(iter([b"a", b"b"]), metadata=sent, timeout=30)
    assert list(answers) == [b"a person-1", b"b person-1"]


@pytest.mark.parametrize("method", ["List", "Chat"])
def test_a_stream_is_refused_before_it_begins(channel: grpc.Channel, method: str) -> None:
    make: Any = channel.unary_stream if method == "List" else channel.stream_stream
    argument = b"5" if method == "List" else iter([b"a"])
    with pytest.raises(grpc.RpcError) as caught:
        list(make(f"/{SERVICE}/{method}")(argument, timeout=30))
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_open_is_open_and_what_is_not_named_is_not(channel: grpc.Channel) -> None:
    health = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health(b"", timeout=30) == b"serving"
    assert refusal(channel, [], "Secret")[0] == "UNAUTHENTICATED"
    assert call(channel, metadata(token(scope="")), "Secret") == b"person-1"
    assert refusal(channel, metadata(token()), "Nothing")[0] == "UNIMPLEMENTED"


def test_refusals_have_a_code_and_carry_the_challenge(channel: grpc.Channel) -> None:
    code, trailing = refusal(channel, [])
    assert (code, trailing["www-authenticate"].split(",")[0]) == ("UNAUTHENTICATED", "Bearer")
    code, trailing = refusal(channel, metadata(token(exp=FromNow(-60))))
    assert (code, trailing["token-guard-error"]) == ("UNAUTHENTICATED", "invalid_token")
    code, trailing = refusal(channel, metadata(token(scope="write")))
    assert (code, trailing["token-guard-error"]) == ("PERMISSION_DENIED", "insufficient_scope")
    assert 'scope="read"' in trailing["www-authenticate"]
    assert refusal(channel, metadata("a b"))[0] == "UNAUTHENTICATED"
    twice = [*metadata(token()), *metadata(token())]
    assert refusal(channel, twice)[0] == "UNAUTHENTICATED"


def test_a_proof_is_for_a_post_to_the_methods_url(channel: grpc.Channel) -> None:
    presented = bound()
    good = proof(presented, htm="POST", htu=CREATE)
    assert call(channel, metadata(presented, good, scheme="DPoP")) == b"person-1"
    for proofs in ((good,), (), (proof(presented, htu=CREATE),), (proof(presented, htm="POST"),)):
        _, trailing = refusal(channel, metadata(presented, *proofs, scheme="DPoP"))
        assert trailing["token-guard-error"] == "invalid_dpop_proof"
    two = (proof(presented, htm="POST", htu=CREATE), proof(presented, htm="POST", htu=CREATE))
    assert refusal(channel, metadata(presented, *two, scheme="DPoP"))[0] == "UNAUTHENTICATED"
    assert refusal(channel, metadata(presented))[1]["token-guard-error"] == "invalid_token"


def test_nonces_travel_in_metadata(kind: str) -> None:
    with SERVERS[kind](guard(dpop=Dpop(nonces=Nonces((b"s" * 32,))))) as place, grpc.insecure_channel(place) as channel:
        presented = bound()
        _, trailing = refusal(channel, metadata(presented, proof(presented, htm="POST", htu=CREATE), scheme="DPoP"))
        assert trailing["token-guard-error"] == "use_dpop_nonce"
        again = proof(presented, htm="POST", htu=CREATE, nonce=trailing["dpop-nonce"])
        assert call(channel, metadata(presented, again, scheme="DPoP")) == b"person-1"


def test_when_nobody_can_know_the_service_is_unavailable(kind: str) -> None:
    def away(_trust: IssuerTrust) -> Fetched:
        raise FetchError("away")

    with SERVERS[kind](guard(fetch=away)) as place, grpc.insecure_channel(place) as channel:
        code, trailing = refusal(channel, metadata(token()))
        assert code == "UNAVAILABLE"
        assert int(trailing["retry-after"]) > 0


def test_the_certificate_of_the_connection(tmp_path: Path) -> None:
    authority = certs.make(tmp_path, "authority")
    server, holder = (certs.make(tmp_path, name, authority) for name in ("server", "holder"))
    other = certs.make(tmp_path, "other", authority)
    pairs = ((server.key_file.read_bytes(), server.cert_file.read_bytes()),)
    credentials = grpc.ssl_server_credentials(pairs, authority.cert_file.read_bytes(), require_client_auth=True)
    presented = token(cnf={"x5t#S256": thumbprint(holder.der)})
    with threaded(guard(), credentials) as place:
        for who, passes in ((holder, True), (other, False)):
            own = grpc.ssl_channel_credentials(
                authority.cert_file.read_bytes(), who.key_file.read_bytes(), who.cert_file.read_bytes()
            )
            with grpc.secure_channel(place, own) as channel:
                if passes:
                    assert call(channel, metadata(presented)) == b"person-1"
                else:
                    assert refusal(channel, metadata(presented))[0] == "UNAUTHENTICATED"


def test_outside_a_guarded_call_there_is_no_caller() -> None:
    with pytest.raises(LookupError):
        principal()
