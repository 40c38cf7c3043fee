"""The addresses of bridge.yaml: URLs, listening addresses, networks and host names."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from yarl import URL

from bridge.config.scalars import read_text, refuse
from bridge.protocol.errors import BadRequestError
from bridge.protocol.headers import parse_host

__all__ = [
    "Listen",
    "Network",
    "parse_host_name",
    "parse_listen",
    "parse_network",
    "parse_source_address",
    "parse_url",
]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a leg listens; ``host`` has no brackets, and port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Say whether only this machine can call it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def everywhere(self) -> bool:
        """Say whether it listens on every address of the machine."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    def clashes(self, other: Listen) -> bool:
        """Say whether both can't be open at once."""
        if self.port == 0 or self.port != other.port:
            return False
        return self.host == other.host or self.everywhere or other.everywhere


def parse_url(value: Any) -> URL:
    """Read an absolute http(s) address without query; a trailing slash goes."""
    text = read_text(value, "an address", '"http://humhub.web.lan"')
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        refuse(f"{text} is no address: {error}", 'Write scheme, host and port, such as "http://humhub.web.lan:8080".')
    if url.scheme not in ("http", "https") or not host:
        refuse(f"{text} is no http address", f'Write it with its scheme, such as "http://{text.rpartition("//")[2]}".')
    if not port:
        refuse(f"{text} has no usable port", f"Write a port between 1 and {_LAST_PORT}, or none.")
    if url.user is not None or url.password is not None:
        refuse("the address holds a user name or password", "Leave them out: the bridge doesn't send them.")
    if url.query_string or url.fragment or text.endswith(("?", "#")):
        refuse(f"{text} has a query or fragment", f'Write only "{url.with_query(None).with_fragment(None)}".')
    return url.with_path(url.raw_path.rstrip("/"), encoded=True)


def parse_listen(value: Any) -> Listen:
    """Read ``host:port``; an IPv6 address stands in brackets."""
    example = '"127.0.0.1:8080" or "[::1]:8080"'
    text = read_text(value, "an address to listen on", example)
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _LAST_PORT:
        refuse(f"{text} has no port", f"Write host and port, such as {example}.")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host.startswith("[") and host.endswith("]")
    if ":" in bare and not bracketed:
        refuse(f"{text} is ambiguous", f'Put the IPv6 address in brackets: "[{host}]:{port}".')
    if not _is_host(f"[{bare}]" if bracketed else bare):
        refuse(f"{text} is no address of this machine", f"Write one such as {example}.")
    return Listen(bare.lower(), int(port))


def _is_host(text: str) -> bool:
    try:
        return parse_host(text)[1] is None
    except BadRequestError:
        return False


def parse_network(value: Any) -> Network:
    """Read an address or a network in CIDR notation."""
    text = read_text(value, "a network", '"10.0.0.0/8"')
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        refuse(f"{text} is no network", 'Write one in CIDR notation, such as "10.0.0.0/8" or "192.0.2.7".')
    address = text.partition("/")[0]
    if ipaddress.ip_address(address) != network.network_address:
        remedy = f'Write the network "{network}", or the address "{address}" alone.'
        refuse(f"{text} is an address inside a network", remedy)
    return network


def parse_source_address(value: Any) -> str:
    """Read the local address to call from."""
    text = read_text(value, "an address", '"10.0.1.1"')
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        refuse(f"{text} is no IP address", 'Write one of this machine\'s addresses, such as "10.0.1.1".')


def parse_host_name(value: Any) -> str:
    """Read what browsers call a site: a host, with its port where that is not the scheme's own."""
    text = read_text(value, "a host name", '"social.example.com"')
    if "/" in text:
        host = text.rpartition("://")[2].partition("/")[0]
        refuse(f"{text} is an address, not a host name", f'Write only "{host}".')
    try:
        host, port = parse_host(text if text.isascii() else URL(f"http://{text}").raw_authority)
    except (BadRequestError, ValueError):
        refuse(f"{text} is no host name", 'Write what browsers show, such as "social.example.com".')
    return host if port is None else f"{host}:{port}"
