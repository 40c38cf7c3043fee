"""What an upstream answers: a head, and a body that is read as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import aiohttp

from bridge.protocol.errors import BadAnswerError
from bridge.transport.faults import FAULTS, fault

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from multidict import CIMultiDictProxy

    from bridge.transport.memory import Held

__all__ = ["Answer", "Refusal", "WiredResponse"]

_BODILESS: Final = frozenset({204, 304})


class WiredResponse(aiohttp.ClientResponse):
    """A response that remembers its connection's protocol, which alone knows how the connection ended."""

    wire: ResponseHandler | None = None

    async def start(self, connection: Connection) -> Self:
        """Wait for the head."""
        self.wire = connection.protocol
        await super().start(connection)
        return self


class Answer:
    """An upstream's answer: its head, and a body that is read once, as it comes.

    ``content_length`` is what the head promises; ``has_body`` is false for HEAD, 204 and 304, whatever they promise.
    The body is as it came over the wire: no content coding is undone.
    """

    __slots__ = (
        "_ahead",
        "_content",
        "_idle",
        "_upstream",
        "_wire",
        "content_length",
        "has_body",
        "headers",
        "reason",
        "status",
    )

    def __init__(self, response: WiredResponse, *, upstream: str, idle: float) -> None:
        self.status: int = response.status
        self.reason: str = response.reason or ""
        self.headers: CIMultiDictProxy[str] = response.headers
        self.content_length: int | None = response.content_length
        self.has_body: bool = response.method != "HEAD" and response.status not in _BODILESS
        self._content = response.content
        self._wire = response.wire
        self._ahead: deque[bytes] = deque()
        self._upstream = upstream
        self._idle = idle

    @property
    def body(self) -> AsyncIterator[bytes]:
        """Iterate over what is left of the body; chunks are as they came, seldom over 64 KiB.

        Raises:
            CutError: it ended before its promised end.
            UpstreamTimeoutError: no byte came for the idle limit.
        """
        return _Chunks(self)

    @property
    def media_type(self) -> str:
        """Give what the head says the body is, in lower case and without parameters; empty where it doesn't say."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def upstream(self) -> str:
        """Give the configured name of who answers."""
        return self._upstream

    def check_file(self) -> None:
        """See that the body can be kept, or opened, as a file: that a cut would show, and that it isn't packed.

        Raises:
            BadAnswerError: it ends with the connection, or has a content coding, which nobody asked for.
        """
        if self.has_body and self.content_length is None and "Transfer-Encoding" not in self.headers:
            raise BadAnswerError(
                "The server behind the bridge doesn't say how long the file is.",
                upstream=self._upstream,
                what="neither a length nor chunks: a file that was cut would look whole",
                remedy="Does a proxy before it speak HTTP/1.0, or drop Content-Length?",
            )
        if (coding := self.headers.get("Content-Encoding", "identity").lower()) != "identity":
            raise BadAnswerError(
                "The server behind the bridge packs the file.",
                upstream=self._upstream,
                what=f"Content-Encoding: {coding[:50]}, where identity was asked for",
                remedy="Turn compression of files off, there or in the proxy before it.",
            )

    async def chunk(self) -> bytes:
        """Give the next chunk, or nothing at the body's end; raises as ``body`` does."""
        if self._ahead:
            return self._ahead.popleft()
        try:
            async with asyncio.timeout(self._idle):
                chunk = await self._content.readany()
        except FAULTS as error:
            awaited = f"the next bytes of its answer, for {self._idle:g} s"
            raise fault(error, self._upstream, awaited, "this upstream's idle", begun=True) from error
        if not chunk:
            self._check_end()
        return chunk

    def _check_end(self) -> None:
        """Tell a reset from a close, where only the connection's end ends the body: to the library both are the end."""
        if not self.has_body or self.content_length is not None or "Transfer-Encoding" in self.headers:
            return
        lost = self._wire.exception() if self._wire is not None else None
        if isinstance(lost, aiohttp.ClientOSError):
            raise fault(lost, self._upstream, "its end", "this upstream's idle", begun=True) from lost

    async def read(self, limit: int) -> bytes:
        """Read the whole body, of at most ``limit`` bytes.

        Raises:
            BadAnswerError: it is longer; the rest is not read.
        """
        if self.has_body and (self.content_length or 0) > limit:
            raise self._too_long(limit)
        whole = bytearray()
        while chunk := await self.chunk():
            whole += chunk
            if len(whole) > limit:
                raise self._too_long(limit)
        return bytes(whole)

    async def read_within(self, limit: int, held: Held | None = None) -> bytes | None:
        """Read the whole body if it has at most ``limit`` bytes; None if it has more, and all of it can be streamed.

        What is read is taken of ``held``, which may raise OverloadError.
        """
        if self.has_body and (self.content_length or 0) > limit:
            return None
        chunks: list[bytes] = []
        size = 0
        while size <= limit and (chunk := await self.chunk()):
            if held is not None:
                held.take(len(chunk))
            chunks.append(chunk)
            size += len(chunk)
        if size <= limit:
            return b"".join(chunks)
        self._ahead.extend(chunks)
        return None

    def _too_long(self, limit: int) -> BadAnswerError:
        what = f"the answer is longer than {limit} bytes"
        remedy = "Is it the right address? See what curl makes of its answer."
        return BadAnswerError(
            "The server behind the bridge answered too much.", upstream=self._upstream, what=what, remedy=remedy
        )


class _Chunks(AsyncIterator[bytes]):
    """The iterator over an answer's body: no generator, so that an abandoned one leaves nothing to close."""

    __slots__ = ("_answer",)

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def __anext__(self) -> bytes:
        if chunk := await self._answer.chunk():
            return chunk
        raise StopAsyncIteration


@dataclass(frozen=True, slots=True)
class Refusal:
    """An upstream's plain HTTP answer to a websocket handshake; ``body`` holds at most 64 KiB of its beginning."""

    status: int
    reason: str
    headers: CIMultiDictProxy[str]
    body: bytes
