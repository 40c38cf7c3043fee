"""Headers that cross, headers that a hop sets, and the grammar of Host, as tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from bridge.protocol.errors import BadRequestError
from bridge.protocol.headers import (
    HOP_BY_HOP,
    answerable,
    forwardable,
    forwarded_for,
    host_of,
    parse_host,
    set_forwarded,
)


def inbound(*extra: tuple[str, str]) -> CIMultiDict[str]:
    return CIMultiDict([("Host", "social.example.com"), ("Accept", "*/*"), *extra])


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_headers_stay_on_their_hop(name: str) -> None:
    assert name not in forwardable(inbound((name, "x")))
    assert name not in answerable(inbound((name, "x")))


@pytest.mark.parametrize(
    "name",
    ["X-Forwarded-For", "x-forwarded-host", "X-FORWARDED-PROTO", "X-Forwarded-Anything", "Forwarded", "X-Real-IP"],
)
def test_a_client_can_not_set_what_the_hop_sets(name: str) -> None:
    assert list(forwardable(inbound((name, "a"), (name, "b")))) == ["Accept"]


@pytest.mark.parametrize("name", ["X_Forwarded_For", "x_request-id", "Bad Name", "Ünicode", "a:b", ""])
def test_a_name_that_another_server_could_read_differently_is_dropped(name: str) -> None:
    assert list(forwardable(inbound((name, "x")))) == ["Accept"]
    assert list(answerable(CIMultiDict([(name, "x")]))) == []


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "Expect"])
def test_framing_is_left_to_the_transport(name: str) -> None:
    assert name not in forwardable(inbound((name, "1")))


def test_names_listed_in_connection_are_dropped() -> None:
    headers = inbound(("Connection", "close, X-One"), ("connection", "x-two"), ("X-One", "1"), ("X-Two", "2"))
    assert list(forwardable(headers)) == ["Accept"]


def test_duplicates_and_order_are_kept() -> None:
    given_headers = [("Set-Cookie", "a=1"), ("Vary", "x"), ("Set-Cookie", "b=2"), ("set-cookie", "c=3")]
    assert list(answerable(CIMultiDict(given_headers)).items()) == given_headers


def test_inbound_headers_are_not_modified() -> None:
    headers = inbound(("Connection", "X-One"), ("X-One", "1"))
    before = list(headers.items())
    forwardable(headers)
    answerable(headers)
    assert list(headers.items()) == before


def test_an_answer_keeps_what_only_requests_must_not_carry() -> None:
    assert list(answerable(CIMultiDict([("X-Real-IP", "1"), ("Location", "/x")]))) == ["X-Real-IP", "Location"]


@pytest.mark.parametrize(
    ("peer", "chain", "expected"),
    [("10.0.0.9", None, "10.0.0.9"), ("10.0.0.9", "", "10.0.0.9"), ("10.0.0.9", "1.2.3.4", "1.2.3.4, 10.0.0.9")],
)
def test_the_chain_of_forwarders_grows_only_from_a_handed_in_one(peer: str, chain: str | None, expected: str) -> None:
    assert forwarded_for(peer, chain) == expected


def test_forwarded_headers_replace_all_older_ones() -> None:
    headers = CIMultiDict([("x-forwarded-host", "evil"), ("X-Forwarded-Port", "1"), ("Host", "old"), ("A", "b")])
    set_forwarded(headers, client="1.2.3.4", proto="https", host="office.example.com", prefix="/ds/")
    assert dict(headers) == {
        "A": "b",
        "Host": "office.example.com",
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "office.example.com",
        "X-Forwarded-Prefix": "/ds",
    }


@pytest.mark.parametrize("prefix", [None, "", "/"])
def test_an_empty_prefix_is_not_sent(prefix: str | None) -> None:
    headers: CIMultiDict[str] = CIMultiDict()
    set_forwarded(headers, client="1.2.3.4", proto="http", host="h", prefix=prefix)
    assert "X-Forwarded-Prefix" not in headers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("social.example.com", ("social.example.com", None)),
        ("Social.Example.COM:8080", ("social.example.com", 8080)),
        ("example.com.", ("example.com", None)),
        ("docs_1:80", ("docs_1", 80)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("[::1]", ("[::1]", None)),
        ("[0:0::1]:65535", ("[::1]", 65535)),
        ("[2001:DB8::A]:443", ("[2001:db8::a]", 443)),
    ],
)
def test_host_is_split(value: str, expected: tuple[str, int | None]) -> None:
    assert parse_host(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "a b", "a@b", "user:pass@host", "host:", "host:0", "host:65536", "host:-1", "host:+80", "host:8o"),
        *("host:٨٠", "host:000080", "host/path", "host?x", "host#x", "host\\x", "a,b", "a..b", ".a", ".", "hóst"),
        *("host\r\nX: y", "host\n", "host\x00", "::1", "[::1", "::1]", "[]", "[::1%eth0]", "[1.2.3.4]", "[::1]x"),
        *("[::1]:", "a:1:2", "%61", "a%2eb", "x" * 256),
    ],
)
def test_an_odd_host_is_refused(value: str) -> None:
    with pytest.raises(BadRequestError):
        parse_host(value)


@given(st.text(max_size=40))
def test_a_host_is_parsed_to_plain_characters_or_refused(value: str) -> None:
    try:
        host, port = parse_host(value)
    except BadRequestError:
        return
    assert host.isascii()
    assert not set(host) & set("@/?#\\ \t\r\n%,")
    assert parse_host(host if port is None else f"{host}:{port}") == (host, port)


def test_a_request_has_exactly_one_host() -> None:
    assert host_of(CIMultiDict([("host", "a:1")])) == ("a", 1)
    for headers in (CIMultiDict[str](), CIMultiDict([("Host", "a"), ("Host", "a")])):
        with pytest.raises(BadRequestError):
            host_of(headers)
