"""Who calls a leg: the socket's other end, or whom a trusted forwarder names."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from bridge.config import Network
from bridge.protocol.headers import FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, host_of, parse_host

__all__ = ["Client", "Network", "address_of", "identify", "peer_of", "within"]

_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Client:
    """Who called, and by which address: ``host`` with its port as the client wrote it, ``proto`` http or https."""

    address: str
    proto: str
    host: str


def peer_of(request: web.BaseRequest) -> str:
    """Give the address of the socket's other end."""
    return address_of(request.transport)


def address_of(transport: asyncio.BaseTransport | None) -> str:
    """Give the address of a connection's other end; an IPv4 one that came to an IPv6 listener is an IPv4 one."""
    name = transport.get_extra_info("peername") if transport else None
    address = str(name[0]).partition("%")[0] if isinstance(name, tuple) else ""
    bare = address.removeprefix("::ffff:")
    return bare if "." in bare else address


def within(address: str, networks: tuple[Network, ...]) -> bool:
    """Say whether an address is in one of the networks; what is no address is in none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return any((mapped or parsed) in network for network in networks)


def identify(request: web.BaseRequest, trust: tuple[Network, ...]) -> Client:
    """Say who the client is: the socket's other end, or whom a forwarder in one of the ``trust`` networks names.

    Raises:
        BadRequestError: there is not exactly one Host, or it is odd; a forwarded one, likewise.
    """
    host_of(request.headers)
    peer, host = peer_of(request), request.headers["Host"]
    proto = "https" if request.secure else "http"
    if not within(peer, trust):
        return Client(peer, proto, host)
    chain = [_address(hop) for hop in ",".join(request.headers.getall(FORWARDED_FOR, ())).split(",") if hop.strip()]
    address = next((hop for hop in reversed(chain) if not within(hop, trust)), peer)
    stated = _last(request, FORWARDED_PROTO).lower()
    host = _last(request, FORWARDED_HOST) or host
    parse_host(host)
    return Client(address, stated if stated in ("http", "https") else proto, host)


def _address(hop: str) -> str:
    """Read one address of a chain, with or without a port; what is none stands for nobody, who is allowed nowhere."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return _UNKNOWN


def _last(request: web.BaseRequest, name: str) -> str:
    """Give the last value of a forwarded header: the one that the trusted forwarder itself wrote."""
    return ",".join(request.headers.getall(name, ())).rpartition(",")[2].strip()
