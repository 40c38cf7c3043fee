"""The whole house: a small HumHub, a small Docs and the bridge between them, in three networks that refuse each other.

Used by the demo and by tests. The bridge runs in this process, on real listeners; it can be stopped and started again
on the same addresses, and so can each stand-in.

    async with house(directory, docs={"save_delay": 0.2}) as h:
        alice = await h.log_in("alice")
        editor = await alice.edit(await alice.create("Minutes"))
"""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from bridge.app import running
from bridge.config import (
    AdminLegConfig,
    Config,
    DocsConfig,
    DocsJwt,
    KeyRingConfig,
    LegConfig,
    Legs,
    Listen,
    NodeConfig,
    SavesConfig,
    SiteConfig,
    StoreConfig,
    UpstreamConfig,
)
from bridge.demo.docs import DocsSettings, SmallDocs
from bridge.demo.humhub import HumHubSettings, SmallHumHub
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB, Network, check_addresses, free_port
from bridge.demo.person import Person
from bridge.protocol.secret import Secret

HUMHUB_HEADER = "Authorization"
DOCS_HEADER = "AuthorizationJwt"
DOCS_PATH = "/ds"

# Fast, and still long enough for a bridge to be restarted before Docs takes its editors for gone.
_DOCS_DEFAULTS: Mapping[str, Any] = {
    "save_delay": 0.2,
    "rejoin": 4.0,
    "retry_delays": (0.1, 0.2, 0.4),
    "download_retry_delay": 0.1,
}

Adjust = Callable[[Config], Config]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens."""

    browser: Listen
    docs_leg: Listen
    humhub_leg: Listen
    admin: Listen
    humhub: Listen
    docs: Listen

    @classmethod
    def choose(cls, port: int | None) -> Addresses:
        """Choose free ports, for browsers the given one."""
        found: set[tuple[str, int]] = set()

        def listen(host: str, number: int | None = None) -> Listen:
            while number is None or (host, number) in found:
                number = free_port(host)
            found.add((host, number))
            return Listen(host, number)

        return cls(
            browser=listen(BROWSERS.bridge, port),
            docs_leg=listen(DOCS.bridge),
            humhub_leg=listen(HUMHUB.bridge),
            admin=listen(BROWSERS.bridge),
            humhub=listen(HUMHUB.resident),
            docs=listen(DOCS.resident),
        )


@dataclass(slots=True)
class House:
    """A running house; what runs can be stopped and started one by one."""

    directory: Path
    addresses: Addresses
    config: Config
    humhub: SmallHumHub
    docs: SmallDocs
    browser_url: str
    """Where people go: the browser leg, or HumHub itself in a house without a bridge."""
    _people: list[Person] = field(default_factory=list)
    _bridge: AsyncExitStack | None = None

    @property
    def admin_url(self) -> str:
        return f"http://{self.addresses.admin}"

    @property
    def saves(self) -> list[Path]:
        """What lies in the directory of saves."""
        where = self.config.saves.directory
        return sorted(path for path in where.rglob("*") if path.is_file()) if isinstance(where, Path) else []

    # People

    def person(self, username: str) -> Person:
        """Give a user a browser; nobody is logged in yet."""
        settings = self.humhub.settings
        user = self.humhub.users[username]
        base = self.browser_url + settings.base_path
        self._people.append(Person(username, user.password, base, pretty_urls=settings.pretty_urls))
        return self._people[-1]

    async def log_in(self, username: str) -> Person:
        """Give a user a browser and log in."""
        person = self.person(username)
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
        await self.humhub.start(self.addresses.humhub.host, self.addresses.humhub.port)

    async def stop_humhub(self) -> None:
        await self.humhub.stop()

    async def start_docs(self) -> None:
        """Start Docs; after a stop it is a new process that finds its files again."""
        await self.docs.start(self.addresses.docs.host, self.addresses.docs.port)

    async def stop_docs(self) -> None:
        await self.docs.stop()
        self.docs = SmallDocs(self.docs.settings, self.directory / "docs")

    async def close(self) -> None:
        """End everything, people first."""
        for person in self._people:
            await person.close()
        await self.stop_bridge()
        await self.docs.stop()
        await self.humhub.stop()

    # What crosses

    async def crossings(self) -> Counter[str]:
        """Count what the bridge has moved so far, by leg, from its own metrics; empty where no bridge runs."""
        if self._bridge is None:
            return Counter()
        async with aiohttp.ClientSession() as http, http.get(f"{self.admin_url}/metrics") as answer:
            page = await answer.text()
        counts: Counter[str] = Counter()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                leg = sample.labels.get("leg")
                if leg in {"browser", "docs", "humhub"} and sample.name.endswith("_total"):
                    counts[leg] += int(sample.value)
        return counts


@contextlib.asynccontextmanager
async def house(
    directory: Path,
    *,
    port: int | None = None,
    docs: Mapping[str, Any] | None = None,
    humhub: Mapping[str, Any] | None = None,
    adjust: Adjust = lambda config: config,
    bridged: bool = True,
    without: tuple[str, ...] = (),
) -> AsyncIterator[House]:
    """Run a house in `directory`.

    `docs` and `humhub` override fields of the stand-ins' settings; `adjust` changes the bridge's configuration; `port`
    is the browser leg's. Not `bridged`, HumHub's module is set up as if everything could reach everything, and people
    call HumHub itself. What is named in `without` (`humhub`, `docs`, `bridge`) isn't started.
    """
    check_addresses()
    addresses = Addresses.choose(port)
    humhub_secret, docs_secret = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    docs_settings = DocsSettings(
        **{
            **_DOCS_DEFAULTS,
            "secret": docs_secret,
            "header": DOCS_HEADER,
            "clients": DOCS.cidr,
            "source_address": DOCS.resident,
            **(docs or {}),
        }
    )
    legs = _module_addresses(addresses) if bridged else _straight_addresses(addresses)
    humhub_settings = HumHubSettings(
        **{
            **legs,
            "secret": humhub_secret,
            "header": HUMHUB_HEADER,
            "clients": HUMHUB.cidr,
            "source_address": HUMHUB.resident,
            **(humhub or {}),
        }
    )
    made = House(
        directory=directory,
        addresses=addresses,
        config=adjust(_config(directory, addresses, humhub_settings, docs_settings)),
        humhub=SmallHumHub(humhub_settings, directory / "humhub"),
        docs=SmallDocs(docs_settings, directory / "docs"),
        browser_url=f"http://{addresses.browser if bridged else addresses.humhub}",
    )
    try:
        if "humhub" not in without:
            await made.start_humhub()
        if "docs" not in without:
            await made.start_docs()
        if bridged and "bridge" not in without:
            await made.start_bridge()
        yield made
    finally:
        await made.close()


def _module_addresses(addresses: Addresses) -> dict[str, str]:
    """Give the module's three settings, each the leg that its clients can reach."""
    return {
        "server_url": f"http://{addresses.browser}{DOCS_PATH}",
        "internal_server_url": f"http://{addresses.humhub_leg}",
        "storage_url": f"http://{addresses.docs_leg}",
    }


