"""Tokens: who signs what, where it stands, and what is said of one that doesn't hold."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest

from bridge.protocol.errors import TokenError
from bridge.protocol.secret import Secret
from bridge.protocol.tokens import KeyRing, from_body_or_header, from_header, unwrap

NOW = 1_800_000_000.0
OLD, NEW, OTHER = (f"{name}-secret-0123456789abcdef0123456789" for name in ("old", "new", "other"))
RING = KeyRing('HumHub "social"', "sites[0].jwt", "X-Jwt", (Secret(NEW), Secret(OLD)))


def token(claims: dict[str, Any], secret: str = NEW, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


@pytest.mark.parametrize("secret", [OLD, NEW])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_every_secret_of_the_ring_verifies(secret: str, algorithm: str) -> None:
    assert RING.verify(token({"a": 1}, secret, algorithm), now=NOW, where="body") == {"a": 1}


def test_the_first_secret_signs() -> None:
    assert jwt.decode(RING.sign({"a": 1}), NEW, algorithms=["HS256"]) == {"a": 1}
    assert RING.bearer({"a": 1}) == ("X-Jwt", f"Bearer {RING.sign({'a': 1})}")


def unsigned(claims: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (token({"a": 1}, OTHER), "signature"),
        (token({"exp": NOW - 61}), "expired"),
        (token({"iat": NOW + 61}), "early"),
        (token({"nbf": NOW + 61}), "early"),
        (token({"exp": True}), "malformed"),
        (token({"exp": 1e400}), "malformed"),
        ("", "malformed"),
        ("a.b.c", "malformed"),
        (token({"a": 1}) + "x", "signature"),
        (unsigned({"a": 1}), "malformed"),
    ],
    ids=range(10),
)
def test_a_token_that_does_not_hold_is_named(text: str, why: str) -> None:
    with pytest.raises(TokenError) as caught:
        RING.verify(text, now=NOW, where="body")
    assert caught.value.details == {"side": 'HumHub "social"', "where": "body", "why": why}
    assert caught.value.remedy


@pytest.mark.parametrize(
    "claims", [{"exp": NOW - 59}, {"iat": NOW + 59}, {"nbf": NOW + 59}, {}, {"exp": NOW + 1e9}, {"sub": 5, "aud": "x"}]
)
def test_a_minute_of_tolerance_both_ways(claims: dict[str, Any]) -> None:
    assert RING.verify(token(claims), now=NOW, where="body") == claims


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "missing"),
        ({"X-Jwt": token({})}, "missing"),
        ({"X-Jwt": f"bearer {token({})}"}, "missing"),
        ({"Authorization": f"Bearer {token({})}"}, "missing"),
        ({"X-Jwt": "Bearer "}, "malformed"),
    ],
)
def test_the_header_and_its_scheme_are_exact(headers: dict[str, str], why: str) -> None:
    with pytest.raises(TokenError) as caught:
        from_header(RING, headers, now=NOW)
    assert caught.value.details["why"] == why
    assert caught.value.details["where"] == "header X-Jwt"


def test_a_wrapped_header_token_is_unwrapped() -> None:
    claims = from_header(RING, {"X-Jwt": f"Bearer {token({'payload': {'url': 'u'}, 'iat': NOW})}"}, now=NOW)
    assert unwrap(claims) == {"url": "u"}
    assert unwrap({"url": "u"}) == {"url": "u"}


def test_the_body_token_wins_and_replaces_plain_fields() -> None:
    body = {"key": "plain", "token": token({"key": "body", "iat": NOW})}
    headers = {"X-Jwt": f"Bearer {token({'payload': {'key': 'header'}})}"}
    assert from_body_or_header(RING, body, headers, now=NOW) == ({"key": "body"}, NOW)
    assert from_body_or_header(RING, {"key": "plain"}, headers, now=NOW) == ({"key": "header"}, None)


def test_a_bad_body_token_is_not_saved_by_a_good_header_token() -> None:
    headers = {"X-Jwt": f"Bearer {token({'payload': {'key': 'header'}})}"}
    with pytest.raises(TokenError, match="signature"):
        from_body_or_header(RING, {"token": token({}, OTHER)}, headers, now=NOW)


def test_a_side_without_secrets_sends_plain_messages() -> None:
    ring = KeyRing("Docs", "docs.jwt")
    assert from_body_or_header(ring, {"key": "k", "token": "x"}, {}, now=NOW) == ({"key": "k"}, None)


def test_secrets_never_show() -> None:
    assert NEW not in repr(RING)


def test_time_is_an_argument() -> None:
    stale = token({"exp": 10})
    assert RING.verify(stale, now=0, where="body") == {"exp": 10}
    with pytest.raises(TokenError):
        RING.verify(stale, now=time.time(), where="body")
