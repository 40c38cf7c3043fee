"""What every leg does with every request, over real sockets."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.legs.answers import Kind, answers_as
from bridge.legs.middleware import Entrance, client_of, name_answer, note, raw_target, shared
from bridge.protocol.errors import BadAnswerError, NoRouteError, OverloadError, TokenError
from bridge.watch.metrics import Metrics

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
Leg = Callable[..., Awaitable[int]]


async def who(request: web.Request) -> web.Response:
    client = client_of(request)
    note(request, site="social", key="k1", absent=None)
    return web.json_response([client.address, client.proto, client.host, raw_target(request)])


async def fail(request: web.Request) -> web.Response:
    errors: dict[str, Exception] = {
        "bug": ZeroDivisionError("secret detail"),
        "token": TokenError("It does not hold.", remedy="Compare.", side="Docs", where="body", why="expired"),
        "site": NoRouteError("The address names no site.", site="whatever-a-client-writes", outcome="x"),
        "upstream": BadAnswerError("Not the file.", upstream="social"),
        "full": OverloadError("Too many."),
    }
    raise errors[request.match_info["how"]]


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"half")
    raise BadAnswerError("cut")


@answers_as(Kind.FILE)
async def file(request: web.Request) -> web.Response:
    raise BadAnswerError("Not the file.")


async def socket(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        await response.send_str(str(message.data))
    return response


class Counted(Metrics):
    """Says when a request has been counted, which is the last that happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = asyncio.Event()

    def request(self, **fields: Any) -> None:
        super().request(**fields)
        self.counted.set()