def _straight_addresses(addresses: Addresses) -> dict[str, str]:
    docs = f"http://{addresses.docs}"
    return {"server_url": docs, "internal_server_url": docs, "storage_url": f"http://{addresses.humhub}"}


def _config(directory: Path, addresses: Addresses, humhub: HumHubSettings, docs: DocsSettings) -> Config:
    """Write what bridge.yaml would say."""
    ring = KeyRingConfig(header=docs.header, secrets=(Secret(docs.secret),))
    return Config(
        secret=Secret(secrets.token_urlsafe(32)),
        legs=Legs(
            browser=_leg(addresses.browser, BROWSERS),
            docs=_leg(addresses.docs_leg, DOCS),
            humhub=_leg(addresses.humhub_leg, HUMHUB),
            admin=AdminLegConfig(listen=addresses.admin),
        ),
        sites=(
            SiteConfig(
                name="demo",
                upstream=UpstreamConfig(url=URL(f"http://{addresses.humhub}"), source_address=HUMHUB.bridge),
                base_path=humhub.base_path,
                jwt=KeyRingConfig(header=humhub.header, secrets=(Secret(humhub.secret),)),
            ),
        ),
        docs=DocsConfig(
            nodes=(
                NodeConfig(
                    name="docs-1",
                    upstream=UpstreamConfig(url=URL(f"http://{addresses.docs}"), source_address=DOCS.bridge),
                ),
            ),
            jwt=DocsJwt(browser=ring, inbox=ring, outbox=ring),
            path=DOCS_PATH,
        ),
        saves=SavesConfig(directory=directory / "bridge" / "saves"),
        store=StoreConfig(url=f"sqlite:///{directory / 'bridge' / 'bridge.db'}"),
    )


def _leg(listen: Listen, network: Network) -> LegConfig:
    return LegConfig(listen=listen, url=URL(f"http://{listen}"), allow=(network.block,))
