"""The command `demo`: the whole house on this machine, to be looked at with a browser, or its story played through."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.app import allow_connections
from bridge.demo import ticker
from bridge.demo.house import House, house
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB, NoNetworkError, is_free, next_free_port
from bridge.demo.story import Step, play
from bridge.protocol.errors import ConfigurationError

DEFAULT_PORT = 8080

# Docs itself waits 5 s after the last one left; whoever watches shouldn't have to.
_SAVE_DELAY = 1.0
_FINE, _FAILED = 0, 1
_NOTES = {
    "admin": "may change everything",
    "alice": "may change her own files, read all of the space",
    "carol": "may read the space's files",
    "bobby": "is no member of the space",
}


@dataclass(frozen=True, slots=True)
class Demo:
    """What the command line asked for; without `port`, it is 8080 or the next free one."""

    console: Console
    port: int | None = None
    once: bool = False
    as_json: bool = False
    keep: Path | None = None

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
        async with house(directory, port=port, docs={"save_delay": _SAVE_DELAY, "rejoin": 10.0}) as running:
            running.humhub.seed_samples()
            if self.once:
                return await self._play(running)
            self._print_house(running)
            await _stopped()
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
        async for step in play(running):
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
            _print_line(self.console, line)
            return
        mark, style = ("ok", "green") if step.ok else ("FAILED", "bold red")
        crossed = " ".join(step.crossed) or "none"
        head = Text.assemble((f"{mark:<7}", style), (f"{step.step:<13}", "bold"), (f"→ {crossed}", "cyan"))
        self.console.print(head, f"       {step.detail}", sep="\n", soft_wrap=True)

    # The house

    def _print_house(self, running: House) -> None:
        if self.as_json:
            _print_line(self.console, _facts(running))
            return
        self.console.print(
            Text.assemble("\nOpen  ", (running.browser_url, "bold underline")),
            "",
            _table("Log in as", [(*login, _NOTES.get(login[0], "")) for login in _logins(running)]),
            "",
            _table("Three networks that refuse each other", _networks(running)),
            "",
            _table("Sample documents", [(name, f"of {owner}") for name, owner in _documents(running)]),
            "",
            f"The bridge's metrics: {running.admin_url}/metrics",
            f"All files are in {running.directory}{'' if self.keep else ', which is removed at the end'}.",
            f"A document is saved {_SAVE_DELAY:g} s after the last one left it. Ctrl-C ends the demo.",
            "",
            "What crosses the bridge:",
            sep="\n",
            soft_wrap=True,
        )


def _logins(running: House) -> list[tuple[str, str]]:
    return [(user.username, user.password) for user in running.humhub.users.values()]


def _documents(running: House) -> list[tuple[str, str]]:
    return [(file.name, file.owner) for file in running.humhub.files.values()]


def _networks(running: House) -> list[tuple[str, ...]]:
    at = running.addresses
    return [
        (BROWSERS.name, BROWSERS.cidr, "you", f"browser leg {at.browser}, admin leg {at.admin}"),
        (HUMHUB.name, HUMHUB.cidr, f"HumHub {at.humhub}", f"humhub leg {at.humhub_leg}"),
        (DOCS.name, DOCS.cidr, f"Docs {at.docs}", f"docs leg {at.docs_leg}"),
    ]


def _facts(running: House) -> dict[str, Any]:
    names = ("name", "network", "resident", "bridge")
    return {
        "url": running.browser_url,
        "admin": running.admin_url,
        "users": [{"username": name, "password": password} for name, password in _logins(running)],
        "networks": [dict(zip(names, row, strict=True)) for row in _networks(running)],
        "documents": [{"name": name, "owner": owner} for name, owner in _documents(running)],
        "directory": str(running.directory),
    }


def _table(title: str, rows: list[tuple[str, ...]]) -> Table:
    table = Table(
        box=None,
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=False,
        pad_edge=False,
        padding=(0, 3),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _print_line(console: Console, value: dict[str, Any]) -> None:
    console.print(json.dumps(value, ensure_ascii=False), soft_wrap=True)
    console.file.flush()


async def _stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        await stop.wait()
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
