"""Conversion of a file to an Office Open XML format by ONLYOFFICE Docs, stored beside the original or instead of it.

Docs is asked asynchronously, again and again with the same key, as the browser asks for the progress: it answers with
percents, then with its result, which it keeps under that key. So nothing has to be remembered here but which results
were stored already, so that an answer that got lost doesn't store one twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from multidict import CIMultiDict

from bridge import hop
from bridge.connector.contents import upload_name
from bridge.connector.links import Link, Purpose
from bridge.connector.menu import targets
from bridge.connector.storage import Storage, StoredFile, Upload, Visitor
from bridge.connector.words import msgid
from bridge.protocol.errors import BadAnswerError, BadRequestError, ConflictError, RefusedError
from bridge.protocol.formats import by_name
from bridge.protocol.messages import Conversion
from bridge.protocol.secret import Secret
from bridge.protocol.urls import docs_file
from bridge.saves.bodies import Bodies
from bridge.saves.fetching import body_of
from bridge.sites import Node, Site, Topology

__all__ = ["Conversions", "Progress"]

_ANSWER: Final = 1 << 20
_REMEMBERED: Final = 1000
_FETCH: Final = 300.0

# What the conversion service says went wrong, for people. Source: ONLYOFFICE API, conversion errors.
_ERRORS: Final = {
    -2: msgid("The conversion took too long."),
    -3: msgid("The file can't be converted: it may be damaged."),
    -4: msgid("ONLYOFFICE Docs can't get the file."),
    -5: msgid("The file is protected by a password: remove it first."),
    -9: msgid("ONLYOFFICE Docs can't convert this kind of file."),
    -10: msgid("The file is too large to be converted."),
}
_UNKNOWN: Final = msgid("ONLYOFFICE Docs could not convert the file.")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a conversion is, in percent; with ``file`` it is stored."""

    percent: int
    file: StoredFile | None = None


@dataclass(frozen=True, slots=True)
class Conversions:
    """Converts the files of one site."""

    topology: Topology
    site: Site
    storage: Storage
    bodies: Bodies
    secret: Secret
    clock: Callable[[], float]
    _stored: OrderedDict[str, StoredFile] = field(default_factory=OrderedDict)
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def convert(self, visitor: Visitor, guid: str, place: str, to: str, *, instead: bool) -> Progress:
        """Go on with a conversion, or begin it.

        Raises:
            BadRequestError: this isn't converted to that.
            RefusedError: the visitor may not store anything there.
            ConflictError: Docs can't convert it; the message says why.
        """
        file = await self.storage.look(visitor, guid, place)
        path = PurePosixPath(file.name)
        format_ = by_name(path.suffix)
        if format_ is None or to not in targets(format_):
            raise BadRequestError(msgid("This kind of file is not converted to that."), name=file.name, to=to)
        if not file.may_write:
            raise RefusedError(msgid("You may not change files here."), name=file.name)
        words = "\0".join((self.site.name, visitor.id, file.guid, file.version, to, str(instead)))
        once = hashlib.sha256(words.encode()).hexdigest()
        if (done := self._stored.get(once)) is not None:
            return Progress(100, done)
        key = hashlib.sha256(f"{self.site.name}\0{file.guid}\0{file.version}\0{to}".encode()).hexdigest()[:20]
        answer = await self._ask(visitor, file, key, format_.name, to)
        if answer.get("error"):
            raise ConflictError(_ERRORS.get(answer["error"], _UNKNOWN), code=answer["error"], name=file.name)
        url = answer.get("fileUrl")
        if not answer.get("endConvert") or not isinstance(url, str) or not url:
            return Progress(_percent(answer))
        async with self._storing:
            if (done := self._stored.get(once)) is None:
                done = await self._store(visitor, file, self.topology.node_for(key), url, to, instead=instead)
                self._remember(once, done)
        return Progress(100, done)

    async def _ask(self, visitor: Visitor, file: StoredFile, key: str, filetype: str, to: str) -> dict[str, Any]:
        node, now = self.topology.node_for(key), self.clock()
        link = Link(
            site=self.site.name, key=key, guid=file.guid, place=file.place, version=file.version, visitor=visitor.id
        )
        target = link.target(self.secret, Purpose.DOWNLOAD, self.site.base_path, now=now)
        fields = {
            "async": True,
            "filetype": filetype,
            "key": key,
            "outputtype": to,
            "title": file.name,
            "url": self.topology.docs_url(self.site, target),
        }
        body, headers = hop.wire_for_docs(self.topology.rings.inbox, fields, now=now)
        async with node.upstream.request(
            "POST",
            f"/converter?shardkey={key}",
            headers=CIMultiDict(headers),
            body=body,
            deadline=node.upstream.timeouts.whole,
        ) as answer:
            return Conversion.answer(await answer.read(_ANSWER), lambda url: url)

    async def _store(
        self, visitor: Visitor, file: StoredFile, node: Node, url: str, to: str, *, instead: bool
    ) -> StoredFile:
        async with (
            body_of(node, docs_file(url), to, _FETCH) as result,
            self.bodies.lent(result.chunks, filetype=to, promised=result.length) as (body, path),
        ):
            if not body.sound:
                remedy = "Is it ONLYOFFICE Docs that answers at this node's address? See its log."
                what = f"What ONLYOFFICE Docs gave is no {to}."
                raise BadAnswerError(what, upstream=node.name, size=body.size, remedy=remedy)
            name = upload_name(PurePosixPath(file.name).stem, f".{to}")
            stored = await self.storage.add(visitor, file.place, name, Upload(path, body.size, body.sha256))
        if instead and (await self.storage.look(visitor, file.guid, file.place)).version == file.version:
            await self.storage.remove(visitor, file)
        return stored

    def _remember(self, once: str, file: StoredFile) -> None:
        self._stored[once] = file
        if len(self._stored) > _REMEMBERED:
            self._stored.popitem(last=False)


def _percent(answer: dict[str, Any]) -> int:
    percent = answer.get("percent")
    return min(max(int(percent), 0), 99) if isinstance(percent, int | float) else 0
