"""How the house is wired: who listens where, what HumHub's module is told, and the bridge's configuration for it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

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
from bridge.demo.docs import DocsSettings
from bridge.demo.humhub import HumHubSettings
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB, Network, free_port
from bridge.protocol.secret import Secret

DOCS_PATH = "/ds"


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


def module_addresses(addresses: Addresses) -> dict[str, str]:
    """Give the module's three settings, each the leg that its clients can reach."""
    return {
        "server_url": f"http://{addresses.browser}{DOCS_PATH}",
        "internal_server_url": f"http://{addresses.humhub_leg}",
        "storage_url": f"http://{addresses.docs_leg}",
    }


def straight_addresses(addresses: Addresses) -> dict[str, str]:
    """Give the three settings as they would be if everything could reach everything."""
    docs = f"http://{addresses.docs}"
    return {"server_url": docs, "internal_server_url": docs, "storage_url": f"http://{addresses.humhub}"}


def configuration(directory: Path, addresses: Addresses, humhub: HumHubSettings, docs: DocsSettings) -> Config:
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
