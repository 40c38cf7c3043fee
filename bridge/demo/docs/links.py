"""Addresses that Docs builds: its base as the client sees it, and links whose query proves that Docs made them.

A link's md5 covers expiry and path only: host, prefix, `filename` and `shardkey` may change, the path may not.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAFE_NAME = "!'()*~"
_UNSAFE_HOST = re.compile(r"[^0-9A-Za-z.:\[\]-]")


def base_url(headers: Mapping[str, str]) -> str:
    """Return the base that the client of these request headers uses, as `http://host[/prefix]`.

    The scheme counts only as exactly `http` or `https`; of lists in the others the first value counts.
    """
    scheme = headers.get("X-Forwarded-Proto") or headers.get("CloudFront-Forwarded-Proto") or "http"
    if scheme not in {"http", "https"}:
        scheme = "http"
    host = _first(headers.get("X-Forwarded-Host")) or headers.get("Host", "localhost")
    return f"{scheme}://{host}{_first(headers.get('X-Forwarded-Prefix'))}"


def _first(value: str | None) -> str:
    return (value or "").split(",")[0].strip()


@dataclass(frozen=True, slots=True)
class Linker:
    """Makes and checks links to the files under `/cache/files/`."""

    secret: str

    def link(self, base: str, path: str, filename: str, *, lifetime: int, now: float, shard: str | None) -> str:
        """Return a link to the file at `path` (`data/KEY_1/output.docx`) under the name that the client shall see."""
        name = quote(filename, safe=_SAFE_NAME)
        full = f"/cache/files/{quote(path, safe='/=' + _SAFE_NAME)}/{name}"
        expires = math.ceil(now) + lifetime
        shardkey = f"&shardkey={quote(shard, safe=_SAFE_NAME)}" if shard else ""
        return f"{_host(base)}{full}?md5={self._md5(expires, full)}&expires={expires}{shardkey}&filename={name}"

    def check(self, raw_path: str, query: Mapping[str, str], now: float) -> bool:
        """Say whether the link is one of ours and still good."""
        given, expires = query.get("md5", ""), query.get("expires", "")
        if not (expires.isascii() and expires.isdigit() and given.isascii()):
            return False
        return hmac.compare_digest(given, self._md5(expires, raw_path)) and int(expires) >= now

    def _md5(self, expires: int | str, path: str) -> str:
        digest = hashlib.md5(f"{expires}{unquote(path)}{self.secret}".encode(), usedforsecurity=False).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _host(base: str) -> str:
    """Write the host of a base as a link shows it: what no host name may hold is percent-encoded."""
    scheme, _, rest = base.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{_UNSAFE_HOST.sub(lambda found: f'%{ord(found.group()):02x}', host)}{slash}{path}"


# What a URL's path and query may not hold as it stands; an existing percent sign is left alone.
_PATH_UNSAFE = set(' "#<>?`{}^')
_QUERY_UNSAFE = set(" \"#<>'")


def normalise(url: str) -> str:
    """Percent-encode what a request line can't hold, and nothing else."""
    scheme, separator, rest = url.partition("://")
    authority, slash, tail = rest.partition("/")
    tail = tail.split("#", 1)[0]
    path, mark, query = tail.partition("?")
    return f"{scheme}{separator}{authority}{slash}{_encode(path, _PATH_UNSAFE)}{mark}{_encode(query, _QUERY_UNSAFE)}"


def _encode(text: str, unsafe: set[str]) -> str:
    kept = set(string.printable) - set(string.whitespace)
    return "".join(letter if letter in kept and letter not in unsafe else quote(letter, safe="") for letter in text)
