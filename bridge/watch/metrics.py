"""Metrics for Prometheus: ``bridge_<noun>_<unit>``; labels are leg, site, node, outcome, and never a key or a user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from bridge.store.index import Total
from bridge.store.records import State

__all__ = ["CONTENT_TYPE", "Metrics"]

# In seconds: a page takes fractions of one, a callback that HumHub stores, or a conversion, minutes.
_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All figures of one process, on a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "bridge_requests_total", "Requests answered.", ("leg", "site", "outcome"), registry=self.registry
        )
        self._seconds = Histogram(
            "bridge_request_seconds",
            "From the head to the end of an answer.",
            ("leg",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._bytes = Counter(
            "bridge_body_bytes_total", "Bytes of bodies moved.", ("leg", "direction"), registry=self.registry
        )
        self._tokens = Counter(
            "bridge_tokens_refused_total", "Tokens that did not hold.", ("leg", "reason"), registry=self.registry
        )
        self._upstreams = Counter(
            "bridge_upstream_errors_total",
            "Calls that an upstream failed.",
            ("upstream", "reason"),
            registry=self.registry,
        )
        self._saves = Counter(
            "bridge_saves_total", "Callbacks, by what became of them.", ("site", "outcome"), registry=self.registry
        )
        self._away = Counter(
            "bridge_requests_refused_total",
            "Requests and connections that were over a limit, or no HTTP.",
            ("leg", "reason"),
            registry=self.registry,
        )
        self._connections = Gauge("bridge_connections", "Open connections.", ("leg",), registry=self.registry)
        self._websockets = Gauge("bridge_websockets", "Websockets being relayed.", registry=self.registry)
        self._deliveries = Counter(
            "bridge_deliveries_total", "Attempts to deliver, by their end.", ("site", "outcome"), registry=self.registry
        )
        kept = ("site", "state")
        self._kept = Gauge("bridge_spool_entries", "Edited files that are kept.", kept, registry=self.registry)
        self._kept_bytes = Gauge("bridge_spool_bytes", "Their size.", kept, registry=self.registry)
        self._kept_oldest = Gauge(
            "bridge_spool_oldest_seconds", "The age of the oldest of them.", kept, registry=self.registry
        )
        self._forgotten = Gauge(
            "bridge_forgotten_unknown",
            "Files that Docs could not deliver, of documents that the bridge has never seen.",
            ("node",),
            registry=self.registry,
        )
        Info("bridge_build", "The running version.", registry=self.registry).info(
            {"version": version("humhub-onlyoffice-bridge")}
        )

    def request(
        self, *, leg: str, site: str, outcome: str, seconds: float | None, bytes_in: int, bytes_out: int
    ) -> None:
        """Count one answered request; ``site`` is empty where none was found, ``seconds`` None for a websocket's."""
        self._requests.labels(leg, site, outcome).inc()
        if seconds is not None:
            self._seconds.labels(leg).observe(seconds)
        self._bytes.labels(leg, "in").inc(bytes_in)
        self._bytes.labels(leg, "out").inc(bytes_out)

    def token_refused(self, *, leg: str, reason: str) -> None:
        """Count a token that did not hold."""
        self._tokens.labels(leg, reason).inc()

    def turned_away(self, *, leg: str, reason: str) -> None:
        """Count a request or connection that was over a limit, or no HTTP."""
        self._away.labels(leg, reason).inc()

    def connected(self, leg: str, connections: Callable[[], int]) -> None:
        """Read a leg's open connections from where their truth is."""
        self._connections.labels(leg).set_function(connections)

    def upstream_failed(self, *, upstream: str, reason: str) -> None:
        """Count a call that an upstream failed."""
        self._upstreams.labels(upstream, reason).inc()

    def saved(self, *, site: str, outcome: str) -> None:
        """Count what became of a callback."""
        self._saves.labels(site, outcome).inc()

    def delivered(self, site: str, outcome: str) -> None:
        """Count an attempt to deliver."""
        self._deliveries.labels(site, outcome).inc()

    def watch(self, *, websockets: Callable[[], int]) -> None:
        """Read the gauge from where its truth is, whenever it is asked for."""
        self._websockets.set_function(websockets)

    def kept(self, totals: Iterable[Total], sites: Iterable[str], *, now: float) -> None:
        """Set what is kept; a site and state without entries has none."""
        for site in sites:
            for state in State:
                for gauge in (self._kept, self._kept_bytes, self._kept_oldest):
                    gauge.labels(site, state.value).set(0)
        for total in totals:
            labels = (total.site, total.state.value)
            self._kept.labels(*labels).set(total.number)
            self._kept_bytes.labels(*labels).set(total.size)
            self._kept_oldest.labels(*labels).set(max(0.0, now - total.oldest))

    def forgotten(self, unknown: Mapping[str, int]) -> None:
        """Set how many forgotten files of unknown documents each node has."""
        for node, number in unknown.items():
            self._forgotten.labels(node).set(number)

    def page(self) -> bytes:
        """Give the page that Prometheus reads."""
        return generate_latest(self.registry)
