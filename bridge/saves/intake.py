"""A callback of Docs, from its verified message to the answer that Docs hears.

Theory of operation
-------------------
News (1, 4) is passed on to HumHub. A save (2, 3, 6, 7 with a file) is first made durable: its body is fetched from the
node at once, checked, and kept in a file. Then HumHub is told of it, and pulls the body from the humhub leg by a
capability of that one attempt; HumHub's own fetch obeys no configuration and stores whatever it gets, so it must never
be sent anywhere else.

Docs hears ``{"error":0}`` only when HumHub itself has confirmed this save, and ``{"error":1}`` otherwise: then Docs
keeps its own copy, and whoever opens the document again sees the newest content. Never 429, 5xx or a redirect, which
Docs would retry or follow; never 201 or 204, which it takes for a refusal.

One attempt a document at a time. An undelivered body stays in the directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypedDict

import structlog
from multidict import CIMultiDict

from bridge import hop
from bridge.protocol.errors import BadAnswerError, BridgeError, UnreachableError, UpstreamError
from bridge.protocol.messages import Callback, Status
from bridge.protocol.signatures import is_page
from bridge.protocol.urls import docs_file
from bridge.saves.attempts import Attempts
from bridge.saves.spool import Entry, Spool
from bridge.sites import Site, Topology
from bridge.transport.upstream import Answer, Timeouts, Upstream

__all__ = ["Intake", "Outcome", "Verdict", "judge"]

log = structlog.get_logger(__name__)

# HumHub's answer to a callback is a line; an error page of its is some 20 KB.
_ANSWER_LIMIT = 1 << 20


class _Limits(TypedDict):
    timeouts: Timeouts
    deadline: float


class Outcome(enum.StrEnum):
    """What became of one callback, for log and metrics."""

    DELIVERED = "delivered"
    NOTED = "noted"
    GONE = "gone"
    REFUSED = "refused"
    FAILED = "failed"
    NOT_KEPT = "not-kept"
    NO_FILE = "no-file"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Docs hears (``error`` 0 or 1), and why."""

    error: int
    outcome: Outcome
    why: str = ""
    entry: str | None = None


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes callbacks for all sites.

    Args:
        deadline: seconds for which one callback goes on starting attempts.
        attempt: seconds that one attempt may last.
        locks: of the documents that are being saved; one attempt a document at a time.
    """

    topology: Topology
    spool: Spool
    attempts: Attempts
    clock: Callable[[], float]
    deadline: float
    attempt: float
    locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = field(default_factory=dict)

    async def take(self, site: Site, callback: Callback, target: str) -> Verdict:
        """Carry a verified callback for ``target``, HumHub's own track route, to its end and say what Docs hears."""
        if callback.brings_file:
            with self._turn(site, callback.key) as lock:
                async with lock:
                    return await self._save(site, callback, target)
        if callback.status in (Status.EDITED, Status.CLOSED):
            return await self._tell(site, callback, target)
        if callback.status in (Status.SAVE, Status.SAVE_FAILED, Status.FORCED_SAVE):
            # Nothing was saved, so Docs isn't told that it was.
            return Verdict(1, Outcome.NO_FILE, "the save brought no file")
        return Verdict(0, Outcome.NOTED, f"status {callback.status.name.lower()} has nothing to save")

    @contextlib.contextmanager
    def _turn(self, site: Site, key: str) -> Iterator[asyncio.Lock]:
        """Give the lock of a document, which lives as long as somebody waits for it."""
        name = (site.name, key)
        lock, users = self.locks.get(name, (asyncio.Lock(), 0))
        self.locks[name] = (lock, users + 1)
        try:
            yield lock
        finally:
            lock, users = self.locks.pop(name)
            if users > 1:
                self.locks[name] = (lock, users - 1)

    async def _tell(self, site: Site, callback: Callback, target: str) -> Verdict:
        try:
            verdict = await self._post(site, target, callback.fields)
        except UpstreamError as error:
            return Verdict(0, Outcome.NOTED, f"HumHub: {error.message}")
        if verdict.outcome == Outcome.FAILED:
            return Verdict(0, Outcome.NOTED, verdict.why)
        return verdict

    async def _save(self, site: Site, callback: Callback, target: str) -> Verdict:
        try:
            entry = await self._keep(site, callback)
        except BridgeError as error:
            # Docs keeps it as forgotten, and its re-open shows it.
            log.error("save not kept", site=site.name, key=callback.key, why=error.message, **_more(error))
            return Verdict(1, Outcome.NOT_KEPT, error.message)
        verdict = await self._deliver(site, callback, target, entry)
        if verdict.outcome == Outcome.DELIVERED:
            await self.spool.drop(entry)
        else:
            await self.spool.note(entry, outcome=verdict.outcome, why=verdict.why)
        return Verdict(verdict.error, verdict.outcome, verdict.why, entry.id)

    async def _keep(self, site: Site, callback: Callback) -> Entry:
        path = docs_file(callback.url or "")
        node = self.topology.node_for(callback.key)
        about = {
            "site": site.name,
            "key": callback.key,
            "status": int(callback.status),
            "filetype": callback.filetype,
            "users": callback.fields.get("users"),
            "source": path.partition("?")[0],
            "kept": self.clock(),
        }
        headers = CIMultiDict({"Accept-Encoding": "identity"})
        async with node.upstream.request("GET", path, headers=headers, **self._limits(node.upstream)) as answer:
            _check_file(answer, callback.filetype)
            return await self.spool.keep(_counted(answer), filetype=callback.filetype, about=about)

    async def _deliver(self, site: Site, callback: Callback, target: str, entry: Entry) -> Verdict:
        """Attempt the delivery; again only where HumHub was never reached, until the deadline."""
        until = asyncio.get_running_loop().time() + self.deadline
        for pause in itertools.chain((0.5, 1, 2, 4), itertools.repeat(8.0)):
            try:
                return await self._attempt(site, callback, target, entry)
            except UnreachableError as error:
                if asyncio.get_running_loop().time() + pause >= until:
                    return Verdict(1, Outcome.FAILED, f"HumHub: {error.message}")
                log.warning("HumHub is not reached, trying again", site=site.name, key=callback.key, pause=pause)
                await asyncio.sleep(pause)
            except UpstreamError as error:
                return Verdict(1, Outcome.FAILED, f"HumHub: {error.message}")
            except BridgeError as error:
                # Nothing was sent: the message has a link that can't be mapped. The body stays, and its label says why.
                return Verdict(1, Outcome.FAILED, error.message)
        raise AssertionError("unreachable: the pauses never end")

    async def _attempt(self, site: Site, callback: Callback, target: str, entry: Entry) -> Verdict:
        with self.attempts.begin(site.name, entry) as path:
            fields = callback.mapped(
                lambda url: hop.file_for_humhub(self.topology, site, url),
                url=self.topology.humhub_url(site, path),
            )
            return await self._post(site, target, fields)

    def _limits(self, upstream: Upstream) -> _Limits:
        """Give one attempt its own limit: HumHub says nothing while it pulls and stores, however long that takes."""
        timeouts = dataclasses.replace(upstream.timeouts, first_byte=max(self.attempt, upstream.timeouts.first_byte))
        return {"timeouts": timeouts, "deadline": self.attempt}

    async def _post(self, site: Site, target: str, fields: dict[str, Any]) -> Verdict:
        """Tell HumHub's track route, and read its answer by the table: what it stores and what it refuses."""
        headers = CIMultiDict({"Host": site.host, "Content-Type": "application/json", "Accept": "application/json"})
        body = hop.track_body(site, fields, now=self.clock())
        limits = self._limits(site.upstream)
        async with site.upstream.request("POST", target, headers=headers, body=body, **limits) as answer:
            raw = await answer.read(_ANSWER_LIMIT)
        return judge(answer.status, raw)


