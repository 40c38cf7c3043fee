"""One accepted socket of a leg: how long a request's head may take, who may be in, and what is no HTTP.

Theory of operation
-------------------
The server makes a :class:`Connection` of each socket that it accepts. It *rests* while nothing is under way: from its
opening, and between two requests. It *stirs* with the first byte of a head, is *busy* from the head's end (the
middleware says so) to the answer's, and then rests again.

- A crowd that is full lets the connection go that has rested longest. Only where none rests is the new one *surplus*:
  it is still read, so that its request gets an answer in its client's shape, 503 with ``Retry-After``, with its id and
  line; then it ends. What comes while there is half as much surplus again is closed unread.
- A head that isn't whole ``head`` seconds after its first byte is answered 408; a connection that says nothing for as
  long after its opening is closed. A head of more than four times the largest header is answered 431.
- A client that takes no byte of an answer for ``idle`` seconds is cut. What the kernel still holds is looked at too: a
  client may be slow, so any byte that it takes counts.
- What isn't HTTP is answered here, since it never becomes a request: in the leg's shape, with an id and one line.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import struct
import termios
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import LineTooLong

from bridge.legs.answers import Failure, Kind, answer
from bridge.legs.clients import address_of, within
from bridge.legs.crowd import Crowd
from bridge.legs.door import Door
from bridge.protocol.headers import REQUEST_ID

__all__ = ["Connection", "connections_of"]

_HEADERS: Final = 4  # a whole head may have this many times the largest header
_END: Final = b"\r\n\r\n"
_NAME: Final = "humhub-bridge"  # where the library would put its own


def connections_of(door: Door, server: web.Server, **options: Any) -> Callable[[], Connection]:
    """Give what makes a connection of each accepted socket; ``options`` are the library's."""
    return functools.partial(Connection, door, server, **options)


class Connection(web.RequestHandler):
    """One accepted socket. ``over`` names the limit that it is over, if it is surplus."""

    __slots__ = (
        "_busy",
        "_crowds",
        "_door",
        "_got",
        "_since",
        "_tail",
        "_timer",
        "_unsent",
        "_whole",
        "_wire",
        "address",
        "cut_off",
        "over",
    )

    def __init__(self, door: Door, server: web.Server, **options: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **options)
        self._door = door
        self._crowds: tuple[Crowd, ...] = ()
        self._busy = False
        self._whole = False
        self._tail = b""
        self._got = 0
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._wire: asyncio.Transport | None = None
        self.address = ""
        self.over: str | None = None
        self.cut_off: str | None = None

    # Coming and going

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in, and begin to wait for its first head."""
        super().connection_made(transport)
        door = self._door
        self._wire = cast("asyncio.Transport", transport)
        self.address = address_of(transport)
        door.guests.add(self)
        client = None if within(self.address, door.trust) else door.of_client(self.address)
        crowds = {"client": client, "connections": door.crowd} if client is not None else {"connections": door.crowd}
        self.over = next((name for name, crowd in crowds.items() if crowd.full and not crowd.make_room()), None)
        if self.over is None:
            self._crowds = tuple(crowds.values())
            for crowd in self._crowds:
                crowd.present += 1
                crowd.rest(self)
        else:
            door.surplus += 1
            if door.surplus > door.bounds.surplus:
                door.metrics.turned_away(leg=door.leg, reason="dropped")
                self.force_close()
                return
        self._timer = _after(door.bounds.head, self._late)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wire = None
        self._door.guests.discard(self)
        for crowd in self._crowds:
            crowd.present -= 1
            crowd.stir(self)
        self._crowds = ()
        if self.over is not None:
            self._door.surplus -= 1
            self.over = None
        self._door.forget(self.address)
        super().connection_lost(exc)

    def leave(self) -> None:
        """Make room for another connection; nothing is under way on this one."""
        for crowd in self._crowds:
            crowd.stir(self)
        self._door.metrics.turned_away(leg=self._door.leg, reason="rested")
        if self._wire is not None and self._wire.get_write_buffer_size():
            # Closing would wait for a client that has not taken its last answer.
            self._wire.abort()
        self.force_close()

    # A request's head

    def data_received(self, data: bytes) -> None:
        """Take bytes; while they are a head's, see to its size and begin its time."""
        if not self._busy and not self._whole:
            if self._got > _HEADERS * self._door.bounds.header:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large")
                return
            if not self._got:
                for crowd in self._crowds:
                    crowd.stir(self)
                if self._timer is None:
                    self._timer = _after(self._door.bounds.head, self._late)
            window = self._tail + (data if self._got else data.lstrip(b"\r\n"))
            self._whole, self._tail = _END in window, window[1 - len(_END) :]
            self._got += len(data)
        super().data_received(data)

    def begin(self) -> None:
        """Take note that a request begins."""
        self._busy, self._whole, self._tail, self._got = True, False, b"", 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self, request: web.BaseRequest) -> None:
        """Take note that a request is answered; what is left of its body is the library's to drop."""
        if not request.content.is_eof():
            return
        self._busy = False
        for crowd in self._crowds:
            crowd.rest(self)

    def _late(self) -> None:
        self._timer = None
        if self._got:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "head-too-slow")
        else:
            self.force_close()

    def _refuse(self, status: HTTPStatus, outcome: str) -> None:
        name = self._door.refuses(self.address, status, outcome, bytes_in=self._got)
        if self.transport is not None:
            head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\nConnection: close\r\n"
            self.transport.write(f"{head}{REQUEST_ID}: {name}\r\n\r\n".encode())
        self.force_close()

    # A client that doesn't take its answer

    def look(self, now: float) -> None:
        """Cut the client that has taken nothing for too long of what waits for it, even where all is answered."""
        wire = self._wire
        if wire is None or not wire.get_write_buffer_size():
            self._unsent = 0
            return
        unsent = _unsent(wire)
        if unsent != self._unsent:
            self._unsent, self._since = unsent, now
        elif now - self._since >= self._door.bounds.idle:
            self.cut_off = f"the client took nothing for {self._door.bounds.idle:g} s"
            self._door.metrics.turned_away(leg=self._door.leg, reason="answer-not-taken")
            wire.abort()

    # What isn't HTTP

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser can't read, in the leg's shape; a fault of ours is the library's to say.

        Of a connection that was lost or cut the request's own line says all: the library would add a traceback.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        self.begin()
        door = self._door
        long = isinstance(exc, LineTooLong)
        found = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if long else HTTPStatus.BAD_REQUEST
        what = "A line of the request's head is too long." if long else "That is not HTTP."
        why = exc.message.strip().partition(":")[0][:200]
        name = door.refuses(self.address, found, "head-too-large" if long else "malformed", why=why)
        kind = Kind.FILE if door.kind is Kind.MESSAGE and door.leg != "admin" else door.kind
        response = answer(Failure(found, "malformed", what), kind, error=door.error, request_id=name)
        response.headers[REQUEST_ID] = name
        response.headers["Server"] = _NAME
        response.force_close()
        return response


def _after(seconds: float, what: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, what)


def _unsent(transport: asyncio.Transport) -> int:
    """Give how many bytes of answers the client hasn't taken: those that wait here, and those in the kernel."""
    waiting = transport.get_write_buffer_size()
    wire = transport.get_extra_info("socket")
    try:
        # Linux' SIOCOUTQ; elsewhere only what waits here is seen.
        held: int = struct.unpack("i", fcntl.ioctl(wire.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]
    except (OSError, AttributeError, ValueError):
        held = 0
    return waiting + held
