"""The whole house: a small HumHub, a small Docs and the bridge between them, in three networks that refuse each other.

Used by the demo and by tests. The bridge runs in this process, on real listeners; it can be stopped and started again
on the same addresses, and so can each stand-in.

    async with house(directory, docs={"save_delay": 0.2}) as h:
        alice = await h.log_in("alice")
        editor = await alice.edit(await alice.create("Minutes"))
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bridge.app import running
from bridge.config import Config
from bridge.demo.docs import Callback, DocsSettings, SmallDocs
from bridge.demo.humhub import HumHubSettings, SmallHumHub
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB, check_addresses
from bridge.demo.person import Person
from bridge.demo.wiring import Addresses, Layout, configuration, documents, module_addresses
from bridge.store.sqlite import path_of

# Each HumHub has a header of its own where there are several.
HUMHUB_HEADERS = ("Authorization", "X-Module-Jwt")
DOCS_HEADER = "AuthorizationJwt"
_POLL = 0.02
LEGS = ("browser", "docs", "humhub")

# Fast, and still long enough for a bridge to be restarted before Docs takes its editors for gone.
_DOCS_DEFAULTS: Mapping[str, Any] = {
    "save_delay": 0.2,
    "rejoin": 4.0,
    "retry_delays": (0.1, 0.2, 0.4),
    "download_retry_delay": 0.1,
}

Adjust = Callable[[Config], Config]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The bridge's counters at one moment: requests, bytes and what else it counts by leg, and open websockets."""

    counts: Counter[str]
    websockets: int

    def crossed_since(self, before: Traffic) -> tuple[str, ...]:
        """Name the legs that something went through since then.

        What goes through a websocket is counted when that ends; one that is open all the while is the browser leg's.
        """
        open_all_the_while = {"browser"} if before.websockets and self.websockets else set()
        return tuple(leg for leg in LEGS if self.counts[leg] > before.counts[leg] or leg in open_all_the_while)


