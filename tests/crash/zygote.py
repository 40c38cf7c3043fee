"""The process that bridges are forked from: it has everything imported, so that a restart costs milliseconds.

Theory of operation. Started as a script, it reads pickled orders from its standard input and writes lines to its
standard output: `<pid> <what> [more]`. An order starts one bridge, which is a child of its own that writes lines too:
`born` and `died` are the zygote's; `ready`, `step`, `kills` and `fails` the child's. Since all of them go through one
pipe, what a child said stands before that it died. When its input ends, the zygote kills what runs and ends.

A child that is ordered to die at a step calls SIGKILL upon itself there, from whatever thread the step is in: nothing
is flushed, closed or unwound.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import select
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from bridge.app import running
from bridge.config import Config
from bridge.saves.steps import Step

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """Start a bridge.

    ``dies`` says at which steps it kills itself, each with its occurrence, counted from ``grace`` seconds after its
    birth on; the first that is reached counts.
    """

    config: Config
    log: Path
    dies: tuple[tuple[Step, int], ...] = ()
    grace: float = 0.0


def main() -> None:
    """Serve orders until the input ends."""
    orders, wake = sys.stdin.buffer, _wake_on_death()
    children: set[int] = set()
    gc.collect()
    gc.freeze()
    try:
        while True:
            readable, _, _ = select.select([orders, wake], [], [])
            if wake in readable:
                os.read(wake, 4096)
                _reap(children)
            if orders in readable:
                order = _read(orders)
                if order is None:
                    return
                children.add(_bear(order))
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def _wake_on_death() -> int:
    """Give a file that becomes readable when a child dies."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return reading


def _read(orders: BinaryIO) -> Order | None:
    try:
        found = pickle.load(orders)
    except EOFError:
        return None
    assert isinstance(found, Order)
    return found


def _reap(children: set[int]) -> None:
    for child in list(children):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            children.discard(child)
            _say(pid, "died", str(os.waitstatus_to_exitcode(status)))


def _bear(order: Order) -> int:
    pid = os.fork()
    if pid:
        _say(pid, "born")
        return pid
    try:
        _live(order)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it, and nothing may be unwound
        _say(os.getpid(), "fails", repr(traceback.format_exc()))
    finally:
        os._exit(1)


def _live(order: Order) -> None:
    """Be a bridge until killed."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    _log_to(order.log)
    asyncio.run(_run(order))


async def _run(order: Order) -> None:
    async with running(order.config, steps=_Mortal(order)):
        _say(os.getpid(), "ready")
        await asyncio.Event().wait()


class _Mortal:
    """Tells of each step, and dies at the one that was ordered."""

    def __init__(self, order: Order) -> None:
        self._dies = dict(order.dies)
        self._from = time.monotonic() + order.grace
        self._seen: Counter[Step] = Counter()
        self._lock = threading.Lock()

    def __call__(self, step: Step, site: str, key: str) -> None:
        with self._lock:
            self._seen[step] += time.monotonic() >= self._from
            if self._seen[step] == self._dies.get(step):
                _say(os.getpid(), "kills", f"{step} {site} {key}")
                os.kill(os.getpid(), signal.SIGKILL)
        _say(os.getpid(), "step", f"{step} {site} {key}")


def _log_to(path: Path) -> None:
    """Write the bridge's own log where a story that goes wrong finds it."""
    file = path.open("a", buffering=1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file),
    )
    logging.basicConfig(stream=file, level=logging.WARNING, force=True)


def _say(pid: int, what: str, more: str = "") -> None:
    """Write one line, whole: it is shorter than what a pipe takes at once."""
    os.write(sys.stdout.fileno(), f"{pid} {what} {more}".rstrip()[:3000].encode() + b"\n")


if __name__ == "__main__":
    main()
