"""A leg with nothing behind it, and raw connections to it."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from structlog.typing import EventDict
from yarl import URL

from bridge.config import LegConfig, LimitsConfig, Listen
from bridge.legs.answers import Kind
from bridge.legs.door import Door
from bridge.legs.listener import bounds, listen
from bridge.legs.middleware import Entrance, client_of, name_answer, shared
from bridge.transport.memory import Memory
from bridge.transport.relay import read_request
from bridge.watch.metrics import Metrics

__all__ = ["HEAD", "Dial", "Leg", "StartLeg", "dial", "requests", "start_leg"]

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
HEAD = b"GET / HTTP/1.1\r\nHost: a.test\r\n"


@dataclass
class Leg:
    """A running leg, and what holds its handlers up."""

    port: int
    metrics: Metrics
    door: Door
    memory: Memory
    gate: asyncio.Event
    handling: asyncio.Semaphore

    def refused(self, reason: str) -> float:
        leg = self.door.leg
        return (
            self.metrics.registry.get_sample_value("bridge_requests_refused_total", {"leg": leg, "reason": reason})
            or 0.0
        )


StartLeg = Callable[..., Awaitable[Leg]]


@pytest.fixture
async def start_leg() -> AsyncIterator[StartLeg]:
    async with AsyncExitStack() as stack:

        async def started(
            *, kind: Kind = Kind.PAGE, leg: str = "browser", trust: bool = False, surplus: int = 50, **limits: Any
        ) -> Leg:
            config = LimitsConfig(**limits)
            metrics, memory = Metrics(), Memory(config.memory)
            trusted = (LOOPBACK,) if trust else ()
            bound = bounds(config, connections=10_000, people=leg == "browser")
            bound = dataclasses.replace(bound, surplus=surplus)
            door = Door(leg, kind, True if kind is Kind.PAGE else 1, trusted, bound, metrics)
            gate, handling = asyncio.Event(), asyncio.Semaphore(0)

            async def small(request: web.Request) -> web.Response:
                return web.Response(text=client_of(request).address)

            async def slow(_request: web.Request) -> web.Response:
                handling.release()
                await gate.wait()
                return web.Response(text="slow")

            async def endless(request: web.Request) -> web.StreamResponse:
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(bytes(65536))

            async def page(_request: web.Request) -> web.Response:
                return web.Response(body=bytes(6 << 20))

            async def whole(request: web.Request) -> web.Response:
                body = await read_request(request, 1 << 20)
                handling.release()
                await gate.wait()
                return web.Response(text=str(len(body)))

            entrance = Entrance(leg, kind, door.error, (), trusted, metrics, door, memory, config.idle)
            app = web.Application(middlewares=shared(entrance))
            app.on_response_prepare.append(name_answer)
            app.add_routes([web.get("/", small), web.get("/slow", slow), web.get("/endless", endless)])
            app.router.add_get("/page", page)
            app.add_routes([web.post("/whole", whole)])
            where = LegConfig(listen=Listen("127.0.0.1", 0), url=URL("http://a.test"))
            server = await listen(stack, app, door, where, limits=config, tls=None, grace=0.1)
            stack.callback(gate.set)
            return Leg(server.port, metrics, door, memory, gate, handling)

        yield started


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer, self.body = reader, writer, b""

    @classmethod
    async def of(cls, leg: Leg, *, address: str | None = None) -> Client:
        local = (address, 0) if address else None
        return cls(*await asyncio.open_connection("127.0.0.1", leg.port, local_addr=local))

    async def ask(self, path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> tuple[int, str]:
        self.send(path, *headers, method=method, body=body)
        return await self.answer()

    def send(self, path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: a.test", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self) -> tuple[int, str]:
        """Read one answer; 0 for a connection that ends without."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        length = head.partition("Content-Length: ")[2].split()
        self.body = await self.reader.readexactly(int(length[0])) if length else b""
        return int(head.split()[1]), head

    async def ended(self) -> bytes:
        """Wait for the end, and give what came before, even where a reset is the end."""
        got = b""
        with suppress(ConnectionError):
            while chunk := await self.reader.read(65536):
                got += chunk
        return got

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@pytest.fixture
async def dial() -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    clients: list[Client] = []

    async def dialled(leg: Leg, **options: Any) -> Client:
        clients.append(await Client.of(leg, **options))
        return clients[-1]

    yield dialled
    for client in clients:
        await client.close()


Dial = Callable[..., Awaitable[Client]]


def requests(lines: list[EventDict]) -> list[EventDict]:
    return [line for line in lines if line["event"] == "request"]
