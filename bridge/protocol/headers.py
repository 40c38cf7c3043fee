"""HTTP headers: which of them cross the bridge, which a hop sets anew, and what a Host may look like.

Inbound headers are never edited: ``forwardable`` and ``answerable`` build what the other side gets. Left out are

- the hop-by-hop names, and those that ``Connection`` lists;
- the framing (``Content-Length``, ``Transfer-Encoding``, ``Expect``): the transport sets it from the body;
- names with ``_``: nginx and PHP read them as if they were spelled with ``-``;
- ``Host``, ``Forwarded``, ``X-Real-IP`` and every ``X-Forwarded-…``: the hop sets its own with ``set_forwarded``.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from multidict import CIMultiDict, MultiMapping

from bridge.protocol.errors import BadRequestError

__all__ = [
    "AUTHORIZATION",
    "CONTENT_TYPE",
    "FORWARDED_FOR",
    "FORWARDED_HOST",
    "FORWARDED_PREFIX",
    "FORWARDED_PROTO",
    "HOP_BY_HOP",
    "HOST",
    "REQUEST_ID",
    "answerable",
    "forwardable",
    "forwarded_for",
    "host_of",
    "parse_host",
    "set_forwarded",
]

AUTHORIZATION: Final = "Authorization"
CONTENT_TYPE: Final = "Content-Type"
HOST: Final = "Host"
REQUEST_ID: Final = "X-Request-Id"
FORWARDED_FOR: Final = "X-Forwarded-For"
FORWARDED_HOST: Final = "X-Forwarded-Host"
FORWARDED_PREFIX: Final = "X-Forwarded-Prefix"
FORWARDED_PROTO: Final = "X-Forwarded-Proto"

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_FRAMING: Final = frozenset({"content-length", "expect"})
_SET_BY_THE_HOP: Final = frozenset({"host", "forwarded", "x-real-ip"})
_FORWARDED: Final = "x-forwarded-"

# RFC 9110 token: what a header's name is made of. One outside of it can't be written on.
_NAME: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_LABELS: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LONGEST_HOST: Final = 255
_LAST_PORT: Final = 65535


def _crossing(headers: MultiMapping[str], never: frozenset[str]) -> CIMultiDict[str]:
    """Copy the headers that may cross, duplicates and order kept."""
    listed = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    crossing: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        lowered = name.lower()
        if lowered not in never and lowered not in listed and _NAME.fullmatch(name):
            crossing.add(name, value)
    return crossing


def forwardable(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """Build an outbound request's headers from an inbound one's.

    Neither Host nor any forwarded header is among them: see ``set_forwarded``.
    """
    crossing = _crossing(headers, HOP_BY_HOP | _FRAMING | _SET_BY_THE_HOP)
    for name in {name for name in crossing if name.lower().startswith(_FORWARDED)}:
        del crossing[name]
    return crossing


def answerable(headers: MultiMapping[str]) -> CIMultiDict[str]:
    """Build the headers of our answer from an upstream's; every ``Set-Cookie`` stays."""
    return _crossing(headers, HOP_BY_HOP | _FRAMING)


def forwarded_for(peer: str, chain: str | None = None) -> str:
    """Append the peer to the chain of addresses that a trusted forwarder handed in (None: the chain begins here)."""
    return f"{chain}, {peer}" if chain else peer


def set_forwarded(headers: CIMultiDict[str], *, client: str, proto: str, host: str, prefix: str | None = None) -> None:
    """Tell the upstream who called, and by which address, in headers that replace whatever was there.

    Docs builds its own addresses from these, on HTTP and on the websocket's handshake alike: the first value of Proto
    (exactly http or https), then Host, then Prefix without a trailing slash. ``client`` is ``forwarded_for``'s result,
    ``host`` the validated ``host[:port]``; it becomes ``Host`` too, which Docs and HumHub fall back on.
    """
    for name in [name for name in headers if name.lower().startswith(_FORWARDED)]:
        headers.popall(name, None)
    headers[HOST] = host
    headers[FORWARDED_FOR] = client
    headers[FORWARDED_PROTO] = proto
    headers[FORWARDED_HOST] = host
    if prefix and (bare := prefix.rstrip("/")):
        headers[FORWARDED_PREFIX] = bare


def host_of(headers: MultiMapping[str]) -> tuple[str, int | None]:
    """Read the one Host of a request.

    Raises:
        BadRequestError: there is none, there are several, or it is not a host.
    """
    match list(headers.getall(HOST, ())):
        case [value]:
            return parse_host(value)
        case found:
            raise BadRequestError("A request has exactly one Host.", hosts=len(found))


def parse_host(value: str) -> tuple[str, int | None]:
    """Split ``host[:port]`` into a lower-case host and a port.

    A name loses its trailing dot; an IPv6 address keeps its brackets and takes its shortest spelling, so that equal
    hosts are equal strings.

    Raises:
        BadRequestError: user information, spaces, a scope, an empty label, a port out of range: anything else.
    """
    host, port = _split(value)
    if host.startswith("["):
        return _ipv6(host, value), port
    lowered = host.lower()
    if len(lowered) > _LONGEST_HOST or not _LABELS.fullmatch(lowered):
        raise BadRequestError("The Host is not a host name.", host=value[:_LONGEST_HOST])
    return lowered.removesuffix("."), port


def _split(value: str) -> tuple[str, int | None]:
    host, colon, tail = value.rpartition(":")
    if not colon or tail.endswith("]"):
        return value, None
    if not _PORT.fullmatch(tail) or not 1 <= int(tail) <= _LAST_PORT:
        raise BadRequestError("The Host has no valid port.", host=value[:_LONGEST_HOST])
    return host, int(tail)


def _ipv6(host: str, value: str) -> str:
    try:
        address = IPv6Address(host[1:-1]) if host.endswith("]") else None
    except AddressValueError:
        address = None
    if address is None or address.scope_id is not None:
        raise BadRequestError("The Host is not an IPv6 address.", host=value[:_LONGEST_HOST])
    return f"[{address.compressed}]"
