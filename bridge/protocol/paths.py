"""Paths as they come over the wire: refused where two readers could read two things, compared by what they mean.

Every decision by path is made on one reading of it. Servers behind the bridge decode percent-escapes, resolve dot
segments, fold slashes and treat a backslash as one, each in an order of its own; so a path in which any of that matters
is not decided upon but refused. What is left is passed on raw: harmless escapes stay as they came.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from bridge.protocol.errors import BadRequestError

__all__ = ["normalise", "same_target"]

# An escape that isn't one; an encoded slash, backslash, NUL or other control character; the raw forms of them.
_AMBIGUOUS = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:2[fF]|5[cC]|[01][0-9A-Fa-f]|7[fF])|[\\\x00-\x20\x7f]|[^\x00-\x7f]")
# A sign in more bytes of UTF-8 than it needs: a lenient decoder reads "%c0%ae" as a dot.
_OVERLONG = re.compile(r"%c[01]%[89ab]|%e0%[89]|%f[08-9a-d]%8", re.IGNORECASE)
_DOT = re.compile("%2e", re.IGNORECASE)
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
# RFC 3986: what needs no escape beside letters and digits, and what has a meaning of its own.
_UNRESERVED = "-._~"
_RESERVED = "%/?#[]@!$&'()*+,;=:"


def normalise(path: str) -> str:
    """Give a raw path back if it has one reading: no dot segment, no empty segment but the last, in any spelling.

    Raises:
        BadRequestError: it could be read in more than one way.
    """
    if not path.startswith("/") or _AMBIGUOUS.search(path) or _OVERLONG.search(path):
        raise BadRequestError("The address can be read in more than one way.", path=path[:200])
    segments = _DOT.sub(".", path).split("/")[1:]
    # A server may cut a segment's parameters, "/..;x/", before it resolves the dots.
    if any(segment.partition(";")[0] in (".", "..") for segment in segments) or "" in segments[:-1]:
        raise BadRequestError("The address can be read in more than one way.", path=path[:200])
    return path


def same_target(one: str, other: str) -> bool:
    """Say whether two URLs or targets are the same but for their percent-escapes.

    Source: Docs' request line is percent-normalised, while the claim in its token is as it was given.
    """
    return _spelt(one) == _spelt(other)


def _spelt(text: str) -> str:
    """Spell a URL in the one way of RFC 3986: no escape that isn't needed, upper-case ones, all that are."""
    return quote(_ESCAPE.sub(_needed, text), safe=_RESERVED)


def _needed(escape: re.Match[str]) -> str:
    sign = chr(int(escape[1], 16))
    return sign if sign.isascii() and (sign.isalnum() or sign in _UNRESERVED) else escape[0].upper()
