"""Who may be in at once, how slow a client may be, and what is said to what isn't HTTP: over raw sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs
from structlog.typing import EventDict
from yarl import URL

from bridge.config import LegConfig, LimitsConfig, Listen
from bridge.legs.answers import Kind
from bridge.legs.door import Door
from bridge.legs.listener import bounds, listen
from bridge.legs.middleware import Entrance, client_of, name_answer, shared
from bridge.protocol.errors import StorageError
from bridge.transport.memory import Memory
from bridge.transport.relay import read_request
from bridge.watch.metrics import Metrics

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


Start = Callable[..., Awaitable[Leg]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
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


# How many may be in


async def test_a_leg_that_the_system_gives_no_socket_does_not_say_that_it_listens() -> None:
    config = LimitsConfig()
    door = Door("docs", Kind.MESSAGE, 1, (), bounds(config, connections=100, people=False), Metrics())
    where = LegConfig(listen=Listen("127.0.0.1", 0), url=URL("http://a.test"))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # what is open stays, and nothing new can be
        try:
            with capture_logs() as lines, pytest.raises(StorageError, match="gives it no socket of that kind"):
                await listen(stack, web.Application(), door, where, limits=config, tls=None, grace=0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not lines


async def test_who_is_over_the_limit_is_told_when_to_come_back(start: Start, dial: Dial) -> None:
    leg = await start(connections=2)
    first, second = await dial(leg), await dial(leg)
    for client in (first, second):
        client.send("/slow")
        await leg.handling.acquire()
    third = await dial(leg)
    with capture_logs() as lines:
        status, head = await third.ask("/")
    assert status == 503
    assert "Retry-After: " in head
    assert "Connection: close" in head
    (line,) = requests(lines)
    assert (line["outcome"], line["over"], line["limit"]) == ("overload", "connections", 2)
    assert "limits.connections" in line["remedy"]
    assert leg.refused("connections") == 1
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert (await second.answer())[0] == 200


async def test_a_leg_recovers_from_overload(start: Start, dial: Dial) -> None:
    leg = await start(connections=1)
    first = await dial(leg)
    first.send("/slow")
    await leg.handling.acquire()
    assert (await (await dial(leg)).ask("/"))[0] == 503
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert (await (await dial(leg)).ask("/"))[0] == 200


async def test_a_connection_that_rests_makes_room(start: Start, dial: Dial) -> None:
    leg = await start(connections=2)
    oldest, newer = await dial(leg), await dial(leg)
    assert (await oldest.ask())[0] == 200
    assert (await newer.ask())[0] == 200
    assert (await (await dial(leg)).ask())[0] == 200
    assert await oldest.ended() == b""
    assert (await newer.ask())[0] == 200
    assert leg.refused("rested") == 1


async def test_far_over_the_limit_connections_are_closed_unread(start: Start, dial: Dial) -> None:
    leg = await start(connections=1, surplus=10)
    first = await dial(leg)
    first.send("/slow")
    await leg.handling.acquire()
    surplus = [await dial(leg) for _ in range(30)]
    for client in surplus:
        client.send("/slow")
    answers = [await client.answer() for client in surplus]
    told = [status for status, _ in answers if status]
    assert set(told) == {503}
    assert 10 <= len(told) < 30
    assert leg.refused("dropped") == 30 - len(told)
    leg.gate.set()
    assert (await first.answer())[0] == 200


async def test_one_address_does_not_take_all(start: Start, dial: Dial) -> None:
    leg = await start(client_connections=1)
    greedy = await dial(leg)
    greedy.send("/slow")
    await leg.handling.acquire()
    with capture_logs() as lines:
        assert (await (await dial(leg)).ask())[0] == 503
    assert "trust_forwarded_from" in requests(lines)[0]["remedy"]
    assert (await (await dial(leg, address="127.0.0.9")).ask())[0] == 200
    assert leg.refused("client") == 1


async def test_behind_a_trusted_front_the_forwarded_client_is_counted(start: Start, dial: Dial) -> None:
    leg = await start(client_connections=1, trust=True)
    front = await dial(leg)
    front.send("/slow", "X-Forwarded-For: 192.0.2.7")
    await leg.handling.acquire()
    same, other = await dial(leg), await dial(leg)
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.7"))[0] == 503
    assert (await other.ask("/", "X-Forwarded-For: 192.0.2.8"))[0] == 200
    # The front's own connection carries others and stays.
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.8"))[0] == 200
    leg.gate.set()
    assert (await front.answer())[0] == 200
    assert (await same.ask("/", "X-Forwarded-For: 192.0.2.7"))[0] == 200


async def test_where_clients_are_servers_an_address_may_take_all(start: Start, dial: Dial) -> None:
    leg = await start(client_connections=1, leg="docs", kind=Kind.MESSAGE)
    clients = [await dial(leg) for _ in range(5)]
    for client in clients:
        client.send("/slow")
        await leg.handling.acquire()
    leg.gate.set()
    assert [(await client.answer())[0] for client in clients] == [200] * 5


async def test_who_has_left_is_not_counted(start: Start, dial: Dial) -> None:
    leg = await start(connections=1, client_connections=1)
    for _ in range(3):
        client = await dial(leg)
        client.send("/slow")
        await leg.handling.acquire()
        await client.close()
        async with asyncio.timeout(5):
            while len(leg.door):  # noqa: ASYNC110 - a door tells nobody
                await asyncio.sleep(0.01)
    assert leg.door.clients == {}
    assert leg.metrics.registry.get_sample_value("bridge_requests_refused_total") is None


# Memory


async def test_what_is_read_whole_has_a_bound_for_all_together(start: Start, dial: Dial) -> None:
    leg = await start(memory=100_000)
    first = await dial(leg)
    first.send("/whole", method="POST", body=bytes(60_000))
    await leg.handling.acquire()
    with capture_logs() as lines:
        status, head = await (await dial(leg)).ask("/whole", method="POST", body=bytes(60_000))
    assert (status, "Retry-After: " in head) == (503, True)
    assert (requests(lines)[0]["over"], leg.refused("memory")) == ("memory", 1)
    leg.gate.set()
    assert (await first.answer())[0] == 200
    assert leg.memory.held == 0
    assert (await (await dial(leg)).ask("/whole", method="POST", body=bytes(60_000)))[0] == 200


# Heads


async def test_a_head_that_is_never_whole_is_ended(start: Start, dial: Dial) -> None:
    leg = await start(head=0.2)
    client = await dial(leg)
    client.writer.write(HEAD)
    with capture_logs() as lines:
        answer = await client.ended()
    assert answer.startswith(b"HTTP/1.1 408 ")
    (line,) = requests(lines)
    assert (line["outcome"], line["client"], line["leg"]) == ("head-too-slow", "127.0.0.1", "browser")
    assert f"X-Request-Id: {line['request_id']}".encode() in answer
    assert leg.refused("head-too-slow") == 1


async def test_trickling_does_not_prolong_a_heads_time(start: Start, dial: Dial) -> None:
    leg = await start(head=0.3)
    client = await dial(leg)
    client.writer.write(HEAD)

    async def trickle() -> None:
        while True:
            client.writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(5):
        assert b" 408 " in await client.ended()
    trickling.cancel()


async def test_a_second_head_has_its_time_as_well(start: Start, dial: Dial) -> None:
    leg = await start(head=0.3)
    client = await dial(leg)
    assert (await client.ask())[0] == 200
    client.writer.write(HEAD)
    assert b" 408 " in await client.ended()


async def test_a_connection_that_says_nothing_is_closed_without_a_word(start: Start, dial: Dial) -> None:
    leg = await start(head=0.1)
    with capture_logs() as lines:
        assert await (await dial(leg)).ended() == b""
    assert requests(lines) == []


async def test_a_connection_between_requests_stays_for_its_own_time(start: Start, dial: Dial) -> None:
    leg = await start(head=0.3, keep_alive=0.9)
    client = await dial(leg)
    assert (await client.ask())[0] == 200
    await asyncio.sleep(0.4)
    assert (await client.ask())[0] == 200
    assert await client.ended() == b""


async def test_a_slow_answer_is_not_a_slow_head(start: Start, dial: Dial) -> None:
    leg = await start(head=0.3)
    client = await dial(leg)
    client.send("/slow")
    await leg.handling.acquire()
    await asyncio.sleep(0.4)
    leg.gate.set()
    assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    "lines",
    [b"X-Long: " + b"y" * 5000 + b"\r\n", b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900) for n in range(90))],
    ids=["one header", "all headers"],
)
async def test_too_large_a_head_is_a_431(start: Start, dial: Dial, lines: bytes) -> None:
    leg = await start(header=1024)
    client = await dial(leg)
    with capture_logs() as logged:
        ended = asyncio.create_task(client.ended())
        client.writer.write(HEAD)
        for at in range(0, len(lines), 2000):
            client.writer.write(lines[at : at + 2000])
            await asyncio.sleep(0.005)
        answer = await ended
    assert answer.split()[1] == b"431"
    (line,) = requests(logged)
    assert (line["status"], line["outcome"]) == (431, "head-too-large")
    assert leg.refused("head-too-large") == 1


async def test_a_large_body_after_its_head_is_no_large_head(start: Start, dial: Dial) -> None:
    leg = await start(header=1024)
    client = await dial(leg)
    leg.gate.set()
    assert (await client.ask("/whole", method="POST", body=bytes(500_000)))[0] == 200
    assert client.body == b"500000"
    # What nobody reads of a refused one isn't a head either.
    assert (await client.ask("/nothing", method="POST", body=bytes(500_000)))[0] == 404


# Slow clients


async def test_who_takes_nothing_of_an_answer_is_cut(start: Start) -> None:
    leg = await start(idle=0.2)
    loop = asyncio.get_running_loop()
    with socket.socket() as client, capture_logs() as lines:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", leg.port))
        await loop.sock_sendall(client, b"GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n")
        async with asyncio.timeout(10):
            while not requests(lines):  # noqa: ASYNC110 - nor does a log
                await asyncio.sleep(0.02)
    (line,) = requests(lines)
    assert (line["outcome"], line["why"]) == ("client-left", "the client took nothing for 0.2 s")
    assert leg.refused("answer-not-taken") == 1


async def test_who_leaves_an_answer_untaken_makes_room(start: Start, dial: Dial) -> None:
    """What the library has handed to its transport is answered, and may still wait for ever."""
    leg = await start(connections=1, idle=0.3)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", leg.port))
        await loop.sock_sendall(client, b"GET /page HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(10):
            while not leg.refused("answer-not-taken"):  # noqa: ASYNC110 - a door tells nobody
                await asyncio.sleep(0.02)
        assert (await (await dial(leg)).ask())[0] == 200


async def test_who_takes_an_answer_slowly_is_not_cut(start: Start) -> None:
    leg = await start(idle=0.8)
    loop = asyncio.get_running_loop()
    taken = 0
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(client, ("127.0.0.1", leg.port))
        await loop.sock_sendall(client, b"GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n")
        for _ in range(12):
            await asyncio.sleep(0.1)
            taken += len(await loop.sock_recv(client, 4096))
        assert len(leg.door) == 1
    assert taken > 0


async def test_a_body_that_stops_coming_is_said(start: Start, dial: Dial) -> None:
    leg = await start(idle=0.1)
    client = await dial(leg)
    client.writer.write(b"POST /whole HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nhalf")
    with capture_logs() as lines:
        assert (await client.answer())[0] == 400
    assert requests(lines)[0]["why"] == "The request's body stopped coming."


# What isn't HTTP


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.test\r\nX Y: z\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a.test\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    ],
)
async def test_what_is_no_http_has_an_answer_an_id_and_one_line(start: Start, dial: Dial, sent: bytes) -> None:
    leg = await start()
    client = await dial(leg)
    with capture_logs() as lines:
        client.writer.write(sent)
        answer = (await client.ended()).decode()
    assert answer.startswith(("HTTP/1.1 400 ", "HTTP/1.0 400 "))
    (line,) = lines
    assert (line["outcome"], line["status"], line["log_level"]) == ("malformed", 400, "warning")
    assert f"X-Request-Id: {line['request_id']}" in answer
    assert "<h1>Bad Request</h1>" in answer
    assert "aiohttp" not in answer
    assert "Python" not in answer
    assert leg.refused("malformed") == 1


async def test_what_is_no_http_gets_no_body_where_it_could_become_a_document(start: Start, dial: Dial) -> None:
    leg = await start(leg="humhub", kind=Kind.MESSAGE)
    client = await dial(leg)
    client.writer.write(b"GET /\x00 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    head, _, body = (await client.ended()).partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"400", b"")
    admin = await start(leg="admin", kind=Kind.MESSAGE)
    client = await dial(admin)
    client.writer.write(b"nonsense\r\n\r\n")
    _, _, body = (await client.ended()).partition(b"\r\n\r\n")
    assert json.loads(body)["error"] == 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n", b"200"),
        (b"GET / HTTP/1.0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\nHost: [::1]:8080\r\n\r\n", b"200"),
    ],
)
async def test_http_1_0_is_answered_and_closed(start: Start, dial: Dial, head: bytes, status: bytes) -> None:
    client = await dial(await start())
    client.writer.write(head)
    answer = await client.ended()
    assert answer.split()[1] == status
    assert b"chunked" not in answer.lower()
