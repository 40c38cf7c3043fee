"""Names that move, have several addresses or none; IPv6 on both sides; source addresses."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bridge.app import running
from bridge.config import Config, LegConfig, Listen
from bridge.protocol.errors import UnreachableError
from bridge.transport.upstream import Timeouts, Upstream
from tests.legs.fakes import NOW, configuration, with_site
from tests.networks.conftest import Serve
from tests.networks.fronts import Named
from tests.ports import fresh_port

QUICK = Timeouts(3, 3, 3)


def has_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 on its loopback")


async def where(request: web.BaseRequest) -> web.StreamResponse:
    """Say which address was called, from which, and under which Host."""
    assert request.transport is not None
    here, there = (request.transport.get_extra_info(name)[0] for name in ("sockname", "peername"))
    return web.json_response([here, there, request.headers["Host"]])


async def told(upstream: Upstream) -> list[str]:
    async with upstream.request("GET", "/") as answer:
        found: list[str] = json.loads(await answer.read(1000))
        return found


# Names


async def test_an_upstream_that_moves_is_followed(serve: Serve) -> None:
    port = fresh_port()
    await serve(where, host="127.0.0.2", port=port)
    old = await asyncio.start_server(_hang_up, "127.0.0.3", port)
    names = Named("127.0.0.3")
    async with Upstream(f"http://hub.test:{port}", name="hub", resolver=names, timeouts=QUICK) as upstream:
        old.close()
        with pytest.raises(UnreachableError):
            await told(upstream)
        names.addresses = ["127.0.0.2"]
        assert await told(upstream) == ["127.0.0.2", "127.0.0.1", f"hub.test:{port}"]


async def _hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_name_is_not_asked_for_at_every_call(serve: Serve) -> None:
    names = Named("127.0.0.1")
    port = await serve(where)
    url = f"http://hub.test:{port}"
    async with Upstream(url, name="hub", resolver=names, keep_alive=0.01, timeouts=QUICK) as upstream:
        for _ in range(3):
            await told(upstream)
            await asyncio.sleep(0.03)
    assert names.asked == 1


@contextmanager
def deaf(address: str, port: int) -> Iterator[None]:
    """Listen without ever taking a connection, with a full queue: who calls waits."""
    with socket.socket() as listening:
        listening.bind((address, port))
        listening.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex((address, port))
        try:
            yield
        finally:
            for caller in callers:
                caller.close()


async def test_of_several_addresses_one_may_be_dead(serve: Serve) -> None:
    port = fresh_port()
    await serve(where, host="127.0.0.2", port=port)
    names = Named("127.0.0.5", "127.0.0.2")
    async with Upstream(f"http://hub.test:{port}", name="hub", resolver=names, timeouts=QUICK) as upstream:
        assert (await told(upstream))[0] == "127.0.0.2"


async def test_of_several_addresses_one_may_say_nothing(serve: Serve) -> None:
    port = fresh_port()
    await serve(where, host="127.0.0.2", port=port)
    names = Named("127.0.0.5", "127.0.0.2")
    with deaf("127.0.0.5", port):
        async with Upstream(f"http://hub.test:{port}", name="hub", resolver=names, timeouts=QUICK) as upstream:
            assert (await told(upstream))[0] == "127.0.0.2"


@needs_ipv6
@pytest.mark.parametrize("addresses", [("::1", "127.0.0.2"), ("127.0.0.2", "::1")])
@pytest.mark.parametrize("source", [None, "127.0.0.9"])
async def test_an_ipv6_address_where_nobody_is_does_no_harm(
    serve: Serve, addresses: tuple[str, ...], source: str | None
) -> None:
    port = fresh_port()
    await serve(where, host="127.0.0.2", port=port)
    names = Named(*addresses)
    url = f"http://hub.test:{port}"
    async with Upstream(url, name="hub", resolver=names, source_address=source, timeouts=QUICK) as upstream:
        assert (await told(upstream))[:2] == ["127.0.0.2", source or "127.0.0.1"]


async def test_a_name_that_nobody_knows_is_said() -> None:
    class Unknown(Named):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[aiohttp.abc.ResolveResult]:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with Upstream("http://hub.test", name="hub", resolver=Unknown()) as upstream:
        with pytest.raises(UnreachableError) as caught:
            await told(upstream)
    assert "name isn't known" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("source", "remedy"), [(None, "Nothing listens there"), ("192.0.2.7", "source_address is no address")]
)
async def test_what_keeps_a_call_from_going_out_is_said(source: str | None, remedy: str) -> None:
    async with Upstream(f"http://127.0.0.1:{fresh_port()}", name="hub", source_address=source) as upstream:
        with pytest.raises(UnreachableError) as caught:
            await told(upstream)
    assert remedy in (caught.value.remedy or "")


# IPv6


def listening_on(config: Config, host: str, **changes: object) -> Config:
    leg: LegConfig = config.legs.browser
    leg = dataclasses.replace(leg, listen=Listen(host, leg.listen.port), **changes)  # type: ignore[arg-type]
    return dataclasses.replace(config, legs=dataclasses.replace(config.legs, browser=leg))


@needs_ipv6
async def test_an_ipv6_leg_before_an_ipv6_upstream(serve: Serve, tmp_path: Path) -> None:
    port = await serve(where, host="::1")
    config = configuration(tmp_path, f"http://[::1]:{port}", "http://[::1]:1")
    config = with_site(hosts=("[::1]",))(listening_on(config, "::1"))
    listen = config.legs.browser.listen
    async with (
        running(config, clock=lambda: NOW),
        aiohttp.ClientSession() as http,
        http.get(f"http://{listen}/dashboard") as answer,
    ):
        assert (answer.status, await answer.json()) == (200, ["::1", "::1", f"[::1]:{listen.port}"])


@needs_ipv6
@pytest.mark.parametrize(
    ("caller", "allow", "status"),
    [
        ("127.0.0.1", "127.0.0.0/8", 200),
        ("127.0.0.1", "::1/128", 403),
        ("[::1]", "::1/128", 200),
        ("[::1]", "127.0.0.0/8", 403),
    ],
)
async def test_a_leg_on_every_address_takes_both_families(
    serve: Serve, tmp_path: Path, caller: str, allow: str, status: int
) -> None:
    seen: list[str] = []

    async def forwarded(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["X-Forwarded-For"])
        return web.Response()

    port = await serve(forwarded)
    config = configuration(tmp_path, f"http://127.0.0.1:{port}", "http://127.0.0.1:1")
    config = listening_on(config, "::", allow=(ipaddress.ip_network(allow),))
    async with running(config, clock=lambda: NOW), aiohttp.ClientSession() as http:
        url = URL(f"http://{caller}:{config.legs.browser.listen.port}/dashboard")
        async with http.get(url) as answer:
            assert answer.status == status
    assert seen == ([caller.strip("[]")] if status == 200 else [])
