"""A site, a node and the legs' addresses at run time; which of them a Host, a path or a URL belongs to."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yarl import URL

from bridge.config import Config, ConnectorConfig, Mode, SiteConfig, UpstreamConfig
from bridge.protocol.errors import BadRequestError, NoRouteError
from bridge.protocol.headers import parse_host
from bridge.protocol.keys import stem
from bridge.protocol.secret import Secret
from bridge.protocol.tokens import KeyRing
from bridge.protocol.urls import FILES, BackendTarget, backend_target, docs_file, split
from bridge.rings import DocsRings, docs_rings, site_ring
from bridge.transport.tls import Certificates
from bridge.transport.upstream import Timeouts, Upstream

__all__ = ["Addresses", "Node", "Site", "Topology", "open_topology"]

# Below this, on the docs and humhub legs, the first segment names a site.
_SITE_PREFIX = "/s/"


@dataclass(frozen=True, slots=True)
class Site:
    """One HumHub, or the directory that is a site without one.

    ``hosts`` are what browsers call it; ``host`` is the one that it sees from the docs leg, ``inner`` the address that
    the bridge itself calls. ``connector`` is what there is to say where the bridge itself is the integration, None
    where HumHub has the module; ``rest`` is the key of HumHub's rest module.
    """

    name: str
    hosts: tuple[str, ...]
    host: str
    inner: URL
    base_path: str
    ring: KeyRing
    humhub: Upstream | None
    connector: ConnectorConfig | None = None
    directory: Path | None = None
    rest: Secret | None = None

    @property
    def upstream(self) -> Upstream:
        """Give what HumHub is called by.

        Raises:
            NoRouteError: this site is a directory.
        """
        if self.humhub is None:
            raise NoRouteError("There is no HumHub behind this site: it is a directory.", site=self.name)
        return self.humhub


@dataclass(frozen=True, slots=True)
class Node:
    """One ONLYOFFICE Docs server. ``upstream`` resolves below the node's own base path."""

    name: str
    upstream: Upstream


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URLs of the legs as their clients see them."""

    browser: URL
    docs: URL
    humhub: URL


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that the bridge stands between. ``docs_path`` is where browsers find Docs on the browser leg."""

    sites: tuple[Site, ...]
    nodes: tuple[Node, ...]
    rings: DocsRings
    addresses: Addresses
    docs_path: str

    def site_for_host(self, host: str) -> Site:
        """Give the site that browsers mean by ``host``, with or without a port; the only site takes any host.

        Raises:
            NoRouteError: no site has that host.
        """
        if (site := _called(host, self.sites)) is not None:
            return site
        raise NoRouteError(
            "No site is served under this name.", host=host, remedy="Add the name to the hosts of its site."
        )

    def sites_for_editors(self, host: str) -> tuple[Site, ...]:
        """Give the sites whose documents an editor may open that came to ``host``.

        Under the browser leg's own name that is any of them: with the three settings all sites name Docs there.

        Raises:
            NoRouteError: no site has that host.
        """
        if host.lower() == _authority(self.addresses.browser):
            return self.sites
        try:
            return (self.site_for_host(host),)
        except NoRouteError as error:
            raise NoRouteError(
                error.message,
                host=host,
                remedy="Editors come to legs.browser.url or to a site's hosts. Does the proxy between keep the Host, "
                "or does it stand in legs.browser.trust_forwarded_from?",
            ) from error

    def site_of_url(self, url: str, sites: tuple[Site, ...]) -> Site | None:
        """Give the one of ``sites`` whose URL it is: by the docs leg's path, or by HumHub's own names.

        Raises:
            BadRequestError: it is no URL.
        """
        parts = split(url)
        base = self.addresses.docs
        if (parts.scheme, parts.netloc.lower()) == (base.scheme, _authority(base)):
            prefix = base.raw_path.rstrip("/") + _SITE_PREFIX
            if parts.path.startswith(prefix):
                name = parts.path.removeprefix(prefix).partition("/")[0]
                return next((site for site in sites if site.name == name), None)
        return _called(parts.netloc, sites)

    def site_named(self, name: str | None) -> Site:
        """Give a site by name; None means the only one.

        Raises:
            NoRouteError: no such site, or none named where there are several.
        """
        if name is None and len(self.sites) == 1:
            return self.sites[0]
        for site in self.sites:
            if site.name == name:
                return site
        raise NoRouteError("The address names no site.", site=name, remedy="Put /s/<site> before the path.")

    def site_for_path(self, path: str) -> tuple[Site, str]:
        """Give the site that a path on the docs or humhub leg names, and the path below it.

        Raises:
            NoRouteError: no such site, or none named where there are several.
        """
        if path.startswith(_SITE_PREFIX):
            name, slash, rest = path.removeprefix(_SITE_PREFIX).partition("/")
            return self.site_named(name), slash + rest
        return self.site_named(None), path

    def node_for(self, key: str) -> Node:
        """Give the node of a document key: the same one as long as the nodes stay (rendezvous hashing).

        Keys with the same stem have the same node, so that it can be told by the path of any file of theirs.
        """
        common = stem(key)
        return max(self.nodes, key=lambda node: hashlib.sha256(f"{node.name}\0{common}".encode()).digest())

    def docs_url(self, site: Site, target: str) -> str:
        """Map ``target`` of ``site`` to the docs leg."""
        return f"{_base(self.addresses.docs)}{_SITE_PREFIX}{site.name}{target}"

    def humhub_url(self, site: Site, target: str) -> str:
        """Map ``target`` for ``site`` to the humhub leg."""
        return f"{_base(self.addresses.humhub)}{_SITE_PREFIX}{site.name}{target}"

    def backend_of(self, site: Site, url: str) -> BackendTarget | None:
        """Recognise one of ``site``'s backend routes in a URL, whatever host it carries; None for anything else."""
        parts = split(url)
        path = _inner(parts.path, self.addresses.docs, site)
        return backend_target(path, parts.query, base_path=site.base_path)

    def file_of(self, site: Site, url: str) -> str | None:
        """Give path and query of a file that the humhub leg serves for ``site``, or None for any other URL.

        That is a body under delivery, or a file that Docs made, such as the result of an earlier conversion.

        Raises:
            BadRequestError, RefusedError: it is no URL, or its path has more than one reading.
        """
        parts = split(url)
        base = self.addresses.humhub
        if (parts.scheme, parts.netloc.lower()) != (base.scheme, _authority(base)):
            return None
        path = _inner(parts.path, base, site)
        if re.match(FILES, path):
            return docs_file(f"{path}?{parts.query}")
        return path if path.startswith("/file/") and not parts.query else None


