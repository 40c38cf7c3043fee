"""Save as on the front door: the module's own idea of where Docs is, learnt from its pages, and put into its form."""

from __future__ import annotations

from typing import Final

import structlog
from aiohttp import web

from bridge.legs.middleware import note
from bridge.legs.state import LIMITS, SAVES, TOPOLOGY
from bridge.protocol.errors import BadRequestError, StorageError
from bridge.protocol.saveas import placed
from bridge.sites import Site
from bridge.transport.relay import read_request

__all__ = ["form", "learn"]

log = structlog.get_logger(__name__)

_FORM: Final = "application/x-www-form-urlencoded"
# An address, a name and a form token; PHP itself takes some megabytes.
_LONGEST: Final = 1 << 20


async def learn(request: web.Request, site: Site, server: str) -> None:
    """Remember the module's ``serverUrl``, which stands in each of its editor pages, over restarts too."""
    index = request.app[SAVES].index
    try:
        # Nearly always it is known: a look costs no turn at the index's lock.
        if await index.learnt(site.name) != server:
            await index.learn(site.name, server)
    except StorageError as error:
        # Nobody's page has to wait for that: the next one has it again.
        log.error("the address of Docs in HumHub is not remembered", site=site.name, why=error.message)


async def form(request: web.Request, site: Site) -> bytes:
    """Give the form of a save as as the module takes it.

    Where no page has told its ``serverUrl`` yet, it is the one that the setting-up asks for.

    Raises:
        BadRequestError: it is no form with one file in it.
        RefusedError: that file is none of Docs'.
        StorageError: what was learnt can't be read.
    """
    # Of two labels HumHub could go by the other one.
    if request.content_type != _FORM or len(request.headers.getall("Content-Type")) != 1:
        raise BadRequestError("Save as is posted as a form.", content_type=request.content_type)
    topology = request.app[TOPOLOGY]
    asked = str(topology.addresses.browser).rstrip("/") + topology.docs_path
    server = await request.app[SAVES].index.learnt(site.name) or asked
    note(request, server=server)
    return placed(await read_request(request, min(_LONGEST, request.app[LIMITS].body)), server)
