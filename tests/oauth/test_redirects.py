"""Redirect URIs: what may be registered, and that nothing but a registered one matches, whatever trick is tried."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from idp.oauth import redirects
from tests.oauth.support import many

REGISTERED = (
    "https://app.test/cb",
    "https://app.test:8443/deep/callback?tenant=1",
    "https://xn--bcher-kva.test/",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:4000/cb?x=1",
    "http://[::1]/cb",
    "http://localhost/cb",
    "com.example.app:/cb",
)
registered_uris = st.sampled_from(REGISTERED)
application_types = st.sampled_from(["web", "native"])
texts = st.text(max_size=12)


@st.composite
def tricks(draw: st.DrawFn) -> tuple[str, str]:
    """A registered URI and another one that a sloppy comparison might take for it."""
    uri = draw(registered_uris)
    at = draw(st.integers(0, len(uri) - 1))
    kind = draw(st.sampled_from(["prefix", "suffix", "insert", "encode", "case", "drop", "double"]))
    other = {
        "prefix": draw(texts) + uri,
        "suffix": uri + draw(texts),
        "insert": uri[:at] + draw(texts) + uri[at:],
        "encode": uri[:at] + quote(uri[at], safe="") + uri[at + 1 :],
        "case": uri[:at] + uri[at].swapcase() + uri[at + 1 :],
        "drop": uri[:at] + uri[at + 1 :],
        "double": uri[:at] + uri[at] + uri[at:],
    }[kind]
    return uri, other


@given(registered_uris, application_types)
def test_a_registered_uri_matches_itself(uri: str, application_type: str) -> None:
    assert redirects.matches(uri, REGISTERED, application_type)


@many
@given(tricks())
def test_no_change_of_a_registered_uri_matches_for_a_web_client(trick: tuple[str, str]) -> None:
    uri, other = trick
    assume(other != uri)
    assert not redirects.matches(other, [uri], "web")


@many
@given(tricks())
def test_a_native_client_may_change_nothing_but_a_loopback_port(trick: tuple[str, str]) -> None:
    uri, other = trick
    assume(other != uri)
    if redirects.matches(other, [uri], "native"):
        want, got = urlsplit(uri), urlsplit(other)
        assert want.hostname == got.hostname
        assert got.hostname in {"127.0.0.1", "::1"}
        assert got._replace(netloc="") == want._replace(netloc="")
        assert got.username is None
        assert other.isascii()
        assert other.isprintable()


@many
@given(st.integers(1, 65535), st.sampled_from(["127.0.0.1", "[::1]"]), st.sampled_from(["", "/", "/cb", "/cb?x=1"]))
def test_a_native_client_may_use_any_loopback_port(port: int, host: str, rest: str) -> None:
    for registered in (f"http://{host}{rest}", f"http://{host}:1{rest}"):
        assert redirects.matches(f"http://{host}:{port}{rest}", [registered], "native")
        assert redirects.matches(f"http://{host}{rest}", [registered], "native")
        assert not redirects.matches(f"http://{host}:{port}{rest}", [f"http://{host}/else"], "native")
        assert redirects.matches(f"http://{host}:{port}{rest}", [registered], "web") is (
            registered == f"http://{host}:{port}{rest}"
        )


@many
@given(st.from_regex(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d{1,6}(/cb|@evil\.test/cb|#|\\)", fullmatch=True))
def test_a_loopback_port_is_a_number_that_a_port_can_have(uri: str) -> None:
    if redirects.matches(uri, ["http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost/cb"], "native"):
        port = uri.rpartition(":")[2].partition("/")[0]
        assert port.isascii()
        assert int(port) <= 65535


@pytest.mark.parametrize(
    ("uri", "registered"),
    [
        ("http://localhost:4000/cb", "http://localhost/cb"),
        ("https://127.0.0.1:4000/cb", "https://127.0.0.1/cb"),
        ("http://127.0.0.2/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:65536/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:99999/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:80@evil.test/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1.evil.test/cb", "http://127.0.0.1/cb"),
        ("http://[0:0:0:0:0:0:0:1]:4000/cb", "http://[::1]/cb"),
        ("http://2130706433:4000/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1:4000", "http://127.0.0.1/"),
        ("com.example.app:4000/cb", "com.example.app:/cb"),
    ],
)
def test_other_ways_to_say_loopback_do_not_match(uri: str, registered: str) -> None:
    assert not redirects.matches(uri, [registered], "native")


SCHEMES = st.sampled_from(["https", "http", "javascript", "data", "file", "com.example.app", "HTTPS", "myapp", ""])
HOSTS = st.sampled_from(["app.test", "127.0.0.1", "[::1]", "localhost", "a@app.test", "", "[::1", "*.app.test", "böse"])
TAILS = st.one_of(st.sampled_from(["", "/cb", "/cb#x", "/c b", "/*", "/cb#", ":99999/", "/\\", '/"', "/\n"]), texts)


@many
@given(st.builds("{}://{}{}".format, SCHEMES, HOSTS, TAILS), application_types)
def test_whatever_may_be_registered_is_safe_to_redirect_to(uri: str, application_type: str) -> None:
    if redirects.fault(uri, application_type) is not None:
        return
    parts = urlsplit(uri)
    assert uri.isascii()
    assert not set(uri) & set(' \t\r\n#*<>"\\')
    assert parts.username is None
    match parts.scheme:
        case "https":
            assert parts.hostname
        case "http":
            assert parts.hostname in {"127.0.0.1", "::1", "localhost"}
        case scheme:
            assert application_type == "native"
            assert "." in scheme


@pytest.mark.parametrize("uri", REGISTERED)
def test_what_apps_really_use_may_be_registered(uri: str) -> None:
    assert redirects.fault(uri, "native") is None


@pytest.mark.parametrize("uri", [None, 1, ["https://app.test"], "", "https://app.test/" + "x" * 2048, "cb", "/cb"])
def test_what_is_no_uri_may_not_be_registered(uri: object) -> None:
    assert redirects.fault(uri, "native")


@pytest.mark.parametrize(
    ("uri", "unproven"),
    [
        ("https://app.test/cb", False),
        ("http://127.0.0.1/cb", True),
        ("http://localhost/cb", True),
        ("com.example.app:/cb", True),
    ],
)
def test_a_redirect_that_any_program_could_receive_proves_nothing(uri: str, unproven: bool) -> None:
    assert redirects.is_unproven(uri) is unproven
