"""TLS on both sides, as a server on the legs and as a client of the upstreams; renewed certificates are taken up.

Certificates live for weeks, the bridge for months. So the files are looked at every minute, and at once on SIGHUP: a
pair that has changed is tried on a context of its own, then put into the one in use, and holds from the next connection
on. One that doesn't fit, such as a new certificate whose key isn't written yet, is said in the log, and the old one
stays. A context takes new authorities beside the old ones: to stop trusting one, restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bridge.config import AdminLegConfig, LegConfig, TlsConfig, UpstreamConfig

__all__ = ["Certificates"]

log = structlog.get_logger(__name__)

_EVERY: Final = 60.0  # seconds between two looks at the files
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# What tells one state of a file from the next; None where it isn't there.
_Print = tuple[int, int, int] | None


@dataclass(slots=True)
class _Watched:
    """A context in use, the files that it was made of, and what they looked like then."""

    name: str
    context: ssl.SSLContext
    fill: Callable[[ssl.SSLContext], None]
    files: tuple[Path, ...]
    seen: tuple[_Print, ...]


class Certificates:
    """Makes the contexts, and keeps them up to date; :meth:`working` looks at the files by itself."""

    def __init__(self) -> None:
        self._watched: list[_Watched] = []

    def client(self, name: str, config: UpstreamConfig) -> ssl.SSLContext | None:
        """Give how to speak TLS to an upstream, with its own authority and our certificate; None for plain HTTP."""
        if config.url.scheme != "https":
            return None
        context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
        ours = config.client_cert

        def fill(context: ssl.SSLContext) -> None:
            if config.ca is not None:
                context.load_verify_locations(cafile=str(config.ca))
            if ours is not None:
                _load_pair(context, ours.cert, ours.key)

        return self._watch(f"upstream {name}", context, fill, config.ca, *((ours.cert, ours.key) if ours else ()))

    def server(self, name: str, config: LegConfig | AdminLegConfig) -> ssl.SSLContext | None:
        """Give how a leg speaks TLS; with ``client_ca``, clients need a certificate. None for plain HTTP."""
        tls = config.tls
        if tls is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = _VERSIONS[tls.min_version]
        if tls.client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return self._watch(f"leg {name}", context, lambda it: _fill_server(it, tls), tls.cert, tls.key, tls.client_ca)

    def _watch(
        self, name: str, context: ssl.SSLContext, fill: Callable[[ssl.SSLContext], None], *files: Path | None
    ) -> ssl.SSLContext:
        fill(context)
        named = tuple(file for file in files if file is not None)
        self._watched.append(_Watched(name, context, fill, named, _prints(named)))
        return context

    def look(self) -> None:
        """Take up what has changed since the last look."""
        for one in self._watched:
            now = _prints(one.files)
            if now == one.seen:
                continue
            one.seen = now
            try:
                one.fill(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
                one.fill(one.context)
            except OSError as error:
                log.error(
                    "a changed certificate is not taken: the one before stays in use",
                    of=one.name,
                    files=[str(file) for file in one.files],
                    why=str(error),
                    remedy="Write a certificate and key that go together and that the bridge's user may read.",
                )
            else:
                log.info("a changed certificate is taken", of=one.name, files=[str(file) for file in one.files])

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Look every minute while the block lasts."""

        async def looking() -> None:
            while True:
                await asyncio.sleep(_EVERY)
                self.look()

        task = asyncio.create_task(looking())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


def _fill_server(context: ssl.SSLContext, tls: TlsConfig) -> None:
    _load_pair(context, tls.cert, tls.key)
    if tls.client_ca is not None:
        context.load_verify_locations(cafile=str(tls.client_ca))


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    # Without a password at hand, the library would ask the terminal for it.
    context.load_cert_chain(str(cert), str(key) if key else None, password="")


def _prints(files: tuple[Path, ...]) -> tuple[_Print, ...]:
    found: list[_Print] = []
    for file in files:
        try:
            state = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((state.st_mtime_ns, state.st_ino, state.st_size))
    return tuple(found)
