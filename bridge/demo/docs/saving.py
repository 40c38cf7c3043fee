"""Saving: what is assembled from a session, which callback tells of it, and what the answer does to the session."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.demo.docs import callbacks, changes, formats, ooxml, shelf
from bridge.demo.docs.session import Session, State, Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.demo.docs.callbacks import Caller, Fields
    from bridge.demo.docs.faults import Faults
    from bridge.demo.docs.settings import DocsSettings
    from bridge.demo.docs.shelf import Shelf


class AssembleError(Exception):
    """The file couldn't be put together."""


@dataclass(slots=True)
class Saver:
    """Sends the callbacks of all sessions."""

    settings: DocsSettings
    shelf: Shelf
    caller: Caller
    faults: Faults
    forget_session: Callable[[Session], None]
    failures: list[str] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    """Everything that was put together, in that order."""

    async def status(self, session: Session, url: str | None, fields: Fields) -> bool:
        """Tell the storage who is here (1, 4); True where it agrees or there is no callback."""
        if url is None:
            return True
        session.callback = url
        return await self.caller.send(url, lambda: {"key": session.key, **fields})

    async def at_the_end(self, session: Session) -> None:
        """Save once the last one has been away for the delay."""
        await asyncio.sleep(self.settings.save_delay)
        session.state = State.SAVING
        try:
            session.version = self._assemble(session)
        except AssembleError as error:
            self.failures.append(str(error))
        await self.bring(session)

    async def bring(self, session: Session) -> None:
        """Bring what a session ended with to the storage; once more where a killed server had begun to."""
        target, version = session.last_callback or session.callback, session.version
        if target is not None and await self.caller.send(target, lambda: self._final(session, version)):
            self._acknowledged(session)
        else:
            self._refused(session, version)

    def _acknowledged(self, session: Session) -> None:
        self.shelf.remember(session.key)
        session.state, session.used_up_at = State.USED_UP, time.monotonic()

    def _refused(self, session: Session, assembled: Version | None) -> None:
        if assembled is not None:
            self.shelf.forget(session.key, session.filetype, assembled.data)
        self.forget_session(session)

    def _final(self, session: Session, assembled: Version | None) -> Fields:
        status = callbacks.SAVED if assembled is not None else callbacks.SAVE_ERROR
        leaver = session.leave_action or {}
        not_modified: bool | None = not session.modified_since_forced
        if session.from_forgotten and not session.changed:
            not_modified = None
        return {
            "key": session.key,
            "status": status,
            **self._file_fields(session, assembled),
            "users": [session.last_author() or leaver.get("userid", "")],
            "actions": [leaver] if leaver else [],
            "lastsave": session.last_save(time.time()),
            "notmodified": not_modified,
            **({"filetype": session.filetype} if assembled is not None else {}),
        }

    def _file_fields(self, session: Session, assembled: Version | None) -> Fields:
        if assembled is None:
            return {}
        fields = {"url": self._link(session, f"{assembled.folder}/output.{session.filetype}")}
        if not session.from_forgotten:
            fields["changesurl"] = self._link(session, f"{assembled.folder}/changes.zip")
        return {**fields, "history": session.history()}

    def _link(self, session: Session, path: str) -> str:
        name = path.rpartition("/")[2]
        return self.shelf.linker.link(
            session.base, path, name, lifetime=self.settings.link_lifetime, now=time.time(), shard=session.key
        )

    async def forced(
        self, session: Session, kind: int, *, actions: list[dict[str, Any]] | None = None, userdata: str | None = None
    ) -> bool:
        """Save now and go on (6); say whether the storage took it."""
        target = session.last_callback or session.callback
        try:
            assembled = self._assemble(session)
        except AssembleError as error:
            self.failures.append(str(error))
            assembled = None
        fields = {
            "key": session.key,
            "status": callbacks.FORCED if assembled is not None else callbacks.FORCE_ERROR,
            **self._file_fields(session, assembled),
            "users": [session.last_author() or ""],
            **({"actions": actions} if actions else {}),
            **({"userdata": userdata} if userdata is not None and assembled is not None else {}),
            "lastsave": session.last_save(time.time()),
            "forcesavetype": kind,
            **({"filetype": session.filetype} if assembled is not None else {}),
        }
        taken = target is not None and await self.caller.send(target, lambda: fields) and assembled is not None
        if taken and assembled is not None:
            session.forced = assembled.changes
        return taken

    def _assemble(self, session: Session) -> Version:
        if self.faults.take("assemble") is not None or session.opened is None or session.blocks is None:
            raise AssembleError(session.key)
        blocks = session.blocks
        texts = {block: changes.from_units(text) for block, text in blocks.texts.items()}
        data = session.source
        if blocks.history:
            try:
                data = formats.written(session.source, session.opened.kind, texts, blocks.order)
            except ooxml.CorruptError as error:
                raise AssembleError(str(error)) from error
        folder = self.shelf.new_version(session.key)
        self.shelf.put(f"{folder}/output.{session.filetype}", data)
        self.shelf.put(f"{folder}/changes.zip", shelf.changes_zip(changes.write(one) for one in blocks.history))
        self.versions.append(Version(session.key, folder, data, len(blocks.history), time.monotonic()))
        return self.versions[-1]
