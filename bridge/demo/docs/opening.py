"""Opening: how the bytes behind a key become the blocks that editors share, and the cached content that they fetch."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bridge.demo.docs import changes, formats, ooxml, pdf
from bridge.demo.docs.session import Session, State

if TYPE_CHECKING:
    from bridge.demo.docs.downloads import Downloader
    from bridge.demo.docs.shelf import Shelf

FORGOTTEN_WARNING = -201
CORRUPT = -82


class OpenError(Exception):
    """The document can't be opened; `code` is for the editor."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Opener:
    """Loads documents, once a session."""

    shelf: Shelf
    downloader: Downloader

    async def load(self, session: Session, url: str) -> None:
        """Make the session hold its document; raise DownloadError or OpenError.

        A forgotten copy of the key goes before `url`.
        """
        async with session.loading:
            if session.state is not State.EMPTY:
                return
            copy = self.shelf.forgotten().get(session.key)
            if copy is not None:
                session.filetype, data = copy.suffix[1:], copy.read_bytes()
                session.from_forgotten = True
            else:
                async with self.downloader.worker:
                    data = await self.downloader.fetch(url)
            self._take(session, data)

    def _take(self, session: Session, data: bytes) -> None:
        try:
            source = formats.sniff(data, session.filetype)
            session.source, session.opened = _opened(source, session.filetype)
        except (ooxml.CorruptError, formats.CantConvertError) as error:
            raise OpenError(CORRUPT, str(error)) from error
        opened = session.opened
        session.blocks = changes.Blocks(
            texts={block.id: changes.to_units(block.text) for block in opened.blocks},
            order=[block.id for block in opened.blocks],
            growing=opened.kind == "word",
            sparse=opened.kind == "cell",
        )
        session.epoch = secrets.token_hex(8)
        session.editor_bin = f"data/{session.key}/Editor.bin"
        content = {"epoch": session.epoch, **asdict(opened)}
        self.shelf.put(session.editor_bin, json.dumps(content).encode())
        session.state = State.OPEN


def _opened(source: formats.Source, filetype: str) -> tuple[bytes, ooxml.Opened]:
    """Return the bytes that a save starts from, and what the editor sees."""
    form = pdf.form(source.data) if filetype == source.kind == "pdf" else None
    if form is not None:
        return source.data, ooxml.read(form, "word")
    kind = formats.KINDS.get(filetype)
    if kind is None or source.kind == "pdf":
        return source.data, ooxml.Opened("text", extra={"text": formats.text_of(source)})
    data = source.data
    if source.kind not in formats.KINDS.values():
        # Whatever isn't OOXML is opened by its text: a storage's login page too, as the real converter does it.
        data = formats.convert(formats.Source("text", b"", formats.text_of(source)), "docx")
        return data, ooxml.read(data, "word")
    return data, ooxml.read(data, source.kind)
