"""nginx, Caddy and HAProxy of this machine, run with the very files that `deploy/fronts` ships."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.networks.certificates import Authority, Pair
from tests.ports import fresh_port

__all__ = ["FRONTS", "NAME", "Front", "Named", "front", "needs"]

SHIPPED = Path(__file__).parents[2] / "deploy" / "fronts"
# What the shipped name is replaced by: one that every machine knows for its own.
_SHIPPED_NAME, NAME = "office.example.com", "localhost"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_REQUIRED = ("BRIDGE_REQUIRE_SOFTWARE", "BRIDGE_REQUIRE_BROWSER")


@dataclass(frozen=True)
class Front:
    """A running front: its two ports, and the authority of its certificate."""

    plain: int
    port: int
    authority: Authority

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"


@dataclass(frozen=True)
class _Kind:
    """How a front is run: what is replaced in its shipped file, what stands around that, and the commands."""

    file: str
    replaced: Callable[[int, int, int, Pair], dict[str, str]]
    around: Callable[[Path, Path, int, int], str | None]
    check: tuple[str, ...]
    serve: tuple[str, ...]


def _nginx(bridge: int, plain: int, port: int, pair: Pair) -> dict[str, str]:
    return {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": f"listen [::1]:{plain};",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "listen [::]:443 ssl": f"listen [::1]:{port} ssl",
        "server 127.0.0.1:8080;": f"server 127.0.0.1:{bridge};",
        "/etc/ssl/office.example.com/fullchain.pem": str(pair.cert),
        "/etc/ssl/office.example.com/privkey.pem": str(pair.key),
    }


def _around_nginx(site: Path, directory: Path, _plain: int, _port: int) -> str:
    temporary = "\n".join(
        f"    {name}_temp_path {directory}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {directory}/nginx.pid;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{temporary}\n    include {site};\n}}\n"
    )


def _caddy(bridge: int, _plain: int, _port: int, pair: Pair) -> dict[str, str]:
    return {
        "reverse_proxy 127.0.0.1:8080": f"reverse_proxy 127.0.0.1:{bridge}",
        "/etc/ssl/office.example.com/fullchain.pem": str(pair.cert),
        "/etc/ssl/office.example.com/privkey.pem": str(pair.key),
    }


def _around_caddy(site: Path, directory: Path, plain: int, port: int) -> str:
    return (
        f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n"
        f"\tstorage file_system {directory}/storage\n}}\nimport {site}\n"
    )


def _haproxy(bridge: int, plain: int, port: int, pair: Pair) -> dict[str, str]:
    return {
        "bind :80\n": f"bind 127.0.0.1:{plain}\n    bind [::1]:{plain}\n",
        "bind :443 ssl": f"bind 127.0.0.1:{port},[::1]:{port} ssl",
        "server bridge 127.0.0.1:8080": f"server bridge 127.0.0.1:{bridge}",
        "/etc/haproxy/certs/office.example.com.pem": str(pair.both),
    }


FRONTS = {
    "nginx": _Kind("nginx.conf", _nginx, _around_nginx, ("-t", "-e", "stderr", "-c"), ("-e", "stderr", "-c")),
    "caddy": _Kind(
        "Caddyfile",
        _caddy,
        _around_caddy,
        ("validate", "--adapter", "caddyfile", "--config"),
        ("run", "--adapter", "caddyfile", "--config"),
    ),
    "haproxy": _Kind("haproxy.cfg", _haproxy, lambda *_: None, ("-c", "-f"), ("-db", "-f")),
}


def needs(name: str) -> Any:
    """Give a test's parameter that is skipped, loudly, where that front isn't there."""
    missing = shutil.which(name, path=_PATH) is None and not any(os.environ.get(one) for one in _REQUIRED)
    reason = f"no {name} here: install it (Debian: apt-get install {name}) to test the bridge behind it"
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=reason))


@contextlib.asynccontextmanager
async def front(name: str, directory: Path, bridge: int, *, plain: int, port: int) -> AsyncIterator[Front]:
    """Run a front before the bridge whose browser leg listens on port ``bridge``."""
    found = shutil.which(name, path=_PATH)
    assert found is not None, f"BRIDGE_REQUIRE_SOFTWARE or BRIDGE_REQUIRE_BROWSER is set, and there is no {name}"
    kind = FRONTS[name]
    authority = Authority(directory / "certificates")
    main = _written(
        kind, directory, kind.replaced(bridge, plain, port, authority.sign("front", f"DNS:{NAME}")), plain, port
    )
    environment = {
        "PATH": _PATH,
        "HOME": str(directory),
        "XDG_DATA_HOME": str(directory),
        "XDG_CONFIG_HOME": str(directory),
    }
    await _run(found, *kind.check, str(main), env=environment)
    with (directory / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            found, *kind.serve, str(main), env=environment, stdout=log, stderr=log
        )
    try:
        for listened in (plain, port):
            await _listening(listened, process, directory / "log")
        yield Front(plain, port, authority)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _written(kind: _Kind, directory: Path, replaced: dict[str, str], plain: int, port: int) -> Path:
    """Write the shipped file with its addresses and certificate replaced, and what has to stand around it."""
    text = (SHIPPED / kind.file).read_text()
    for old, new in {**replaced, _SHIPPED_NAME: NAME}.items():
        assert old in text, f"{kind.file} has no {old!r} any more"
        text = text.replace(old, new)
    site = directory / kind.file
    site.write_text(text)
    around = kind.around(site, directory, plain, port)
    if around is None:
        return site
    main = directory / "main.conf"
    main.write_text(around)
    return main


async def _run(*command: str, env: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, f"the front has ended: see {log}"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


class Named(AbstractResolver):
    """A name service that knows every name, and where it is now; what is asked is counted."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Give the addresses, in their order."""
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self.addresses
        ]

    async def close(self) -> None:
        """Close nothing."""


def browser(running: Front, *, address: str) -> aiohttp.ClientSession:
    """Give a browser at some address, which trusts the front's authority."""
    connector = aiohttp.TCPConnector(ssl=running.authority.trusting(), local_addr=(address, 0))
    return aiohttp.ClientSession(connector=connector)


def ports() -> tuple[int, int]:
    """Give two ports for a front, plain and TLS."""
    return fresh_port(), fresh_port()