@pytest.fixture
async def leg() -> AsyncIterator[Leg]:
    runners: list[web.AppRunner] = []

    async def start(*, any_path: bool = True, **entrance: Any) -> int:
        fields = {"leg": "browser", "kind": Kind.PAGE, "error": True, "allow": (), "trust": (), "metrics": Metrics()}
        app = web.Application(middlewares=shared(Entrance(**{**fields, **entrance})))
        app.on_response_prepare.append(name_answer)
        app.add_routes([web.get("/fail/{how}", fail), web.get("/cut", cut), web.get("/file", file)])
        app.router.add_post("/message", who)
        app.add_routes([web.get("/ws", socket)])
        if any_path:
            app.add_routes([web.route("*", "/{path:.*}", who)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        return port

    yield start
    for runner in runners:
        await runner.cleanup()


async def send(
    port: int, target: str, *headers: str, method: str = "GET", host: str | None = "a.test"
) -> tuple[int, bytes, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"{method} {target} HTTP/1.1",
        *([f"Host: {host}"] if host is not None else []),
        *headers,
        "Connection: close",
    ]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    try:
        raw = await reader.read()
    except ConnectionResetError:
        raw = b""
    finally:
        writer.close()
    head, _, body = raw.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body, head.decode("latin-1")


async def test_a_request_is_handed_on_with_its_raw_target(leg: Leg) -> None:
    port = await leg()
    status, body, head = await send(port, "/a%20b/%D0%A2?x=%2f&y=+", host="a.test:8080")
    assert status == 200
    assert json.loads(body) == ["127.0.0.1", "http", "a.test:8080", "/a%20b/%D0%A2?x=%2f&y=+"]
    assert "X-Request-Id: " in head
    assert "Server: " not in head


@pytest.mark.parametrize(
    ("target", "host", "headers"),
    [
        ("http://evil.test/a", "a.test", ()),
        ("*", "a.test", ()),
        ("evil.test:80", "a.test", ()),
        ("/a/../b", "a.test", ()),
        ("/a/%2e%2e/b", "a.test", ()),
        ("//a", "a.test", ()),
        ("/a#b", "a.test", ()),
        ("/", "user@a.test", ()),
        ("/", "a.test evil", ()),
        ("/", "", ()),
        ("/", None, ()),
        ("/", "a.test", ("Host: b.test",)),
        ("/", "a.test:99999", ()),
        ("/", "a/b", ()),
    ],
)
async def test_what_has_two_readings_is_refused(
    leg: Leg, target: str, host: str | None, headers: tuple[str, ...]
) -> None:
    status, body, _ = await send(await leg(), target, *headers, host=host)
    assert status == 400
    assert b"Traceback" not in body


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
async def test_unknown_methods_are_refused(leg: Leg, method: str) -> None:
    status, _, _ = await send(await leg(), "/", method=method)
    assert status in (400, 405)


FORWARDED = (
    "X-Forwarded-For: 10.1.1.1, 192.0.2.7, 127.0.0.9",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: pub.test",
)


async def test_a_clients_forwarded_headers_do_not_count(leg: Leg) -> None:
    _, body, _ = await send(await leg(), "/", *FORWARDED)
    assert json.loads(body)[:3] == ["127.0.0.1", "http", "a.test"]


async def test_a_trusted_forwarder_says_who_the_client_is(leg: Leg) -> None:
    _, body, _ = await send(await leg(trust=(LOOPBACK,)), "/", *FORWARDED)
    assert json.loads(body)[:3] == ["192.0.2.7", "https", "pub.test"]


async def test_of_several_values_the_forwarders_own_counts(leg: Leg) -> None:
    headers = ("X-Forwarded-Host: spoofed.test, pub.test", "X-Forwarded-Proto: http, https")
    _, body, _ = await send(await leg(trust=(LOOPBACK,)), "/", *headers)
    assert json.loads(body)[:3] == ["127.0.0.1", "https", "pub.test"]


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        ("192.0.2.7:5512", "192.0.2.7"),
        ("[2001:DB8::1]:5512", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ('"192.0.2.7"', "192.0.2.7"),
        ("192.0.2.7, , 127.0.0.9:80", "192.0.2.7"),
        ("<script>", "unknown"),
        ("192.0.2.7, nonsense, 127.0.0.9", "unknown"),
        ("", "127.0.0.1"),
    ],
)
async def test_a_chain_of_addresses_is_read_from_its_end(leg: Leg, chain: str, address: str) -> None:
    _, body, _ = await send(await leg(trust=(LOOPBACK,)), "/", f"X-Forwarded-For: {chain}")
    assert json.loads(body)[0] == address


async def test_an_unknown_client_is_allowed_nowhere(leg: Leg) -> None:
    port = await leg(trust=(LOOPBACK,), allow=(ipaddress.ip_network("0.0.0.0/0"),))
    assert (await send(port, "/", "X-Forwarded-For: 192.0.2.7"))[0] == 200
    assert (await send(port, "/", "X-Forwarded-For: nonsense"))[0] == 403


@pytest.mark.parametrize(
    ("proto", "taken"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("http, https", "https"),
        ("https, javascript", "http"),
        ("https\tx", "http"),
        ("", "http"),
        (",", "http"),
    ],
)
async def test_a_forwarded_scheme_is_one_of_two(leg: Leg, proto: str, taken: str) -> None:
    _, body, _ = await send(await leg(trust=(LOOPBACK,)), "/", f"X-Forwarded-Proto: {proto}")
    assert json.loads(body)[1] == taken


async def test_several_lines_of_forwarders_are_one_chain(leg: Leg) -> None:
    headers = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.7, 127.0.0.8", "X-Forwarded-For: 127.0.0.9")
    _, body, _ = await send(await leg(trust=(LOOPBACK,)), "/", *headers)
    assert json.loads(body)[0] == "192.0.2.7"


async def test_the_header_forwarded_never_counts(leg: Leg) -> None:
    given = "Forwarded: for=192.0.2.7;proto=https;host=evil.test"
    for trust in ((), (LOOPBACK,)):
        _, body, _ = await send(await leg(trust=trust), "/", given)
        assert json.loads(body)[:3] == ["127.0.0.1", "http", "a.test"]


async def test_a_forwarded_host_is_validated_too(leg: Leg) -> None:
    status, _, _ = await send(await leg(trust=(LOOPBACK,)), "/", "X-Forwarded-Host: a@b")
    assert status == 400


@pytest.mark.parametrize(("network", "status"), [("127.0.0.0/8", 200), ("192.0.2.0/24", 403), ("::/0", 403)])
async def test_only_allowed_networks_may_call(leg: Leg, network: str, status: int) -> None:
    found, _, _ = await send(await leg(allow=(ipaddress.ip_network(network),)), "/")
    assert found == status


async def test_the_allow_list_is_about_the_client_behind_a_forwarder(leg: Leg) -> None:
    allow = (ipaddress.ip_network("192.0.2.0/24"),)
    assert (await send(await leg(allow=allow, trust=(LOOPBACK,)), "/", "X-Forwarded-For: 192.0.2.7"))[0] == 200
    assert (await send(await leg(allow=allow, trust=(LOOPBACK,)), "/"))[0] == 403


async def test_a_request_id_is_taken_from_a_trusted_forwarder_alone(leg: Leg) -> None:
    given = "X-Request-Id: from-the-front-1"
    assert "from-the-front-1" in (await send(await leg(trust=(LOOPBACK,)), "/", given))[2]
    assert "from-the-front-1" not in (await send(await leg(), "/", given))[2]
    assert "a b" not in (await send(await leg(trust=(LOOPBACK,)), "/", "X-Request-Id: a b c d e f g"))[2]


async def test_browsers_get_a_page_and_scripts_get_json(leg: Leg) -> None:
    port = await leg()
    status, body, head = await send(port, "/fail/upstream", "Accept: text/html")
    assert status == 502
    assert b"<h1>Not available right now</h1>" in body
    assert b"Not the file." in body
    assert "Content-Security-Policy" in head
    status, body, head = await send(port, "/fail/upstream", "X-Requested-With: XMLHttpRequest")
    message = json.loads(body)
    assert message == {"error": True, "message": "Not the file.", "request_id": message["request_id"]}
    assert f"X-Request-Id: {message['request_id']}" in head


async def test_an_error_of_our_own_tells_nothing_of_itself(leg: Leg) -> None:
    with capture_logs() as lines:
        status, body, _ = await send(await leg(), "/fail/bug")
    assert status == 500
    assert b"secret detail" not in body
    assert b"ZeroDivision" not in body
    assert [line["event"] for line in lines] == ["unexpected error", "request"]
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError)


