# ruff: noqa: D102 - what a call does is said once, at Recipient
"""HumHub's module as a recipient: told by its track route, it pulls the body from the humhub leg.

HumHub's fetch obeys no configuration and stores whatever it gets, so it is never sent anywhere but to the attempt's own
capability. A signed ``GET backend/download`` asks HumHub whether it knows a key: 200 does it, 404 it doesn't, and
anything else leaves the question open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from multidict import CIMultiDict

from bridge import hop
from bridge.protocol.errors import BridgeError, UnreachableError, UpstreamError
from bridge.protocol.messages import Callback
from bridge.protocol.urls import Backend, sibling
from bridge.saves import track
from bridge.saves.attempts import Attempts
from bridge.saves.flights import End
from bridge.saves.limits import limits_of
from bridge.saves.recipient import Recipient
from bridge.saves.track import Told
from bridge.sites import Site, Topology
from bridge.store.records import Flight, Record

__all__ = ["Module", "answers"]

# HumHub's answer to a callback is a line; an error page of its is some 20 KB.
_ANSWER_LIMIT: Final = 1 << 20
# How long a question about a key may take, and one whether anybody is there, in seconds.
_PROBE: Final = 20.0
_WATCH_LIMIT: Final = 5.0
# What a proxy says for a HumHub that isn't there.
_AWAY: Final = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)

# What HumHub's answer to a question about a key says; an empty document has no first byte.
_KNOWS: Final[dict[int, bool]] = {
    HTTPStatus.OK: True,
    HTTPStatus.PARTIAL_CONTENT: True,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: True,
    HTTPStatus.NOT_FOUND: False,
}


@dataclass(frozen=True, slots=True)
class Module(Recipient):
    """Tells the module of one site. ``attempt`` is how long one attempt may last, in seconds."""

    topology: Topology
    site: Site
    attempts: Attempts
    clock: Callable[[], float]
    attempt: float

    async def take(self, record: Record, flight: Flight, callback: Callback | None) -> Told:
        entry = record.entry(flight.entry)
        if entry is None or record.target is None:
            return Told(End.UNSENT, "the save is no longer known")
        message = callback or track.callback_of(entry, flight.status)
        try:
            fields = message.mapped(
                lambda url: hop.file_for_humhub(self.topology, self.site, url),
                url=self.topology.humhub_url(self.site, self.attempts.link(self.site.name, entry.key, flight)),
            )
            return await self._post(record.target, {**fields, "status": flight.status})
        except UnreachableError as error:
            return Told(End.UNSENT, f"HumHub: {error.message}", error.about)
        except UpstreamError as error:
            return Told(End.UNREAD, f"HumHub: {error.message}", error.about)
        except BridgeError as error:
            # Nothing was sent, and nothing would be: the message has a link that can't be mapped.
            return Told(End.FAILED, error.message, error.about)

    async def knows_key(self, record: Record) -> bool | None:
        """Ask with the first byte of the document, which is enough."""
        if record.target is None:
            return None
        target = sibling(record.target, Backend.DOWNLOAD)
        headers = CIMultiDict({"Host": self.site.host, "Accept-Encoding": "identity", "Range": "bytes=0-0"})
        url = self.topology.docs_url(self.site, target)
        headers.update(hop.token_for_humhub(self.site, {"url": url}, now=self.clock()))
        try:
            async with self.site.upstream.request("GET", target, headers=headers, deadline=_PROBE) as answer:
                return _KNOWS.get(answer.status)
        except UpstreamError:
            return None

    async def hear(self, record: Record, callback: Callback) -> Told:
        if record.target is None:
            return Told(End.UNSENT, "where HumHub takes news of this document isn't known")
        return await self._post(record.target, callback.fields)

    async def is_there(self) -> bool:
        return await answers(self.site)

    async def _post(self, target: str, fields: dict[str, Any]) -> Told:
        """Tell HumHub's track route, and read what it answers.

        Raises:
            UnreachableError: nothing was sent.
            UpstreamError: no answer could be read.
        """
        headers = CIMultiDict(
            {"Host": self.site.host, "Content-Type": "application/json", "Accept": "application/json"}
        )
        body = hop.track_body(self.site, fields, now=self.clock())
        upstream = self.site.upstream
        limits = limits_of(upstream, self.attempt)
        async with upstream.request(
            "POST", target, headers=headers, body=body, timeouts=limits, deadline=self.attempt
        ) as answer:
            return track.read_answer(answer.status, await answer.read(_ANSWER_LIMIT))


async def answers(site: Site) -> bool:
    """Say whether a HumHub answers, whatever it says."""
    headers = CIMultiDict({"Host": site.host})
    try:
        async with site.upstream.request(
            "HEAD", f"{site.base_path}/", headers=headers, deadline=_WATCH_LIMIT
        ) as answer:
            return answer.status not in _AWAY
    except UpstreamError:
        return False
