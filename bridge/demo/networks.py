"""The demo's three networks, on this machine's loopback: who lives in which, and where the bridge has a leg in it.

On Linux all of 127.0.0.0/8 is this machine, so each network is a part of it. Every party listens and calls with an
address of its own network, and the stand-ins accept connections from nowhere else. The browsers' network is the one
that a real browser on this machine calls from.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import itertools
import os
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass

# Below the range from which Linux takes the ports of outgoing calls: none of those gets into a listener's way.
_PORTS = range(20_000, 30_000)
_TRIES = 200
_SHARES = 8


@dataclass(frozen=True, slots=True)
class Network:
    """One network: its CIDR, the address of who lives there, and the bridge's."""

    name: str
    cidr: str
    resident: str
    bridge: str

    @property
    def residents(self) -> tuple[str, ...]:
        """Give the addresses of several who live there, the resident's first; none is the bridge's."""
        root = self.cidr.rpartition(".")[0]
        return (self.resident, *(f"{root}.{number}" for number in (3, 4)))

    @property
    def block(self) -> ipaddress.IPv4Network:
        return ipaddress.IPv4Network(self.cidr)


BROWSERS = Network("browsers", "127.0.0.0/24", "127.0.0.1", "127.0.0.1")
HUMHUB = Network("HumHub", "127.0.20.0/24", "127.0.20.1", "127.0.20.2")
DOCS = Network("ONLYOFFICE Docs", "127.0.30.0/24", "127.0.30.1", "127.0.30.2")
NETWORKS = (BROWSERS, HUMHUB, DOCS)


class NoNetworkError(Exception):
    """This machine lacks addresses that the demo needs; `missing` names them."""

    def __init__(self, missing: list[str]) -> None:
        aliases = " && ".join(f"sudo ifconfig lo0 alias {address}" for address in missing)
        super().__init__(
            f"This machine's loopback has no {', '.join(missing)}. Linux has all of 127.0.0.0/8; on macOS and BSD add "
            f"them first: {aliases}"
        )
        self.missing = missing


def check_addresses() -> None:
    """See that all addresses of the three networks are this machine's; raise NoNetworkError."""
    addresses = dict.fromkeys(address for network in NETWORKS for address in (network.resident, network.bridge))
    missing = [address for address in addresses if not _is_ours(address)]
    if missing:
        raise NoNetworkError(missing)


def is_free(host: str, port: int) -> bool:
    """Say whether one could listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


@functools.cache
def _next_ports(process: int) -> Iterator[int]:
    mine = list(_PORTS[process % _SHARES :: _SHARES])
    random.shuffle(mine)
    return itertools.cycle(mine)


def free_port(host: str) -> int:
    """Return a port on which nobody listens; it stays free of outgoing calls, so a listener may come back to it.

    None is given that somebody else may be about to listen on: each is given once, until all were, and processes that
    run side by side choose from different ones.
    """
    for port in itertools.islice(_next_ports(os.getpid()), _TRIES):
        if is_free(host, port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port at {host}")


def next_free_port(host: str, first: int, tries: int = 20) -> int:
    """Return `first` or the next port after it that is free."""
    for port in range(first, min(first + tries, 65_536)):
        if is_free(host, port):
            return port
    raise OSError(errno.EADDRINUSE, f"no free port at {host} between {first} and {first + tries - 1}")


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
