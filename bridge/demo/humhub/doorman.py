"""The network that a server lives in: connections from elsewhere are aborted before a byte is read or sent."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable


class Doorman(asyncio.Protocol):
    """Looks at where a connection comes from, then steps aside for the HTTP protocol."""

    def __init__(self, admits: Callable[[str], bool], protocol: Callable[[], asyncio.Protocol]) -> None:
        self._admits = admits
        self._protocol = protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a stream server has stream transports only
        peer = transport.get_extra_info("peername")
        if not self._admits(str(peer[0])):
            transport.abort()
            return
        protocol = self._protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)


def within(address: str, networks: tuple[str, ...] | None) -> bool:
    return networks is None or any(
        ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks
    )
