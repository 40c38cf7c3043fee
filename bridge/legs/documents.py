"""What ONLYOFFICE Docs gets of the connector's documents, on the docs leg: their content, by capabilities."""

from __future__ import annotations

from aiohttp import web

from bridge.connector.connector import Connector
from bridge.connector.links import Link, Purpose
from bridge.legs import files
from bridge.legs.middleware import note
from bridge.legs.state import CLOCK, CONNECTORS, SAVES
from bridge.protocol.errors import ConflictError
from bridge.saves import rules
from bridge.sites import Site
from bridge.transport.relay import send

__all__ = ["check_callback", "download"]


async def download(request: web.Request, site: Site, doc: str) -> web.StreamResponse:
    """Stream the content that a key stands for, as the one whose page has it open; another one never.

    Raises:
        RefusedError: the capability doesn't hold, or who opened the document may no longer read it.
        ConflictError: the file has another content by now: whoever opens it again gets another key.
    """
    connector, saves = request.app[CONNECTORS][site.name], request.app[SAVES]
    link = _link(connector, site, Purpose.DOWNLOAD, doc, request.app[CLOCK]())
    visitor = await connector.visitor(link.visitor)
    note(request, key=link.key, visitor=visitor.id)
    document = await saves.index.documents.document(site.name, link.key)
    guid, place = (document.guid, document.place) if document is not None else (link.guid, link.place)
    handle = document.handle if document is not None else {}
    if (waiting := rules.served(await saves.index.read(site.name, link.key))) is not None:
        await connector.storage.look(visitor, guid, place, handle)  # they may still read it
        note(request, entry=waiting.id)
        return await files.saved(request, waiting, saves.spool.bodies.path(waiting.id))
    async with connector.storage.read(visitor, guid, place, handle) as content:
        if content.version not in (link.version, document.version if document is not None else ""):
            raise ConflictError(
                "The file was changed since its page was opened: reload the page.",
                remedy="Somebody replaced it between the page and the download; a second try opens the new content.",
                key=link.key,
            )
        headers = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
        return await send(request, content.chunks, headers=headers, length=content.size)


def check_callback(request: web.Request, site: Site, doc: str) -> None:
    """See that a callback's capability is one of ours; that it is for the callback's own key is seen already.

    Raises:
        RefusedError: it isn't, or it is over.
    """
    link = _link(request.app[CONNECTORS][site.name], site, Purpose.CALLBACK, doc, request.app[CLOCK]())
    note(request, visitor=link.visitor)


def _link(connector: Connector, site: Site, purpose: Purpose, doc: str, now: float) -> Link:
    return Link.redeem(connector.secret, purpose, doc, site=site.name, now=now)
