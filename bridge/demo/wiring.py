"""How the house is wired: who listens where, what HumHub's module is told, and the bridge's configuration for it."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    LimitsConfig,
    Listen,
    Mode,
    NodeConfig,
    RestConfig,
    SavesConfig,
    SiteConfig,
    StoreConfig,
    TlsConfig,
    UpstreamConfig,
)
from bridge.demo.docs import DocsSettings
from bridge.demo.humhub import HumHubSettings
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB, Network, free_port
from bridge.protocol.secret import Secret

DOCS_PATH = "/ds"
# More than a demo or a load against it takes, and fewer than systems allow open files for.
_CONNECTIONS = 2000


@dataclass(frozen=True, slots=True)
class Certificate:
    """What everybody in the house shows and trusts where all speak TLS."""

    pair: Path
    """Certificate and key in one PEM file, for all addresses of the three networks."""
    authority: Path

    def shown(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pair)
        return context

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))


@dataclass(frozen=True, slots=True)
class Layout:
    """How a house is laid out: what browsers reach, how many HumHubs there are, whether everybody speaks TLS."""

    bridged: bool = True
    """Else the module is set up as if everything could reach everything, and nothing can."""
    direct: bool = False
    """Browsers reach HumHub itself, and only the module's three settings lead to the bridge; else by the front door."""
    sites: int = 1
    certificate: Certificate | None = None
    connector: str = ""
    """Where the bridge is the integration: `humhub` has no module, or a `directory` is in its place."""

    @property
    def scheme(self) -> str:
        return "https" if self.certificate else "http"

    def name(self, site: int) -> str:
        return f"demo-{site + 1}" if site else "demo"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything listens; `humhubs` has one for each site."""

    browser: Listen
    docs_leg: Listen
    humhub_leg: Listen
    admin: Listen
    humhubs: tuple[Listen, ...]
    docs: Listen

    @property
    def humhub(self) -> Listen:
        return self.humhubs[0]

    @classmethod
    def choose(cls, port: int | None, sites: int = 1) -> Addresses:
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
            humhubs=tuple(listen(HUMHUB.residents[site]) for site in range(sites)),
            docs=listen(DOCS.resident),
        )

    def front(self, layout: Layout, site: int) -> str:
        """Give the address at which browsers reach a HumHub."""
        if layout.direct or not layout.bridged:
            return f"{layout.scheme}://{self.humhubs[site]}"
        host = BROWSERS.residents[site] if layout.sites > 1 else self.browser.host
        return f"{layout.scheme}://{host}:{self.browser.port}"


def module_addresses(addresses: Addresses, layout: Layout, site: int = 0) -> dict[str, str]:
    """Give the module's three settings, each the leg that its clients can reach."""
    below = f"/s/{layout.name(site)}" if layout.sites > 1 else ""
    if not layout.bridged:
        docs = f"{layout.scheme}://{addresses.docs}"
        storage = f"{layout.scheme}://{addresses.humhubs[site]}"
        return {"server_url": docs, "internal_server_url": docs, "storage_url": storage}
    return {
        "server_url": f"{layout.scheme}://{addresses.browser}{DOCS_PATH}",
        "internal_server_url": f"{layout.scheme}://{addresses.humhub_leg}{below}",
        "storage_url": f"{layout.scheme}://{addresses.docs_leg}{below}",
    }


def configuration(
    directory: Path, addresses: Addresses, layout: Layout, humhubs: Sequence[HumHubSettings], docs: DocsSettings
) -> Config:
    """Write what bridge.yaml would say."""
    ring = KeyRingConfig(header=docs.header, secrets=(Secret(docs.secret),) if docs.secret else ())
    several = layout.sites > 1
    listen = Listen("0.0.0.0", addresses.browser.port) if several else addresses.browser  # noqa: S104 - a name for each site
    return Config(
        secret=Secret(secrets.token_urlsafe(32)),
        legs=Legs(
            browser=replace(_leg(addresses.browser, BROWSERS, layout), listen=listen),
            docs=_leg(addresses.docs_leg, DOCS, layout),
            humhub=_leg(addresses.humhub_leg, HUMHUB, layout),
            admin=AdminLegConfig(listen=addresses.admin, tls=_tls(layout)),
        ),
        sites=tuple(
            SiteConfig(
                name=layout.name(site),
                upstream=_upstream(addresses.humhubs[site], HUMHUB, layout),
                hosts=(_host(addresses, layout, site),) if several else (),
                base_path=humhub.base_path,
                jwt=KeyRingConfig(header=humhub.header, secrets=(Secret(humhub.secret),) if humhub.secret else ()),
                mode=Mode.CONNECTOR if layout.connector else Mode.RELAY,
                directory=documents(directory) if layout.connector == "directory" else None,
                rest=RestConfig(secret=Secret(humhub.rest_secret) if humhub.rest_secret else None),
            )
            for site, humhub in enumerate(humhubs)
        ),
        docs=DocsConfig(
            nodes=(NodeConfig(name="docs-1", upstream=_upstream(addresses.docs, DOCS, layout)),),
            jwt=DocsJwt(browser=ring, inbox=ring, outbox=ring),
            path=DOCS_PATH,
        ),
        saves=SavesConfig(directory=directory / "bridge" / "saves"),
        limits=LimitsConfig(connections=_CONNECTIONS),
        store=StoreConfig(url=f"sqlite:///{directory / 'bridge' / 'bridge.db'}"),
    )


def documents(directory: Path) -> Path:
    """Give the directory that is a site, where one is."""
    return directory / "documents"


def _host(addresses: Addresses, layout: Layout, site: int) -> str:
    return str(URL(addresses.front(layout, site)).host)


def _upstream(listen: Listen, network: Network, layout: Layout) -> UpstreamConfig:
    authority = layout.certificate.authority if layout.certificate else None
    return UpstreamConfig(url=URL(f"{layout.scheme}://{listen}"), source_address=network.bridge, ca=authority)


def _leg(listen: Listen, network: Network, layout: Layout) -> LegConfig:
    url = URL(f"{layout.scheme}://{listen}")
    return LegConfig(listen=listen, url=url, allow=(network.block,), tls=_tls(layout))


def _tls(layout: Layout) -> TlsConfig | None:
    return TlsConfig(layout.certificate.pair, layout.certificate.pair) if layout.certificate else None
