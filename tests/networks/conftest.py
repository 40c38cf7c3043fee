"""What the tests of networks share: an authority, and HTTPS servers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from tests.legs.conftest import start  # noqa: F401 - a fixture
from tests.networks.certificates import Authority

Serve = Callable[..., Awaitable[int]]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority for all tests; it signs whatever a test asks for."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give another, which nobody trusts."""
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve a handler on some address; give its port."""
    async with AsyncExitStack() as stack:

        async def served(
            handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
            *,
            tls: ssl.SSLContext | None = None,
            host: str = "127.0.0.1",
            port: int = 0,
        ) -> int:
            runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port, ssl_context=tls).start()
            found: int = runner.addresses[0][1]
            return found

        yield served
