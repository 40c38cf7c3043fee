"""TLS on every leg and to every upstream: who is let in, who is believed, and what is said where it fails."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from structlog.testing import capture_logs
from yarl import URL

from bridge.app import running
from bridge.config import ClientCertConfig, Config, Listen, TlsConfig, UpstreamConfig
from bridge.protocol.errors import BridgeError, UnreachableError
from bridge.transport.tls import Certificates
from bridge.transport.upstream import Timeouts, Upstream
from tests.legs.fakes import NOW, Bridge, Start, configuration, doc, with_site, yaml_of
from tests.networks.certificates import Authority, Pair
from tests.networks.conftest import Serve
from tests.ports import fresh_port

LEGS = ("browser", "docs", "humhub", "admin")
HERE = "IP:127.0.0.1"


async def hello(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


def speaking_tls(config: Config, tls: TlsConfig) -> Config:
    """Let all legs speak TLS."""
    legs = {name: dataclasses.replace(getattr(config.legs, name), tls=tls) for name in LEGS}
    return dataclasses.replace(config, legs=dataclasses.replace(config.legs, **legs))


async def status(config: Config, leg: str, context: ssl.SSLContext, path: str = "/livez") -> int | None:
    """Ask a leg; None where TLS refuses us, at the handshake or, with TLS 1.3, right after it."""
    url = f"https://{getattr(config.legs, leg).listen}{path}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        try:
            async with http.get(url) as answer:
                return answer.status
        except (aiohttp.ClientSSLError, aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            return None


# The legs


async def test_a_leg_takes_only_clients_of_its_authority(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    pair = authority.sign("legs", HERE)
    config = speaking_tls(
        configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2"),
        TlsConfig(pair.cert, pair.key, authority.ca),
    )
    ours, theirs = authority.sign("client"), stranger.sign("client")
    async with running(config, clock=lambda: NOW):
        for leg in LEGS:
            assert await status(config, leg, authority.trusting(client=ours)) is not None, leg
            assert await status(config, leg, authority.trusting()) is None, leg
            assert await status(config, leg, authority.trusting(client=theirs)) is None, leg
            assert await status(config, leg, stranger.trusting(client=ours)) is None, leg


async def test_a_leg_speaks_no_older_tls_than_it_is_told(tmp_path: Path, authority: Authority) -> None:
    pair = authority.sign("modern", HERE)
    old = authority.trusting()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    for version, taken in (("1.2", 200), ("1.3", None)):
        tls = TlsConfig(pair.cert, pair.key, min_version=version)
        config = speaking_tls(configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2"), tls)
        async with running(config, clock=lambda: NOW):
            assert await status(config, "admin", authority.trusting()) == 200
            assert await status(config, "admin", old) == taken


async def test_a_handshake_that_never_ends_is_ended(tmp_path: Path, authority: Authority) -> None:
    pair = authority.sign("silent", HERE)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    config = dataclasses.replace(config, limits=dataclasses.replace(config.limits, head=0.2))
    config = speaking_tls(config, TlsConfig(pair.cert, pair.key))
    async with running(config, clock=lambda: NOW):
        listen = config.legs.browser.listen
        reader, writer = await asyncio.open_connection(listen.host, listen.port)
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(5):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


@asynccontextmanager
async def silent_callers(listen: Listen, number: int) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """Connect and say nothing; give what waits for the end of each."""
    callers = [await asyncio.open_connection(listen.host, listen.port) for _ in range(number)]
    ends = [asyncio.create_task(reader.read()) for reader, _ in callers]
    try:
        yield ends
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        for _, writer in callers:
            writer.close()


async def test_only_so_many_may_be_there_without_a_word(tmp_path: Path, authority: Authority) -> None:
    pair = authority.sign("mute", HERE)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    # Half of the one connection, and 512.
    limits = dataclasses.replace(config.limits, connections=1)
    config = speaking_tls(dataclasses.replace(config, limits=limits), TlsConfig(pair.cert, pair.key))
    async with running(config, clock=lambda: NOW), silent_callers(config.legs.browser.listen, 520) as ends:
        async with asyncio.timeout(10):
            while sum(end.done() for end in ends) < 8:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.02)
        assert await status(config, "admin", authority.trusting()) == 200
        assert sum(end.done() for end in ends) == 8


async def test_who_says_nothing_is_closed_in_time(tmp_path: Path, authority: Authority) -> None:
    pair = authority.sign("mute", HERE)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    config = dataclasses.replace(config, limits=dataclasses.replace(config.limits, head=0.2))
    config = speaking_tls(config, TlsConfig(pair.cert, pair.key))
    async with running(config, clock=lambda: NOW), silent_callers(config.legs.browser.listen, 20) as ends:
        async with asyncio.timeout(10):
            assert await asyncio.gather(*ends) == [b""] * 20


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", b"", b"\x16\x03\x01\x00\x05hello"])
async def test_what_is_no_tls_is_ended_and_does_no_harm(tmp_path: Path, authority: Authority, sent: bytes) -> None:
    pair = authority.sign("nonsense", HERE)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    config = speaking_tls(config, TlsConfig(pair.cert, pair.key))
    listen = config.legs.admin.listen
    async with asyncio.timeout(10):
        async with running(config, clock=lambda: NOW):
            reader, writer = await asyncio.open_connection(listen.host, listen.port)
            writer.write(sent)
            if sent:
                with suppress(ConnectionError):
                    await reader.read()
            else:
                writer.write_eof()
                assert await reader.read() == b""
            writer.close()
            assert await status(config, "admin", authority.trusting()) == 200
            # One that is still silent doesn't hold the end up.
            _, silent = await asyncio.open_connection(listen.host, listen.port)
        silent.close()
        with suppress(ConnectionError):
            await silent.wait_closed()


# Renewal


def install(pair: Pair, place: Pair) -> None:
    """Put a renewed pair where the old one is."""
    shutil.copy(pair.cert, place.cert)
    shutil.copy(pair.key, place.key)


def place_in(directory: Path) -> Pair:
    return Pair(directory / "live.pem", directory / "live.key", directory / "live.both")


def shown(port: int, authority: Authority) -> str:
    """Give the name on the certificate that a server shows."""
    context = authority.trusting()
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
    ):
        subject: Any = (wire.getpeercert() or {})["subject"]
        return str(dict(part[0] for part in subject)["commonName"])


async def test_a_renewed_certificate_is_taken_up(tmp_path: Path, authority: Authority) -> None:
    first, second, other = (authority.sign(name, HERE) for name in ("first", "second", "third"))
    place = place_in(tmp_path)
    install(first, place)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    config = speaking_tls(config, TlsConfig(place.cert, place.key))
    certificates = Certificates()
    port = config.legs.admin.listen.port
    async with running(config, clock=lambda: NOW, certificates=certificates):
        assert await asyncio.to_thread(shown, port, authority) == "first"
        with capture_logs() as lines:
            certificates.look()
            assert lines == []
            install(second, place)
            certificates.look()
        assert {line["event"] for line in lines} == {"a changed certificate is taken"}
        assert await asyncio.to_thread(shown, port, authority) == "second"
        # A certificate whose key isn't written yet.
        shutil.copy(other.cert, place.cert)
        with capture_logs() as lines:
            certificates.look()
        assert {(line["log_level"], line["of"]) for line in lines} == {("error", f"leg {leg}") for leg in LEGS}
        assert "go together" in lines[0]["remedy"]
        assert await asyncio.to_thread(shown, port, authority) == "second"
        shutil.copy(other.key, place.key)
        certificates.look()
        assert await asyncio.to_thread(shown, port, authority) == "third"
        place.cert.unlink()
        with capture_logs() as lines:
            certificates.look()
            certificates.look()
        assert len(lines) == len(LEGS)
        assert await asyncio.to_thread(shown, port, authority) == "third"


async def test_sighup_takes_a_renewed_certificate_up_at_once(tmp_path: Path, authority: Authority) -> None:
    place = place_in(tmp_path)
    install(authority.sign("before", HERE), place)
    ports = {name: fresh_port() for name in LEGS}
    text = yaml_of(ports, "http://127.0.0.1:1", "http://127.0.0.1:2", "log: {level: info}")
    admin = f'admin: {{listen: "127.0.0.1:{ports["admin"]}"'
    assert admin in text
    (tmp_path / "bridge.yaml").write_text(text.replace(admin, f"{admin}, tls: {{cert: live.pem, key: live.key}}"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridge", "serve", "-c", str(tmp_path / "bridge.yaml")),
        env={"SOME_JWT": "some-secret-0123456789abcdef0123456789", "PATH": "/usr/bin:/bin"},
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            while b'"ready"' not in await process.stderr.readline():
                pass
            assert await asyncio.to_thread(shown, ports["admin"], authority) == "before"
            install(authority.sign("after", HERE), place)
            process.send_signal(signal.SIGHUP)
            while b"a changed certificate is taken" not in await process.stderr.readline():
                pass
            assert await asyncio.to_thread(shown, ports["admin"], authority) == "after"
    finally:
        process.terminate()
        await process.communicate()


# The upstreams


async def call(config: UpstreamConfig) -> int:
    """Call an upstream as it is configured."""
    upstream = Upstream(
        str(config.url),
        name="hub",
        host=config.host,
        ssl=Certificates().client("hub", config),
        timeouts=Timeouts(2, 2, 2),
    )
    async with upstream, upstream.request("GET", "/") as answer:
        return answer.status


async def refusal(config: UpstreamConfig) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        await call(config)
    assert "127.0.0.1" not in caught.value.message
    return caught.value


async def test_an_upstream_of_an_own_authority_is_believed(serve: Serve, authority: Authority) -> None:
    port = await serve(hello, tls=authority.sign("hub", HERE).serving())
    assert await call(UpstreamConfig(url=URL(f"https://127.0.0.1:{port}"), ca=authority.ca)) == 200


@pytest.mark.parametrize(
    ("names", "expired", "known", "remedy"),
    [
        ((HERE,), False, False, "name that authority in the upstream's ca"),
        (("DNS:other.test",), False, True, "for another name"),
        (("IP:127.0.0.2",), False, True, "for another name"),
        ((HERE,), True, True, "has expired"),
    ],
    ids=["unknown authority", "wrong name", "wrong address", "expired"],
)
async def test_what_is_wrong_with_a_certificate_is_said(
    serve: Serve,
    authority: Authority,
    stranger: Authority,
    *,
    names: tuple[str, ...],
    expired: bool,
    known: bool,
    remedy: str,
) -> None:
    port = await serve(hello, tls=authority.sign("wrong", *names, expired=expired).serving())
    ca = authority.ca if known else stranger.ca
    error = await refusal(UpstreamConfig(url=URL(f"https://127.0.0.1:{port}"), ca=ca))
    assert isinstance(error, UnreachableError)
    assert remedy in (error.remedy or "")
    assert error.details["upstream"] == "hub"


async def test_an_upstream_without_tls_is_said(serve: Serve, authority: Authority) -> None:
    port = await serve(hello)
    error = await refusal(UpstreamConfig(url=URL(f"https://127.0.0.1:{port}"), ca=authority.ca))
    assert "http://" in (error.remedy or "")


async def test_an_upstream_sees_our_certificate(serve: Serve, authority: Authority, stranger: Authority) -> None:
    port = await serve(hello, tls=authority.sign("strict", HERE).serving(clients=authority.ca))
    ours, theirs = authority.sign("bridge"), stranger.sign("bridge")
    url = URL(f"https://127.0.0.1:{port}")
    for shown_one in (ClientCertConfig(ours.cert, ours.key), ClientCertConfig(ours.both)):
        assert await call(UpstreamConfig(url=url, ca=authority.ca, client_cert=shown_one)) == 200
    for none in (None, ClientCertConfig(theirs.cert, theirs.key)):
        error = await refusal(UpstreamConfig(url=url, ca=authority.ca, client_cert=none))
        assert "client_cert" in (error.remedy or "")


async def test_a_host_is_the_name_that_is_asked_for_and_verified(serve: Serve, authority: Authority) -> None:
    seen: list[str | None] = []

    async def hosts(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Host"])
        return web.Response()

    context = authority.sign("named", "DNS:hub.test").serving()
    context.sni_callback = lambda _wire, name, _context: seen.append(name)
    port = await serve(hosts, tls=context)
    url = URL(f"https://127.0.0.1:{port}")
    assert await call(UpstreamConfig(url=url, ca=authority.ca, host="hub.test:8443")) == 200
    assert seen == ["hub.test", "hub.test:8443"]
    error = await refusal(UpstreamConfig(url=url, ca=authority.ca, host="other.test"))
    assert "upstream's host" in (error.remedy or "")


async def test_each_leg_says_in_its_shape_that_an_upstream_is_not_believed(
    start: Start, serve: Serve, authority: Authority
) -> None:
    port = await serve(hello, tls=authority.sign("mute", HERE).serving())
    untrusted = UpstreamConfig(url=URL(f"https://127.0.0.1:{port}"))

    def adjust(config: Config) -> Config:
        config = with_site(upstream=untrusted)(config)
        node = dataclasses.replace(config.docs.nodes[0], upstream=untrusted)
        return dataclasses.replace(config, docs=dataclasses.replace(config.docs, nodes=(node,)))

    bridge: Bridge = await start(adjust)
    with capture_logs() as lines:
        found, body, _ = await bridge.ask("browser", "/dashboard", headers={"Accept": "text/html"})
        assert (found, b"be reached" in body, b"127.0.0.1" in body) == (502, True, False)
        path = f"/s/social/onlyoffice/backend/download?doc={doc()}"
        assert (await bridge.ask("docs", path, headers=bridge.download_token(path)))[:2] == (502, b"")
        assert await bridge.call("/command", {"c": "info", "key": "k1"}) == (200, {"error": 3})
    said = [line for line in lines if line["event"] == "request"]
    assert [line["upstream"] for line in said] == ["social", "social", "docs-1"]
    assert {(line["outcome"], "upstream's ca" in line["remedy"]) for line in said} == {("unreachable", True)}
