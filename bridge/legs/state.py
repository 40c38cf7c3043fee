"""What the handlers of a leg work with: typed keys into the application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from bridge.connector.connector import Connector
from bridge.legs.engines import Engines
from bridge.legs.opens import Opens
from bridge.saves.saves import Saves
from bridge.sites import Topology
from bridge.transport.websocket import LiveSockets
from bridge.watch.metrics import Metrics

__all__ = [
    "CLOCK",
    "CONNECTORS",
    "ENGINES",
    "LIMITS",
    "METRICS",
    "OPENS",
    "POLLS",
    "SAVES",
    "SOCKETS",
    "TOPOLOGY",
    "Limits",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds that handlers keep: sizes in bytes, times in seconds."""

    body: int
    page: int
    websocket_message: int
    websocket_idle: float
    download: float
    conversion: float


TOPOLOGY = web.AppKey("TOPOLOGY", Topology)
LIMITS = web.AppKey("LIMITS", Limits)
METRICS = web.AppKey("METRICS", Metrics)
ENGINES = web.AppKey("ENGINES", Engines)
OPENS = web.AppKey("OPENS", Opens)
POLLS = web.AppKey("POLLS", LiveSockets)
SAVES = web.AppKey("SAVES", Saves)
SOCKETS = web.AppKey("SOCKETS", LiveSockets)
CONNECTORS: web.AppKey[Mapping[str, Connector]] = web.AppKey("CONNECTORS")
CLOCK: web.AppKey[Callable[[], float]] = web.AppKey("CLOCK")
