"""Servers that can't be dialled: what each client hears, and what the line says to do about it."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from yarl import URL

from bridge.app import running
from bridge.config import Config, UpstreamConfig
from tests.failures.asking import ROUTES, ask, exchange
from tests.failures.expected import said, shape_of
from tests.failures.playing import Lines, Played, logged
from tests.legs.fakes import NOW, configuration, with_site
from tests.networks.certificates import Authority

pytestmark = pytest.mark.asyncio(loop_scope="module")

_DIAL: Final = 0.8
# A save told, which is tried again and again, has its own stories.
_ROUTES: Final = tuple(route for route in ROUTES if route != "delivery")

# What is wrong, and what the line says: its outcome and what to do.
DIALLED: Final = {
    "nobody listens": ("unreachable", "Nothing listens there"),
    "no such name": ("unreachable", "The name isn't known here"),
    "nobody answers": ("unreachable", "does a firewall let the bridge through?"),
    "no TLS there": ("unreachable", "write http:// in the upstream's url"),
    "unknown authority": ("unreachable", "name that authority in the upstream's ca"),
    "another's certificate": ("unreachable", "Its certificate is for another name"),
    "expired certificate": ("unreachable", "renew it there"),
    "TLS there": ("cut", "does it want https"),
}


@contextmanager
def full() -> Iterator[int]:
    """Listen, and take nobody any more."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


@contextmanager
def nobody() -> Iterator[int]:
    """Give a port that is taken, and on which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


@asynccontextmanager
async def speaking(tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    """Listen, by TLS or not, and say nothing that is HTTP."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if tls is None:
            writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


def reaching(config: Config, upstream: UpstreamConfig) -> Config:
    nodes = tuple(dataclasses.replace(node, upstream=upstream) for node in config.docs.nodes)
    return dataclasses.replace(with_site(upstream=upstream)(config), docs=dataclasses.replace(config.docs, nodes=nodes))


@asynccontextmanager
async def upstreams(directory: Path) -> AsyncIterator[dict[str, UpstreamConfig]]:
    """Give the address of each server that can't be dialled."""
    ours = await asyncio.to_thread(Authority, directory / "ours")
    theirs = await asyncio.to_thread(Authority, directory / "theirs")
    good = await asyncio.to_thread(theirs.sign, "good", "IP:127.0.0.1")
    other = await asyncio.to_thread(ours.sign, "other", "DNS:other.test")
    old = await asyncio.to_thread(ours.sign, "old", "IP:127.0.0.1", expired=True)

    def at(port: int, scheme: str = "http") -> UpstreamConfig:
        ca = ours.ca if scheme == "https" else None
        return UpstreamConfig(url=URL(f"{scheme}://127.0.0.1:{port}"), ca=ca, connect=_DIAL, connections=1000)

    with full() as busy, nobody() as closed:
        async with (
            speaking(None) as plain,
            speaking(good.serving()) as unknown,
            speaking(other.serving()) as another,
            speaking(old.serving()) as expired,
        ):
            yield {
                "nobody listens": at(closed),
                "no such name": dataclasses.replace(at(1), url=URL("http://humhub.invalid:80")),
                "nobody answers": at(busy),
                "no TLS there": at(plain, "https"),
                "unknown authority": at(unknown, "https"),
                "another's certificate": at(another, "https"),
                "expired certificate": at(expired, "https"),
                "TLS there": at(unknown),
            }


async def played(log: Lines, config: Config, how: str) -> dict[tuple[str, str], Played]:
    """Ask on every route for what only a server could give that isn't there."""
    found: dict[tuple[str, str], Played] = {}
    async with running(config, clock=lambda: NOW):

        async def play(route: str) -> None:
            name = exchange(route, how.replace(" ", "-").replace("'", ""))
            request = ROUTES[route](name)
            got = await ask(getattr(config.legs, request.leg).listen.port, request)
            await asyncio.sleep(0.02)
            found[how, route] = Played(got, log.of(name, got.headers.get("x-request-id")), [])

        await asyncio.gather(*map(play, _ROUTES))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[tuple[str, str], Played]]:
    directory = tmp_path_factory.mktemp("dialling")
    async with logged() as log, upstreams(directory) as addresses:
        configs = {
            how: reaching(configuration(directory / how, "http://x", "http://x"), upstream)
            for how, upstream in addresses.items()
        }
        found = await asyncio.gather(*(played(log, config, how) for how, config in configs.items()))
        assert log.foreign == [], "a library has something to add, such as a traceback"
        yield {name: it for part in found for name, it in part.items()}


def cell(route: str, outcome: str) -> str:
    own = {"save": "not-kept", "news": "noted", "health": "sick"}.get(route, outcome)
    if route in ("save", "news", "health", "convert", "convert-xml", "command"):
        return f"200 {own}"
    return f"502, cut: {outcome}" if route == "converted" else f"502 {outcome}"


@pytest.mark.parametrize("how", DIALLED)
async def test_who_can_not_be_dialled_is_a_plain_answer_at_once(
    everything: dict[tuple[str, str], Played], how: str
) -> None:
    outcome, _ = DIALLED[how]
    assert {route: everything[how, route].cell for route in _ROUTES} == {
        route: cell(route, outcome) for route in _ROUTES
    }
    for route in _ROUTES:
        if route != "converted":
            assert shape_of(route, everything[how, route].got) == said(route, cell(route, outcome)), route


@pytest.mark.parametrize("how", DIALLED)
async def test_one_line_says_what_to_do(everything: dict[tuple[str, str], Played], how: str) -> None:
    _, remedy = DIALLED[how]
    for route in _ROUTES:
        line = everything[how, route].line
        assert line["log_level"] == "warning", route
        assert line["upstream"] in ("social", "docs-1"), route
        assert line["why"], route
        assert line["what"], route
        if route != "health":
            assert remedy in line["remedy"], route