def judge(status: int, raw: bytes) -> Verdict:
    """Read HumHub's answer to a callback.

    404 means that the key is cleared: saved before, or the file was replaced; 403 that secrets or clocks differ.
    """
    if status == HTTPStatus.OK and _confirms(raw):
        return Verdict(0, Outcome.DELIVERED)
    if status == HTTPStatus.NOT_FOUND:
        return Verdict(1, Outcome.GONE, "HumHub no longer knows this key (404)")
    if status == HTTPStatus.FORBIDDEN:
        return Verdict(1, Outcome.REFUSED, f"HumHub refuses our token (403): {_said(raw)}; compare secrets and clocks")
    return Verdict(1, Outcome.FAILED, f"HumHub answered {status}: {_said(raw)}")


def _confirms(raw: bytes) -> bool:
    try:
        answer = json.loads(raw)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("error") == 0 and not isinstance(answer.get("error"), bool)


def _said(raw: bytes) -> str:
    """Give what HumHub said in a word or two, for the log."""
    try:
        answer = json.loads(raw)
    except ValueError:
        return "no JSON" if raw else "nothing"
    return str(answer.get("message", answer) if isinstance(answer, dict) else answer)[:200]


def _check_file(answer: Answer, filetype: str | None) -> None:
    if answer.status != HTTPStatus.OK:
        raise BadAnswerError("ONLYOFFICE Docs does not give the edited file.", answered=answer.status)
    if is_page(answer.media_type, filetype):
        raise BadAnswerError("ONLYOFFICE Docs gives a page instead of the edited file.", content_type=answer.media_type)


async def _counted(answer: Answer) -> AsyncIterator[bytes]:
    """Pass the body on and compare its length with the promised one."""
    got = 0
    async for chunk in answer.body:
        got += len(chunk)
        yield chunk
    if answer.content_length is not None and got != answer.content_length:
        raise BadAnswerError("The edited file is shorter than promised.", promised=answer.content_length, got=got)


def _more(error: BridgeError) -> dict[str, Any]:
    return {"remedy": error.remedy, "reason": error.reason, **error.details} if error.remedy else dict(error.details)
