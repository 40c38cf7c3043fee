"""The demo's house for a load run, as a process of its own: `python -m tests.load.house DIRECTORY`.

It writes one line of JSON when everything listens: the environment that locust needs. When its input ends, it writes a
second one with what it saw, and ends. HumHub and Docs share this process; the bridge has one of its own, whose memory
can be looked at, and leaves its log and its metrics in the directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import urllib.error
import urllib.request
from multiprocessing.process import BaseProcess
from pathlib import Path

from bridge.app import serve
from bridge.config import Config
from bridge.demo.house import House, house
from bridge.demo.networks import DOCS, HUMHUB
from bridge.watch import logs

_ACCOUNTS = ("admin", "alice")
_PATIENCE = 60.0
_POLL = 0.05


async def _main(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        await _stand(Path(temporary), directory)


async def _stand(temporary: Path, directory: Path) -> None:
    async with house(temporary, without=("bridge",), docs={"save_delay": 0.5}) as stood:
        bridge = multiprocessing.get_context("spawn").Process(
            target=_bridge, args=(stood.config, directory / "bridge.log")
        )
        bridge.start()
        try:
            await _until_ready(stood, bridge)
            accounts = temporary / "accounts.txt"
            accounts.write_text("".join(f"{name}:{stood.humhub.users[name].password}\n" for name in _ACCOUNTS))
            _say(_environment(stood, accounts))
            await asyncio.to_thread(sys.stdin.read)
            await _settled(stood)
            _say(await asyncio.to_thread(_seen, stood, bridge, directory))
        finally:
            bridge.terminate()
            await asyncio.to_thread(bridge.join)


def _bridge(config: Config, log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    logs.configure(level=config.log.level, style=config.log.format)
    asyncio.run(serve(config))


async def _until_ready(stood: House, bridge: BaseProcess) -> None:
    async with asyncio.timeout(_PATIENCE):
        while bridge.is_alive():
            try:
                await asyncio.to_thread(_get, f"{stood.admin_url}/readyz")
            except (urllib.error.URLError, OSError):
                await asyncio.sleep(_POLL)
            else:
                return
    raise RuntimeError("the bridge did not start: see its log")


async def _settled(stood: House) -> None:
    """Give what is under way its time."""
    with contextlib.suppress(TimeoutError):  # what still waits is in the second line
        await stood.until(lambda: not stood.saves, within=_PATIENCE)


def _environment(stood: House, accounts: Path) -> dict[str, str]:
    at, humhub, docs = stood.addresses, stood.humhub.settings, stood.docs.settings
    return {
        "LOCUST_HOST": stood.browser_url,
        "LOAD_ACCOUNTS": str(accounts),
        "LOAD_DOCS_LEG": f"http://{at.docs_leg}",
        "LOAD_DOCS_SECRET": docs.secret,
        "LOAD_DOCS_HEADER": docs.header,
        "LOAD_DOCS_SOURCE": DOCS.resident,
        "LOAD_HUMHUB_LEG": f"http://{at.humhub_leg}",
        "LOAD_HUMHUB_SECRET": humhub.secret,
        "LOAD_HUMHUB_HEADER": humhub.header,
        "LOAD_HUMHUB_SOURCE": HUMHUB.resident,
    }


def _seen(stood: House, bridge: BaseProcess, directory: Path) -> dict[str, object]:
    (directory / "metrics.txt").write_text(_get(f"{stood.admin_url}/metrics"))
    status = Path(f"/proc/{bridge.pid}/status").read_text().splitlines()
    memory = {line.split()[0].rstrip(":"): int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")}
    return {"undelivered": len(stood.saves), "alive": bridge.is_alive(), "peak_mib": memory.get("VmHWM")}


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=_PATIENCE) as answer:
        return str(answer.read().decode())


def _say(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - its output is for the process that started it


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
