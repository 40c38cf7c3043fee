"""Tokens as ONLYOFFICE Docs makes and reads them: wrapped in headers, flat in bodies.

What Docs sends is HS256 and lives 300 s. What it gets may be HS256, 384 or 512, wrapped or flat, with 60 s of tolerance
both ways; `Bearer ` is case-sensitive.
"""

from __future__ import annotations

import json
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jwt
from jwt.warnings import InsecureKeyLengthWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIFETIME = 300
LEEWAY = 60
PREFIX = "Bearer "
ALGORITHMS = ["HS256", "HS384", "HS512"]

Claims = dict[str, Any]


class BadToken(Exception):  # noqa: N818 - reads as what it is
    """The token is missing, malformed or signed with another secret."""


class ExpiredToken(BadToken):
    """The token was good once."""


@contextmanager
def _any_secret() -> Iterator[None]:
    """Take secrets of any length without a warning, as Docs does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InsecureKeyLengthWarning)
        yield


def sign(claims: Mapping[str, Any], secret: str, now: float, lifetime: int = LIFETIME) -> str:
    issued = int(now)
    text = json.dumps({**claims, "iat": issued, "exp": issued + lifetime}, separators=(",", ":"), ensure_ascii=False)
    with _any_secret():
        return jwt.api_jws.encode(text.encode(), secret, algorithm="HS256", headers={"typ": "JWT"}, sort_headers=False)


def sign_header(claims: Mapping[str, Any], secret: str, now: float) -> str:
    """Make the token of a header, the claims wrapped as `payload`."""
    return sign({"payload": dict(claims)}, secret, now)


def verify(token: object, secret: str) -> Claims:
    """Return the claims, unwrapped; raise BadToken or ExpiredToken."""
    if not isinstance(token, str):
        raise BadToken("no token")
    options: Any = {"verify_aud": False, "verify_iss": False, "verify_sub": False, "verify_jti": False}
    try:
        with _any_secret():
            claims: Claims = jwt.decode(token, secret, algorithms=ALGORITHMS, leeway=LEEWAY, options=options)
    except jwt.ExpiredSignatureError as error:
        raise ExpiredToken(str(error)) from error
    except jwt.PyJWTError as error:
        raise BadToken(str(error)) from error
    if "payload" not in claims:
        return claims
    payload = claims["payload"]
    if not isinstance(payload, dict):
        raise EmptyPayload("the payload is no object")
    return payload


class EmptyPayload(BadToken):
    """Well signed, but holding nothing."""


def from_header(value: str | None) -> str | None:
    """Return the token that a header's value holds."""
    return value[len(PREFIX) :] if value is not None and value.startswith(PREFIX) else None
