"""How long an attempt may last, as its upstream's time limits."""

from __future__ import annotations

import dataclasses

from bridge.transport.upstream import Timeouts, Upstream

__all__ = ["limits_of"]


def limits_of(upstream: Upstream, attempt: float) -> Timeouts:
    """Give one attempt its own limit: HumHub says nothing while it pulls and stores, however long that takes."""
    first_byte = max(attempt, upstream.timeouts.first_byte)
    return dataclasses.replace(upstream.timeouts, first_byte=first_byte, setting="saves.attempt")
