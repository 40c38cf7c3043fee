"""A bridge between two servers that fail on purpose, and what comes of each exchange: the answer, and the log."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from structlog.testing import capture_logs
from structlog.typing import EventDict

from bridge.app import running
from bridge.config import Config, UpstreamConfig
from tests.failures.asking import DOCX, GOOD, ROUTES, Got, Request, ask, exchange
from tests.failures.faults import FAULTS, TIMELY, Good, Server, serving
from tests.legs.fakes import NOW, configuration, with_site

__all__ = ["LIMIT", "WHOLE", "Lines", "Played", "Scene", "logged", "scene"]

# Seconds of the time limits: of the first byte and between two; of what is bounded as a whole; and, for what isn't
# about time, so much that no busy machine is taken for a silent server.
LIMIT: Final = 0.5
WHOLE: Final = 1.2
_DIAL: Final = 2.0
_PLENTY: Final = 20.0
# So many exchanges at once are no load; of one site, so many saves are told at once.
_AT_ONCE: Final = 12
_NEVER_CROWDED: Final = 1000
_FILE: Final = Good(DOCX)


@dataclass
class Lines:
    """The log: structured lines, and what any library said above them."""

    lines: list[EventDict] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def of(self, name: str, request_id: str | None) -> list[EventDict]:
        """Give the lines about an exchange: those with its request's id, and those that name it."""
        return [
            line
            for line in self.lines
            if (request_id and line.get("request_id") == request_id) or name in (line.get("key"), _last(line))
        ]


def _last(line: EventDict) -> str:
    return str(line.get("path", "")).partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Played:
    """What came of one exchange: the answer, the log's lines, and what the upstream was asked."""

    got: Got
    lines: list[EventDict]
    asked: list[bytes]

    @property
    def line(self) -> EventDict:
        """The canonical line."""
        (found,) = [line for line in self.lines if line["event"] == "request"]
        return found

    @property
    def loud(self) -> list[EventDict]:
        """The lines that an admin would be woken by."""
        return [line for line in self.lines if line["log_level"] not in ("debug", "info")]

    @property
    def cell(self) -> str:
        """Say in a table's cell what the client got, and what the log calls it."""
        got, outcome = self.got, self.line["outcome"]
        if got.late:
            return "never ends"
        if got.status is None:
            return f"cut: {outcome}"
        if not got.whole:
            return f"{got.status}, cut: {outcome}"
        return f"{got.status} {outcome}"


@dataclass
class Scene:
    """The bridge, its two servers, and the log."""

    config: Config
    patient: Config
    humhub: Server
    docs: Server
    log: Lines

    async def ask(self, request: Request, *, patiently: bool = False) -> Got:
        legs = (self.patient if patiently else self.config).legs
        return await ask(getattr(legs, request.leg).listen.port, request)

    async def play(self, route: str, fault: str) -> Played:
        name = exchange(route, fault)
        got = await self.ask(ROUTES[route](name), patiently=fault not in TIMELY)
        await asyncio.sleep(0.02)  # the line is written after the answer
        lines = self.log.of(name, got.headers.get("x-request-id"))
        return Played(got, lines, [*self.humhub.asked.get(name, ()), *self.docs.asked.get(name, ())])

    async def play_all(self, exchanges: Iterable[tuple[str, str]], at_once: int) -> dict[tuple[str, str], Played]:
        """Play many exchanges, so many at once; of the servers' health one after the other, as nothing names them."""
        names, free, health = list(exchanges), asyncio.Semaphore(at_once), asyncio.Lock()

        async def play(route: str, fault: str) -> Played:
            if route != "health":
                async with free:
                    return await self.play(route, fault)
            async with health:
                self.docs.always = exchange(route, fault)
                return await self.play(route, fault)

        found = await asyncio.gather(*(play(*name) for name in names))
        return dict(zip(names, found, strict=True))

    async def play_everything(self) -> dict[tuple[str, str], Played]:
        """Play every fault on every route: first what is waited for, all at once, then what isn't."""
        every = [(route, fault) for route in ROUTES for fault in FAULTS]
        found = await self.play_all([name for name in every if name[1] in TIMELY], len(every))
        return found | await self.play_all([name for name in every if name[1] not in TIMELY], _AT_ONCE)


class _Foreign(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(self.format(record))


@asynccontextmanager
async def logged() -> AsyncIterator[Lines]:
    """Keep what is said in the block."""
    log = Lines()
    foreign = _Foreign(log.foreign)
    logging.getLogger().addHandler(foreign)
    try:
        with capture_logs() as log.lines:
            yield log
    finally:
        logging.getLogger().removeHandler(foreign)


def waiting(config: Config, limit: float, whole: float) -> Config:
    """Set every time limit, in seconds: ``whole`` is of what has a limit as a whole."""

    def upstream(url: Any) -> UpstreamConfig:
        dial = max(_DIAL, limit)
        return UpstreamConfig(url=url, connections=_NEVER_CROWDED, connect=dial, first_byte=limit, idle=limit)

    nodes = tuple(dataclasses.replace(node, upstream=upstream(node.upstream.url)) for node in config.docs.nodes)
    limits = dataclasses.replace(config.limits, idle=limit, download=whole, conversion=limit)
    return dataclasses.replace(
        with_site(upstream=upstream(config.sites[0].upstream.url))(config),
        docs=dataclasses.replace(config.docs, nodes=nodes),
        limits=limits,
        saves=dataclasses.replace(config.saves, deadline=0.0, attempt=whole),
    )


@asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    """Run two bridges between the same servers, of which one waits for nothing and the other for a long time."""
    async with (
        logged() as log,
        serving(GOOD, {"save": Good(b'{"error":0}', "application/json")}) as humhub,
        serving(GOOD, {"delivery": _FILE}) as docs,
    ):
        quick, patient = (
            waiting(configuration(directory / name, humhub.url, docs.url), *limits)
            for name, limits in (("quick", (LIMIT, WHOLE)), ("patient", (_PLENTY, _PLENTY)))
        )
        async with running(quick, clock=lambda: NOW), running(patient, clock=lambda: NOW):
            yield Scene(quick, patient, humhub, docs, log)
