"""Real sockets for the transport's tests: a scripted origin, an upstream to it, and a relay in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import web

from bridge.protocol.headers import answerable, forwardable
from bridge.transport.relay import request_body, stream
from bridge.transport.upstream import Timeouts, Upstream

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Origin:
    """A server that plays a script on each connection and counts them."""

    url: str
    connections: int = 0


class Stage:
    """What a test builds; all of it ends with the test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.seen: list[BaseException] = []
        self.runners: list[web.AppRunner] = []

    async def origin(self, script: Script) -> Origin:
        origin = Origin("")
        tasks: set[asyncio.Task[None]] = set()

        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            origin.connections += 1
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await script(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(play, "127.0.0.1", 0)
        origin.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def stop() -> None:
            server.close()
            for task in list(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._stack.push_async_callback(stop)
        return origin

    async def serve(self, handler: Handler, *, buffers: int | None = None) -> str:
        """Serve a handler; ``buffers`` bounds what the kernel holds of each connection, in bytes."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        runner = web.AppRunner(
            app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=1, access_log=None
        )
        self.runners.append(runner)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        listening = socket.create_server(("127.0.0.1", 0))
        if buffers is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        await web.SockSite(runner, listening).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    async def upstream(self, url: str, **options: object) -> Upstream:
        options.setdefault("timeouts", Timeouts(connect=2, first_byte=2, idle=2))
        return await self._stack.enter_async_context(Upstream(url, name="origin", **options))  # type: ignore[arg-type]

    async def relay(
        self, url: str, *, limit: int = 1 << 40, idle: float = 60, buffers: int | None = None, **options: object
    ) -> str:
        """Serve a relay to ``url``; what its handler raises is kept in ``seen``."""
        upstream = await self.upstream(url, **options)

        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                body = request_body(request, limit, idle=idle)
                target = request.raw_path
                headers = forwardable(request.headers)
                async with upstream.request(request.method, target, headers=headers, body=body) as answer:
                    return await stream(request, answer, headers=answerable(answer.headers))
            except BaseException as error:
                self.seen.append(error)
                if isinstance(error, Exception) and hasattr(error, "status"):
                    return web.Response(status=error.status, text=str(error))
                raise

        return await self.serve(handler, buffers=buffers)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(stack)
