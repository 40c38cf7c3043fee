"""The command `demo`: the whole house on this machine, to be looked at with a browser, or its story played through."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bridge.app import allow_connections
from bridge.demo import connector_story, shelves, story, ticker
from bridge.demo.house import House, house
from bridge.demo.networks import BROWSERS, NoNetworkError, is_free, next_free_port
from bridge.demo.story import Step
from bridge.demo.welcome import print_line, welcome
from bridge.demo.wiring import documents
from bridge.protocol.errors import ConfigurationError

DEFAULT_PORT = 8080

# Docs itself waits 5 s after the last one left; whoever watches shouldn't have to.
_SAVE_DELAY = 1.0
_FINE, _FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Demo:
    """What the command line asked for; without `port`, it is 8080 or the next free one.

    `connector` is where the bridge is the integration, as in `Layout`.
    """

    console: Console
    port: int | None = None
    once: bool = False
    as_json: bool = False
    keep: Path | None = None
    connector: str = ""

    def run(self) -> int:
        """Run it; give the exit code.

        Raises:
            ConfigurationError: the port is taken, or this machine's loopback lacks addresses.
        """
        with _directory(self.keep) as directory:
            try:
                return asyncio.run(self._run(directory))
            except NoNetworkError as error:
                raise ConfigurationError(str(error)) from error

    async def _run(self, directory: Path) -> int:
        ticker.install(None if self.once or self.as_json else self.console.print)
        port = self._port()
        allow_connections()
        docs = {"save_delay": _SAVE_DELAY, "rejoin": 10.0}
        async with house(directory, port=port, docs=docs, connector=self.connector) as running:
            if self.once:
                return await self._play(running)
            await asyncio.to_thread(_seed, running)
            with _stopping() as stop:
                welcome(self.console, running, as_json=self.as_json, kept=self.keep is not None)
                await stop.wait()
        return _FINE

    def _port(self) -> int | None:
        """Return the browser leg's port; any will do for a story that nobody watches with a browser."""
        if self.port is not None:
            if not is_free(BROWSERS.bridge, self.port):
                raise ConfigurationError(f"Port {self.port} is in use.", remedy="Choose another with --port.")
            return self.port
        if self.once:
            return None
        port = next_free_port(BROWSERS.bridge, DEFAULT_PORT)
        if port != DEFAULT_PORT and not self.as_json:
            self.console.print(f"Port {DEFAULT_PORT} is in use, so it is {port}.")
        return port

    # The story

    async def _play(self, running: House) -> int:
        step: Step | None = None
        started = asyncio.get_running_loop().time()
        if not self.as_json:
            self.console.print("A document's life through three networks; → the legs of the bridge that it crossed.\n")
        async for step in connector_story.play(running) if self.connector else story.play(running):
            self._print_step(step)
        ok = step is not None and step.ok
        if not self.as_json:
            seconds = asyncio.get_running_loop().time() - started
            ending = "The whole story went well" if ok else "The story ended here"
            self.console.print(f"\n{ending} ({seconds:.1f} s).", style="bold" if ok else "bold red")
        return _FINE if ok else _FAILED

    def _print_step(self, step: Step) -> None:
        if self.as_json:
            line = {"step": step.step, "ok": step.ok, "crossed": list(step.crossed), "detail": step.detail}
            print_line(self.console, line)
            return
        mark, style = ("ok", "green") if step.ok else ("FAILED", "bold red")
        crossed = " ".join(step.crossed) or "none"
        head = Text.assemble((f"{mark:<7}", style), (f"{step.step:<13}", "bold"), (f"→ {crossed}", "cyan"))
        self.console.print(head, f"       {step.detail}", sep="\n", soft_wrap=True)


def _seed(running: House) -> None:
    """Put sample documents where people find them."""
    if running.layout.connector == "directory":
        shelves.fill(documents(running.directory))
        return
    running.humhub.seed_samples()
    if running.layout.connector:
        for name, content in shelves.samples().items():
            running.humhub.add_cfile(name, content, owner="alice")


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """Give what Ctrl-C and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """Give a directory to work in: the one that is kept, or one that is removed at the end."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="humhub-bridge-demo-") as name:
        yield Path(name)