def _called(host: str, sites: tuple[Site, ...]) -> Site | None:
    """Give the one of ``sites`` that is called so, with its port before without; the only one is called anything."""
    if len(sites) == 1:
        return sites[0]
    try:
        name, port = parse_host(host)
    except BadRequestError:
        return None
    for wanted in (f"{name}:{port}", name):
        for site in sites:
            if wanted in (*site.hosts, site.host.lower()):
                return site
    return None


def _base(url: URL) -> str:
    return str(url).rstrip("/")


def _authority(url: URL) -> str:
    return url.authority.lower()


def _inner(path: str, base: URL, site: Site) -> str:
    """Take the leg's own path and the site's prefix away, where they are."""
    path = path.removeprefix(base.raw_path.rstrip("/")) if base.raw_path != "/" else path
    prefix = f"{_SITE_PREFIX}{site.name}/"
    return path.removeprefix(prefix[:-1]) if path.startswith(prefix) else path


async def open_topology(config: Config, stack: contextlib.AsyncExitStack, certificates: Certificates) -> Topology:
    """Give what the configuration stands between; the upstreams' clients close with ``stack``. Nothing is dialled."""

    def client(name: str, upstream: UpstreamConfig) -> Upstream:
        return _upstream(name, upstream, certificates)

    sites = [await _site(site, number, client, stack) for number, site in enumerate(config.sites)]
    nodes = [
        Node(node.name, await stack.enter_async_context(client(node.name, node.upstream))) for node in config.docs.nodes
    ]
    legs = config.legs
    addresses = Addresses(legs.browser.url, legs.docs.url, legs.humhub.url)
    return Topology(tuple(sites), tuple(nodes), docs_rings(config.docs), addresses, config.docs.path)


async def _site(
    site: SiteConfig, number: int, client: Callable[[str, UpstreamConfig], Upstream], stack: contextlib.AsyncExitStack
) -> Site:
    upstream = site.upstream
    named = (site.name,) if site.directory is not None else (upstream.host or upstream.url.authority,)
    return Site(
        name=site.name,
        hosts=site.hosts,
        host=(site.hosts or named)[0],
        inner=upstream.url,
        base_path=site.base_path,
        ring=site_ring(site, number),
        humhub=await stack.enter_async_context(client(site.name, upstream)) if site.directory is None else None,
        connector=site.connector if site.mode is Mode.CONNECTOR else None,
        directory=site.directory,
        rest=site.rest.secret,
    )


def _upstream(name: str, config: UpstreamConfig, certificates: Certificates) -> Upstream:
    return Upstream(
        str(config.url),
        name=name,
        host=config.host,
        ssl=certificates.client(name, config),
        source_address=config.source_address,
        connections=config.connections,
        keep_alive=config.keep_alive,
        timeouts=Timeouts(config.connect, config.first_byte, config.idle),
    )