async def test_overload_says_when_to_come_back(leg: Leg) -> None:
    status, _, head = await send(await leg(), "/fail/full")
    assert status == 503
    assert "Retry-After: " in head


async def test_a_file_routes_error_has_an_empty_body(leg: Leg) -> None:
    status, body, _ = await send(await leg(), "/file")
    assert (status, body) == (502, b"")


async def test_a_get_that_no_route_takes_has_an_empty_body_where_files_are_fetched(leg: Leg) -> None:
    port = await leg(any_path=False, kind=Kind.MESSAGE, error=1)
    assert (await send(port, "/prefix/s/social/file/x"))[:2] == (404, b"")
    assert (await send(port, "/a//file/x"))[:2] == (400, b"")
    for method, path, status in (("POST", "/prefix/converter", 404), ("GET", "/message", 405)):
        found, body, _ = await send(port, path, "Content-Length: 0", method=method)
        assert (found, json.loads(body)["error"]) == (status, 1)
    port = await leg(any_path=False)
    status, body, _ = await send(port, "/nothing")
    assert status == 404
    assert b"<h1>Not Found</h1>" in body


async def test_an_expectation_that_is_not_known_has_its_id_and_line(leg: Leg) -> None:
    port = await leg()
    with capture_logs() as lines:
        status, _, head = await send(port, "/", "Expect: nonsense")
    assert status == 417
    assert f"X-Request-Id: {lines[0]['request_id']}" in head


async def test_a_websocket_has_its_id_and_one_line(leg: Leg) -> None:
    metrics = Counted()
    port = await leg(metrics=metrics)
    with capture_logs() as lines:
        async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{port}/ws") as ws:
            await ws.send_str("a")
            assert await ws.receive_str() == "a"
        await metrics.counted.wait()
    (line,) = lines
    assert (line["status"], line["path"], line["log_level"]) == (101, "/ws", "info")
    assert "bridge_request_seconds_count" not in metrics.page().decode()


async def test_what_a_client_writes_never_becomes_a_label(leg: Leg) -> None:
    metrics = Metrics()
    port = await leg(metrics=metrics)
    with capture_logs() as lines:
        await send(port, "/fail/site")
    assert (lines[0]["outcome"], lines[0]["asked_site"]) == ("no-route", "whatever-a-client-writes")
    assert "site" not in lines[0]
    assert "whatever-a-client-writes" not in metrics.page().decode()


async def test_an_error_after_the_head_cuts_the_connection(leg: Leg) -> None:
    with capture_logs() as lines:
        _, body, _ = await send(await leg(), "/cut")
    assert not body.endswith(b"0\r\n\r\n")
    assert lines[-1]["status"] is None
    assert lines[-1]["outcome"] == "bad-answer"


async def test_one_line_a_request_says_what_happened(leg: Leg) -> None:
    metrics = Metrics()
    port = await leg(metrics=metrics)
    with capture_logs() as lines:
        await send(port, "/x?y=1", "X-Requested-With: XMLHttpRequest")
        await send(port, "/fail/token")
    assert len(lines) == 2
    line = lines[0]
    expected = {"leg": "browser", "method": "GET", "path": "/x?y=1", "status": 200, "outcome": "ok", "site": "social"}
    assert {name: line[name] for name in expected} == expected
    assert (line["key"], line["client"], line["log_level"]) == ("k1", "127.0.0.1", "info")
    assert "absent" not in line
    expected = {
        "outcome": "token",
        "why": "expired",
        "side": "Docs",
        "where": "body",
        "remedy": "Compare.",
        "status": 403,
    }
    assert {name: lines[1][name] for name in expected} == expected
    assert lines[1]["log_level"] == "warning"
    page = metrics.page().decode()
    assert 'bridge_requests_total{leg="browser",outcome="ok",site="social"} 1.0' in page
    assert 'bridge_tokens_refused_total{leg="browser",reason="expired"} 1.0' in page
