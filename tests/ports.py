"""Ports for listeners of tests: each is given once a process, and no two workers of a test run share one."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator

from bridge.demo.networks import is_free

__all__ = ["fresh_port"]

_HOST = "127.0.0.1"
# Below the range that the system takes outgoing calls' ports from, and above what services listen on.
_PORTS = range(10_200, 19_900)
_WORKERS = 8


def _ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
    mine = list(_PORTS[worker::_WORKERS])
    random.shuffle(mine)
    return itertools.cycle(mine)


_NEXT = _ports()


def fresh_port() -> int:
    """Give a port of this machine on which nobody listens."""
    return next(port for port in _NEXT if is_free(_HOST, port))