@dataclass(slots=True)
class House:
    """A running house; what runs can be stopped and started one by one."""

    directory: Path
    addresses: Addresses
    config: Config
    humhubs: tuple[SmallHumHub, ...]
    docs: SmallDocs
    layout: Layout
    _people: list[Person] = field(default_factory=list)
    _bridge: AsyncExitStack | None = None

    @property
    def humhub(self) -> SmallHumHub:
        """The only HumHub, or the first of several."""
        return self.humhubs[0]

    @property
    def browser_url(self) -> str:
        """Where people go: the browser leg, or HumHub itself."""
        return self.front(0)

    @property
    def admin_url(self) -> str:
        return f"{self.layout.scheme}://{self.addresses.admin}"

    def front(self, site: int) -> str:
        """Give where people go who use a site."""
        return self.addresses.front(self.layout, site)

    @property
    def saves(self) -> list[Path]:
        """Give the saved bodies that HumHub doesn't have yet, oldest first, from the bridge's own index."""
        index, where = path_of(self.config.store.url), self.config.saves.directory
        if not index.exists() or not isinstance(where, Path):
            return []
        with contextlib.closing(sqlite3.connect(f"file:{index}?mode=ro", uri=True)) as sql:
            query = "SELECT id FROM entries WHERE held AND state IN ('waiting', 'dead') ORDER BY kept"
            return [where / f"{identity}.body" for (identity,) in sql.execute(query)]

    # People

    def person(self, username: str, site: int = 0) -> Person:
        """Give a user a browser; nobody is logged in yet."""
        humhub = self.humhubs[site]
        base, password = self.front(site) + humhub.settings.base_path, humhub.users[username].password
        pretty = humhub.settings.pretty_urls
        self._people.append(Person(username, password, base, pretty_urls=pretty, trust=self._trust))
        return self._people[-1]

    @property
    def _trust(self) -> ssl.SSLContext | None:
        return self.layout.certificate.trusted() if self.layout.certificate else None

    async def log_in(self, username: str, site: int = 0) -> Person:
        """Give a user a browser and log in."""
        person = self.person(username, site)
        await person.log_in()
        return person

    # What runs

    async def start_bridge(self) -> None:
        """Start the bridge; OSError where an address is taken."""
        stack = AsyncExitStack()
        await stack.enter_async_context(running(self.config))
        self._bridge = stack

    async def stop_bridge(self) -> None:
        """Stop it gracefully, as a restart does."""
        stack, self._bridge = self._bridge, None
        if stack is not None:
            await stack.aclose()

    async def restart_bridge(self) -> None:
        await self.stop_bridge()
        await self.start_bridge()

    async def start_humhub(self) -> None:
        for humhub, listen in zip(self.humhubs, self.addresses.humhubs, strict=True):
            await humhub.start(listen.host, listen.port)

    async def stop_humhub(self) -> None:
        for humhub in self.humhubs:
            await humhub.stop()

    async def kill_humhub(self) -> None:
        """Kill HumHub in the middle of everything."""
        await self.humhub.kill()

    async def start_docs(self) -> None:
        """Start Docs; after a stop it is a new process that finds its files again."""
        await self.docs.start(self.addresses.docs.host, self.addresses.docs.port)

    async def stop_docs(self) -> None:
        await self.docs.stop()
        self.docs = SmallDocs(self.docs.settings, self.directory / "docs")

    async def kill_docs(self) -> None:
        """Kill Docs in the middle of everything; unlike after a stop, the next start goes on with its sessions."""
        killed = self.docs
        await killed.kill()
        self.docs = SmallDocs(self.docs.settings, self.directory / "docs")
        self.docs.inherit(killed)

    async def close(self) -> None:
        """End everything, people first."""
        for person in self._people:
            await person.close()
        await self.stop_bridge()
        await self.docs.stop()
        await self.stop_humhub()

    # What came of it

    async def until(self, condition: Callable[[], bool], within: float = 10.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - the stand-ins tell nobody
                await asyncio.sleep(_POLL)

    async def told(self, key: str, status: int = 2, number: int = 1) -> Callback:
        """Wait until Docs has heard the answer to its callback number so-and-so of a key with a status; return that."""

        def settled() -> list[Callback]:
            callbacks = [one for one in self.docs.callbacks if (one.key, one.status) == (key, status)]
            return [one for one in callbacks if one.acknowledged is not None]

        await self.until(lambda: len(settled()) >= number)
        return settled()[number - 1]

    async def traffic(self) -> Traffic:
        """Count what the bridge has moved so far, from its own metrics; nothing where no bridge runs."""
        if self._bridge is None:
            return Traffic(Counter(), 0)
        connector = aiohttp.TCPConnector(ssl=self._trust or True)
        async with aiohttp.ClientSession(connector=connector) as http, http.get(f"{self.admin_url}/metrics") as answer:
            page = await answer.text()
        counts: Counter[str] = Counter()
        websockets = 0
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "bridge_websockets":
                    websockets = int(sample.value)
                if sample.labels.get("leg") in LEGS and sample.name.endswith("_total"):
                    counts[sample.labels["leg"]] += int(sample.value)
        return Traffic(counts, websockets)


@contextlib.asynccontextmanager
async def house(
    directory: Path,
    *,
    port: int | None = None,
    docs: Mapping[str, Any] | None = None,
    humhub: Mapping[str, Any] | None = None,
    adjust: Adjust = lambda config: config,
    without: tuple[str, ...] = (),
    **layout: Any,
) -> AsyncIterator[House]:
    """Run a house in `directory`.

    `docs` and `humhub` override fields of the stand-ins' settings; `adjust` changes the bridge's configuration; `port`
    is the browser leg's. What is named in `without` (`humhub`, `docs`, `bridge`) isn't started. Everything else is a
    field of `Layout`.
    """
    check_addresses()
    laid = Layout(**layout)
    addresses = Addresses.choose(port, laid.sites)
    shown, trusted = (laid.certificate.shown(), laid.certificate.trusted()) if laid.certificate else (None, None)
    docs_settings = DocsSettings(
        **{
            **_DOCS_DEFAULTS,
            "secret": secrets.token_urlsafe(32),
            "header": DOCS_HEADER,
            "clients": DOCS.cidr,
            "source_address": DOCS.resident,
            "tls": shown,
            "trust": trusted,
            **(docs or {}),
        }
    )
    humhubs = [
        HumHubSettings(
            **{
                **module_addresses(addresses, laid, site),
                "secret": secrets.token_urlsafe(32),
                "header": HUMHUB_HEADERS[site % len(HUMHUB_HEADERS)],
                "clients": (HUMHUB.cidr, *((BROWSERS.cidr,) if laid.direct else ())),
                "source_address": addresses.humhubs[site].host,
                "trusts_forwarded": laid.certificate is not None,
                "tls": shown,
                "trust": trusted,
                "onlyoffice": not laid.connector,
                **(humhub or {}),
            }
        )
        for site in range(laid.sites)
    ]
    made = House(
        directory=directory,
        addresses=addresses,
        config=adjust(configuration(directory, addresses, laid, humhubs, docs_settings)),
        humhubs=tuple(
            SmallHumHub(settings, directory / ("humhub" if not site else f"humhub-{site + 1}"))
            for site, settings in enumerate(humhubs)
        ),
        docs=SmallDocs(docs_settings, directory / "docs"),
        layout=laid,
    )
    if laid.connector == "directory":
        documents(directory).mkdir(parents=True, exist_ok=True)
        without = (*without, "humhub")
    try:
        if "humhub" not in without:
            await made.start_humhub()
        if "docs" not in without:
            await made.start_docs()
        if laid.bridged and "bridge" not in without:
            await made.start_bridge()
        yield made
    finally:
        await made.close()
