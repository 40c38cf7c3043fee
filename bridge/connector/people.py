"""Who somebody is where no HumHub says it: what they said themselves, once, in a signed cookie."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final

from bridge.connector.storage import SignedOutError, Visitor
from bridge.connector.words import msgid
from bridge.protocol.capabilities import mint, redeem
from bridge.protocol.errors import BadRequestError, RefusedError
from bridge.protocol.secret import Secret

__all__ = ["COOKIE", "LASTS", "introduce", "language_of", "who"]

COOKIE: Final = "bridge_person"
LASTS: Final = 30 * 86400
_PURPOSE: Final = "person"
_LONGEST: Final = 60


def introduce(name: str, secret: Secret, *, now: float) -> str:
    """Give the cookie's value for somebody who calls themselves ``name``.

    Raises:
        BadRequestError: that is no name.
    """
    tame = " ".join("".join(sign for sign in name if sign.isprintable()).split())[:_LONGEST]
    if not tame:
        raise BadRequestError(msgid("Please say your name."))
    return mint(secret, _PURPOSE, {"id": secrets.token_hex(8), "name": tame}, expires=now + LASTS)


def who(headers: Mapping[str, str], secret: Secret, *, now: float) -> Visitor:
    """Give who sent a request.

    Raises:
        SignedOutError: they haven't said it.
    """
    cookies = SimpleCookie()
    try:
        cookies.load(headers.get("Cookie", ""))
        said = redeem(secret, _PURPOSE, cookies[COOKIE].value, now=now)
    except (CookieError, KeyError, RefusedError) as error:
        raise SignedOutError("Please say who you are.") from error
    return Visitor(id=str(said.get("id")), name=str(said.get("name")), language=language_of(headers))


def language_of(headers: Mapping[str, str]) -> str:
    """Give the language that a browser asks for first."""
    first = headers.get("Accept-Language", "").split(",")[0].partition(";")[0].strip()
    return first if first and first != "*" else "en"
