"""What Prometheus reads."""

from __future__ import annotations

from bridge.store.index import Total
from bridge.store.records import State
from bridge.watch.metrics import Metrics


def lines(metrics: Metrics) -> list[str]:
    return metrics.page().decode().splitlines()


def test_a_request_is_counted_by_leg_site_and_outcome() -> None:
    metrics = Metrics()
    for _ in range(2):
        metrics.request(leg="docs", site="social", outcome="ok", seconds=45, bytes_in=3, bytes_out=5)
    found = lines(metrics)
    assert 'bridge_requests_total{leg="docs",outcome="ok",site="social"} 2.0' in found
    assert 'bridge_body_bytes_total{direction="in",leg="docs"} 6.0' in found
    assert 'bridge_body_bytes_total{direction="out",leg="docs"} 10.0' in found


def test_minutes_are_told_from_seconds() -> None:
    metrics = Metrics()
    for seconds in (0.01, 45, 200):
        metrics.request(leg="docs", site="", outcome="ok", seconds=seconds, bytes_in=0, bytes_out=0)
    found = lines(metrics)
    for limit, count in (("10.0", 1), ("60.0", 2), ("300.0", 3)):
        assert f'bridge_request_seconds_bucket{{le="{limit}",leg="docs"}} {count}.0' in found


def test_a_websockets_life_is_no_answers_time() -> None:
    metrics = Metrics()
    metrics.request(leg="browser", site="", outcome="closed", seconds=None, bytes_in=1, bytes_out=1)
    found = lines(metrics)
    assert 'bridge_requests_total{leg="browser",outcome="closed",site=""} 1.0' in found
    assert not any(line.startswith("bridge_request_seconds_count") for line in found)


def test_what_fails_is_counted_by_its_reason() -> None:
    metrics = Metrics()
    metrics.token_refused(leg="docs", reason="expired")
    metrics.upstream_failed(upstream="docs-1", reason="time-out")
    metrics.saved(site="social", outcome="delivered")
    found = lines(metrics)
    assert 'bridge_tokens_refused_total{leg="docs",reason="expired"} 1.0' in found
    assert 'bridge_upstream_errors_total{reason="time-out",upstream="docs-1"} 1.0' in found
    assert 'bridge_saves_total{outcome="delivered",site="social"} 1.0' in found


def test_gauges_are_read_when_they_are_asked_for() -> None:
    metrics, open_sockets = Metrics(), [1]
    metrics.watch(websockets=lambda: len(open_sockets))
    open_sockets.append(2)
    assert "bridge_websockets 2.0" in lines(metrics)


def test_what_is_kept_is_counted_by_site_and_state() -> None:
    metrics = Metrics()
    metrics.kept([Total("social", State.WAITING, 2, 4096, 1000.0)], ["social"], now=1060.0)
    metrics.forgotten({"docs-1": 3})
    found = lines(metrics)
    assert 'bridge_spool_entries{site="social",state="waiting"} 2.0' in found
    assert 'bridge_spool_bytes{site="social",state="waiting"} 4096.0' in found
    assert 'bridge_spool_oldest_seconds{site="social",state="waiting"} 60.0' in found
    assert 'bridge_spool_entries{site="social",state="dead"} 0.0' in found
    assert 'bridge_forgotten_unknown{node="docs-1"} 3.0' in found
    metrics.kept([], ["social"], now=1070.0)
    assert 'bridge_spool_oldest_seconds{site="social",state="waiting"} 0.0' in lines(metrics)


def test_each_process_has_figures_of_its_own() -> None:
    one, other = Metrics(), Metrics()
    one.saved(site="social", outcome="delivered")
    assert not any(line.startswith("bridge_saves_total{") for line in lines(other))
