"""An Upstream is the client of one configured server: it sends a request there and yields the answer's stream.

Theory of operation. ``async with upstream.request(…) as answer`` owns one exchange: the connection, the task that
writes the request's body and every time limit end with the block. Leaving it before the answer's end closes the
connection, which is how a client that left ends the upstream's work. The limits, in seconds:

- *connect*: to an open connection; before that, as long again for one of ``connections`` to be free;
- *first byte*: from the request's last byte to the answer's head;
- *idle*: between two chunks that the upstream takes or gives; the other party's slowness isn't counted;
- *deadline*: of the whole block, whatever it does; None is no limit.

An idempotent request that a kept-alive connection swallows is sent again once, by the library (``GET``, ``HEAD``,
``OPTIONS``, ``PUT``, ``DELETE``, unless its body was a stream that has begun); a ``POST`` never is.

What stands here is the library's client session. Handlers see only ``Upstream``, ``Answer`` and ``Body``, so that a
faster client can take its place.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from bridge.protocol.errors import BadAnswerError, BadRequestError, UnreachableError, UpstreamError
from bridge.protocol.headers import parse_host
from bridge.transport.answer import Answer, Refusal, WiredResponse
from bridge.transport.body import Body, Outgoing, Timeouts, answer_within, awaited, outbound_headers, tracing
from bridge.transport.faults import FAULTS, NO_HTTP, fault
from bridge.transport.handshake import RefusedHandshake, keep_refusal
from bridge.transport.pool import Connector, Pool, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from ssl import SSLContext
    from types import TracebackType

    from aiohttp.abc import AbstractResolver
    from multidict import MultiMapping

__all__ = ["Answer", "Body", "Refusal", "Timeouts", "Upstream"]

_CHUNK: Final = 64 * 1024
# The library's 8190 bytes are less than a header may take with Docs' tokens and HumHub's cookies.
_HEAD: Final = 64 * 1024
_CLOSING: Final = 2.0  # how long a closed websocket waits for the other's close frame
# Node's servers close an idle connection after 5 s, and so do Apache's: below that a POST rarely meets a dead one.
_KEEP_ALIVE: Final = 4.0
_NAMES: Final = 5  # seconds that a name's addresses hold: a server that moves is followed
_NEVER_ADDED: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_TARGET: Final = re.compile(r"/[!\"$-~]*")  # no fragment: the library would leave it out
_SWITCHING: Final = 101


class Upstream:
    """The client of one configured server; enter it before use, leave it to close its connections.

    Args:
        url: The server's address. A path of it comes before every target.
        name: The configured name, for errors and logs.
        host: The Host to send where a request brings none, and the name that a certificate must have.
        ssl: How to speak TLS; None is the system's idea.
        source_address: The local address to call from.
        connections: How many at once; a call that finds none free waits. Websockets are not counted.
        keep_alive: How long a connection without a call is kept, in seconds.
        resolver: Who turns names into addresses; the system, where none is given.
        timeouts: For calls that bring none.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        host: str | None = None,
        ssl: SSLContext | None = None,
        source_address: str | None = None,
        connections: int = 100,
        keep_alive: float = _KEEP_ALIVE,
        resolver: AbstractResolver | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        base = URL(url, encoded=True)
        if base.scheme not in ("http", "https") or not base.raw_host:
            raise ValueError(f"{url!r} is no http address")
        self.name = name
        self.timeouts = timeouts or Timeouts()
        self._base = f"{base.origin()}{base.raw_path.rstrip('/')}"
        self._host = host
        self._tls: dict[str, Any] = {}
        if base.scheme == "https":
            self._tls = {"ssl": ssl or True, "server_hostname": parse_host(host)[0] if host else None}
        self._local = (source_address, 0) if source_address else None
        self._pool = Pool(connections, name)
        self._keep_alive = keep_alive
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._dialler: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._open()
        self._dialler = self._open(middlewares=(keep_refusal,))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (self._session, self._dialler):
            if session is not None:
                await session.close()
        self._session = self._dialler = None

    def _open(self, **options: Any) -> aiohttp.ClientSession:
        connect = self.timeouts.connect
        return aiohttp.ClientSession(
            connector=Connector(
                limit=0,
                local_addr=self._local,
                keepalive_timeout=self._keep_alive,
                ttl_dns_cache=_NAMES,
                resolver=self._resolver or aiohttp.ThreadedResolver(),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=WiredResponse,
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_NEVER_ADDED,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect),
            read_bufsize=_CHUNK,
            max_line_size=_HEAD,
            max_field_size=_HEAD,
            trace_configs=[tracing()],
            **options,
        )

    def _url(self, target: str) -> URL:
        if not _TARGET.fullmatch(target):
            raise BadRequestError("The request's target is not a path.", target=target[:200])
        return URL(self._base + target, encoded=True)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: MultiMapping[str] | None = None,
        body: bytes | AsyncIterable[bytes] | None = None,
        timeouts: Timeouts | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[Answer]:
        """Send one request and yield its answer, whose body is then read inside the block.

        ``target`` is path and query, raw: it goes out as it is, but for an empty query's ``?``. Framing headers are set
        from the body: a ``Body`` with a length and bytes go under their length, other iterables chunked. What the body
        itself raises comes out as it is.

        Raises:
            CrowdedError, UnreachableError, UpstreamTimeoutError, CutError, BadAnswerError: see ``protocol/errors.py``.
            BadRequestError: a target or header that can't be sent, a body that isn't as long as it promised.
        """
        timeouts = timeouts or self.timeouts
        async with within(deadline, self.name), self._pool.holding(timeouts.connect):
            outbound = outbound_headers(headers, self._host)
            response = await self._send(method, self._url(target), outbound, body, timeouts)
            try:
                if response.status == _SWITCHING:
                    raise BadAnswerError(
                        "The server behind the bridge doesn't speak HTTP.",
                        upstream=self.name,
                        what="it switched protocols (101) unasked",
                        remedy=NO_HTTP,
                    )
                yield Answer(response, upstream=self.name, idle=timeouts.idle)
            finally:
                await _finish(response)

    async def _send(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | AsyncIterable[bytes] | None,
        timeouts: Timeouts,
    ) -> WiredResponse:
        if self._session is None:
            raise RuntimeError(f"the upstream {self.name} is not open")
        outgoing: Outgoing | None = None
        if body is not None and not isinstance(body, bytes):
            length = body.length if isinstance(body, Body) else None
            outgoing = Outgoing(body, length, timeouts)
            if length is not None:
                headers["Content-Length"] = str(length)
        dial = aiohttp.ClientTimeout(total=None, connect=timeouts.connect, sock_connect=timeouts.connect)
        try:
            async with asyncio.timeout(timeouts.connect + timeouts.first_byte) as timer:
                if outgoing is not None:
                    outgoing.timer = timer
                try:
                    with answer_within(timeouts.first_byte, timer if outgoing is None else None):
                        return await self._session.request(  # type: ignore[return-value] # see response_class
                            method,
                            url,
                            headers=headers,
                            data=body if outgoing is None else outgoing,
                            allow_redirects=False,
                            timeout=dial,
                            **self._tls,
                        )
                finally:
                    if outgoing is not None:
                        outgoing.timer = None
        except FAULTS as error:
            if outgoing is not None and outgoing.error is not None:
                raise outgoing.error from None
            raise self._fault(error, *awaited(outgoing, timeouts)) from error
        except ValueError as error:
            raise BadRequestError("A header of the request can't be sent.", upstream=self.name) from error

    @asynccontextmanager
    async def websocket(
        self,
        target: str,
        *,
        headers: MultiMapping[str] | None = None,
        protocols: tuple[str, ...] = (),
        max_message: int,
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse[bool] | Refusal]:
        """Dial a websocket and yield it, or the upstream's refusal; closed when the block is left.

        Texts arrive as bytes, unverified, so that they needn't be decoded to be passed on. Extensions are not offered.
        ``max_message`` is in bytes.

        Raises:
            UnreachableError, UpstreamTimeoutError, CutError, BadAnswerError: as ``request`` does.
        """
        outbound = outbound_headers(headers, self._host)
        for name in [name for name in outbound if name.lower().startswith("sec-websocket-")]:
            outbound.popall(name, None)
        dialled = await self._dial(self._url(target), outbound, protocols, max_message)
        if isinstance(dialled, Refusal):
            yield dialled
            return
        async with dialled:
            yield dialled

    async def _dial(
        self, url: URL, headers: CIMultiDict[str], protocols: tuple[str, ...], max_message: int
    ) -> aiohttp.ClientWebSocketResponse[bool] | Refusal:
        if self._dialler is None:
            raise RuntimeError(f"the upstream {self.name} is not open")
        try:
            async with asyncio.timeout(self.timeouts.connect + self.timeouts.first_byte) as timer:
                with answer_within(self.timeouts.first_byte, timer):
                    socket: aiohttp.ClientWebSocketResponse[bool] = await self._dialler.ws_connect(
                        url,
                        headers=headers,
                        protocols=protocols,
                        timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING),
                        autoclose=False,
                        max_msg_size=max_message,
                        decode_text=False,
                        **self._tls,
                    )
        except RefusedHandshake as refused:
            return refused.refusal
        except FAULTS as error:
            raise self._fault(error, *awaited(None, self.timeouts)) from error
        return socket

    def _fault(self, error: BaseException, awaiting: str, limit: str) -> UpstreamError:
        """Say what went wrong; who isn't where the name led is looked up anew by the next call."""
        ours = fault(error, self.name, awaiting, limit, begun=False)
        if isinstance(ours, UnreachableError):
            for session in (self._session, self._dialler):
                if session is not None and isinstance(session.connector, aiohttp.TCPConnector):
                    session.connector.clear_dns_cache()
        return ours


async def _finish(response: aiohttp.ClientResponse) -> None:
    """Give the connection back if the answer was read to its end, close it else, and end the body's writer."""
    if response.content.at_eof():
        response.release()
    else:
        response.close()
    # A writer that failed after the answer came: the answer counts.
    with suppress(aiohttp.ClientError, OSError):
        await response.wait_for_close()
