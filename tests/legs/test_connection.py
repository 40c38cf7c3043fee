"""One connection: how slow its client may be, and what is said to what isn't HTTP: over raw sockets."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from structlog.testing import capture_logs

from bridge.legs.answers import Kind
from tests.legs.doors import HEAD, Dial, StartLeg, requests

# Heads


async def test_a_head_that_is_never_whole_is_ended(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.2)
    client = await dial(leg)
    client.writer.write(HEAD)
    with capture_logs() as lines:
        answer = await client.ended()
    assert answer.startswith(b"HTTP/1.1 408 ")
    (line,) = requests(lines)
    assert (line["outcome"], line["client"], line["leg"]) == ("head-too-slow", "127.0.0.1", "browser")
    assert f"X-Request-Id: {line['request_id']}".encode() in answer
    assert leg.refused("head-too-slow") == 1


async def test_trickling_does_not_prolong_a_heads_time(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.3)
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


async def test_a_second_head_has_its_time_as_well(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.3)
    client = await dial(leg)
    assert (await client.ask())[0] == 200
    client.writer.write(HEAD)
    assert b" 408 " in await client.ended()


async def test_a_connection_that_says_nothing_is_closed_without_a_word(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.1)
    with capture_logs() as lines:
        assert await (await dial(leg)).ended() == b""
    assert requests(lines) == []


async def test_a_connection_between_requests_stays_for_its_own_time(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.3, keep_alive=0.9)
    client = await dial(leg)
    assert (await client.ask())[0] == 200
    await asyncio.sleep(0.4)
    assert (await client.ask())[0] == 200
    assert await client.ended() == b""


async def test_a_slow_answer_is_not_a_slow_head(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(head=0.3)
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
async def test_too_large_a_head_is_a_431(start_leg: StartLeg, dial: Dial, lines: bytes) -> None:
    leg = await start_leg(header=1024)
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


async def test_a_large_body_after_its_head_is_no_large_head(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(header=1024)
    client = await dial(leg)
    leg.gate.set()
    assert (await client.ask("/whole", method="POST", body=bytes(500_000)))[0] == 200
    assert client.body == b"500000"
    # What nobody reads of a refused one isn't a head either.
    assert (await client.ask("/nothing", method="POST", body=bytes(500_000)))[0] == 404


# Slow clients


async def test_who_takes_nothing_of_an_answer_is_cut(start_leg: StartLeg) -> None:
    leg = await start_leg(idle=0.2)
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


async def test_who_leaves_an_answer_untaken_makes_room(start_leg: StartLeg, dial: Dial) -> None:
    """What the library has handed to its transport is answered, and may still wait for ever."""
    leg = await start_leg(connections=1, idle=0.3)
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


async def test_who_takes_an_answer_slowly_is_not_cut(start_leg: StartLeg) -> None:
    leg = await start_leg(idle=0.8)
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


async def test_a_body_that_stops_coming_is_said(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(idle=0.1)
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
async def test_what_is_no_http_has_an_answer_an_id_and_one_line(start_leg: StartLeg, dial: Dial, sent: bytes) -> None:
    leg = await start_leg()
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


async def test_what_is_no_http_gets_no_body_where_it_could_become_a_document(start_leg: StartLeg, dial: Dial) -> None:
    leg = await start_leg(leg="humhub", kind=Kind.MESSAGE)
    client = await dial(leg)
    client.writer.write(b"GET /\x00 HTTP/1.1\r\nHost: a.test\r\n\r\n")
    head, _, body = (await client.ended()).partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"400", b"")
    admin = await start_leg(leg="admin", kind=Kind.MESSAGE)
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
async def test_http_1_0_is_answered_and_closed(start_leg: StartLeg, dial: Dial, head: bytes, status: bytes) -> None:
    client = await dial(await start_leg())
    client.writer.write(head)
    answer = await client.ended()
    assert answer.split()[1] == status
    assert b"chunked" not in answer.lower()
