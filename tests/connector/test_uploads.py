"""Saves as uploads, and keys, in the moments that no story can be held at: over a directory, with records made by hand."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.connector.keys import Keys
from bridge.connector.links import Link, Purpose
from bridge.connector.local import Local
from bridge.connector.recipient import Uploads
from bridge.connector.storage import StoredFile, Upload, Visitor
from bridge.protocol.errors import NoRouteError, UnreachableError, UpstreamTimeoutError
from bridge.protocol.secret import Secret
from bridge.saves.attempts import Attempts
from bridge.saves.bodies import Bodies
from bridge.saves.flights import End
from bridge.saves.steps import unobserved
from bridge.saves.track import Told
from bridge.store.documents import Document, Visit
from bridge.store.records import Entry, Flight, State
from bridge.store.sqlite import SqliteIndex
from tests.store.entries import NOW, SITE, entry, put

SECRET = Secret("bridge-secret-0123456789abcdef0123456789")
ALICE = Visitor(id="alice", name="Alice")
OLD, EARLIER, NEW = b"PK old", b"PK earlier", b"PK newest"


def save(identity: str, body: bytes, **changes: Any) -> Entry:
    digest = hashlib.sha256(body).hexdigest()
    usual = {"size": len(body), "sha256": digest, "fields": {"users": ["alice"]}}
    return entry(identity, **{**usual, **changes})


@dataclasses.dataclass
class Desk:
    """A directory with one document, which Alice has open under k1, and what a save of it goes to."""

    index: SqliteIndex
    documents: Path
    storage: Local
    attempts: Attempts
    dropped: list[str] = dataclasses.field(default_factory=list)

    @property
    def uploads(self) -> Uploads:
        return Uploads(SITE, self.storage, self.index.documents, self.attempts, self._drop)

    async def _drop(self, _key: str, user: str) -> None:
        self.dropped.append(user)

    async def open(self) -> Document:
        """Let Alice have the document open."""
        file = await self.storage.look(ALICE, "Plan.docx", "")
        document = Document(site=SITE, key="k1", guid=file.guid, place="", name=file.name, version=file.version)
        await self.index.documents.keep(document)
        visit = Visit(site=SITE, id="alice", name="Alice", language="en")
        await self.index.documents.opened(document, visit, writes=True)
        return document

    async def fly(self, *entries: Entry, status: int = 6, **changes: Any) -> Flight:
        """Let the last of the entries be in flight."""
        flight = Flight(number=1, entry=entries[-1].id, status=status, owner=self.index.worker, until=NOW + 300)
        for one, body in zip(entries, (EARLIER, NEW)[-len(entries) :], strict=True):
            self.attempts.bodies.path(one.id).write_bytes(body)
        await self.index.change(SITE, "k1", put(*entries, number=1, flight=flight, **changes))
        return flight

    async def take(self, *entries: Entry, **changes: Any) -> Told:
        flight = await self.fly(*entries, **changes)
        return await self.uploads.take(await self.index.read(SITE, "k1"), flight, None)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.documents.iterdir())


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "Plan.docx").write_bytes(OLD)
    index = await SqliteIndex.open(tmp_path / "bridge.db", clock=lambda: NOW)
    bodies = Bodies(tmp_path / "saves", worker=index.worker, max_size=1 << 20, reserve=0)
    bodies.open()
    attempts = Attempts(SECRET, index, bodies, lambda: NOW, unobserved, 5.0)
    yield Desk(index, documents, Local(documents, SECRET, lambda: NOW), attempts)
    await index.close()


async def test_a_save_replaces_one_whose_arrival_nobody_heard_of(desk: Desk) -> None:
    await desk.open()
    (desk.documents / "Plan.docx").write_bytes(EARLIER)
    told = await desk.take(save("e1", EARLIER, state=State.SUPERSEDED), save("e2", NEW, arrival=2))
    assert told.end is End.CONFIRMED
    assert desk.names() == ["Plan.docx"]
    assert (desk.documents / "Plan.docx").read_bytes() == NEW


async def test_a_save_does_not_replace_an_older_one_that_somebody_put_back(desk: Desk) -> None:
    await desk.open()
    (desk.documents / "Plan.docx").write_bytes(EARLIER)
    told = await desk.take(save("e1", EARLIER, state=State.DELIVERED, delivered_as=6), save("e2", NEW, arrival=2))
    assert told.end is End.CONFIRMED
    assert (desk.documents / "Plan.docx").read_bytes() == EARLIER
    assert len(desk.names()) == 2


async def test_a_save_of_a_lost_index_is_refused_and_kept(desk: Desk) -> None:
    link = Link(site=SITE, key="k1", guid="Plan.docx", place="", version="v", visitor="alice", writes=True)
    target = link.target(SECRET, Purpose.CALLBACK, "", now=NOW)
    told = await desk.take(save("e1", NEW), target=target)
    assert (told.end, told.why) == (End.REFUSED, "nobody is known who may save it")
    assert (desk.documents / "Plan.docx").read_bytes() == OLD


async def test_a_save_of_which_nothing_is_known_is_a_dead_letter(desk: Desk) -> None:
    assert (await desk.take(save("e1", NEW), target="/callback")).end is End.GONE


async def test_who_may_no_longer_write_is_put_out(desk: Desk) -> None:
    await desk.open()
    (desk.documents / "Plan.docx").chmod(0o444)
    assert (await desk.take(save("e1", NEW))).end is End.REFUSED
    assert desk.dropped == ["alice"]


async def test_a_key_that_another_content_took_over_does_not_take_it_back(desk: Desk) -> None:
    document = await desk.open()
    await desk.index.documents.keep(dataclasses.replace(document, key="k2", version="other"))
    assert (await desk.take(save("e1", NEW))).end is End.CONFIRMED
    now = await desk.index.documents.current(SITE, "Plan.docx")
    assert now is not None
    assert now.key == "k2"


@pytest.mark.parametrize(
    ("raised", "end"),
    [
        (UnreachableError("away"), End.UNSENT),
        (UpstreamTimeoutError("silent"), End.UNREAD),
        (NoRouteError("gone"), End.GONE),
    ],
    ids=["never reached", "silent", "gone"],
)
async def test_what_a_storage_fails_in_ends_an_attempt(desk: Desk, raised: Exception, end: End) -> None:
    class Failing(Local):
        async def replace(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile:
            raise raised

    await desk.open()
    desk.storage = Failing(desk.documents, SECRET, lambda: NOW)
    assert (await desk.take(save("e1", NEW))).end is end


async def test_an_upload_that_never_ends_is_given_up(desk: Desk) -> None:
    class Hanging(Local):
        async def replace(self, visitor: Visitor, file: StoredFile, upload: Upload) -> StoredFile:
            await asyncio.Event().wait()
            return file

    await desk.open()
    desk.storage = Hanging(desk.documents, SECRET, lambda: NOW)
    desk.attempts = dataclasses.replace(desk.attempts, lifetime=0.05)
    told = await desk.take(save("e1", NEW))
    assert (told.end, told.about["remedy"][:5]) == (End.UNREAD, "Raise")


async def test_what_became_of_an_attempt_is_told_by_the_bytes(desk: Desk) -> None:
    await desk.open()
    await desk.fly(save("e1", NEW), status=2)
    assert await desk.uploads.knows_key(await desk.index.read(SITE, "k1")) is True
    (desk.documents / "Plan.docx").write_bytes(NEW)
    assert await desk.uploads.knows_key(await desk.index.read(SITE, "k1")) is False
    document = await desk.index.documents.document(SITE, "k1")
    assert document is not None
    assert not document.current


async def test_what_became_of_an_attempt_is_not_known_where_nobody_can_ask(desk: Desk) -> None:
    await desk.fly(save("e1", NEW), status=2)
    assert await desk.uploads.knows_key(await desk.index.read(SITE, "k1")) is None


# --- keys -----------------------------------------------------------------------------------------------------------


async def never(_key: str) -> bool:
    return False


async def test_who_opens_what_a_save_has_just_brought_joins_its_session(desk: Desk) -> None:
    await desk.open()
    await desk.index.change(SITE, "k1", put(save("e1", NEW, status=6, tries=1)))
    (desk.documents / "Plan.docx").write_bytes(NEW)
    keys = Keys(SITE, desk.storage, desk.index, never)
    document = await keys.of(ALICE, await desk.storage.look(ALICE, "Plan.docx", ""))
    assert document.key == "k1"


async def test_who_opens_a_file_while_a_save_is_on_its_way_waits_for_it(desk: Desk) -> None:
    before = await desk.open()
    await desk.fly(save("e1", NEW))
    (desk.documents / "Plan.docx").write_bytes(NEW)
    keys = Keys(SITE, desk.storage, desk.index, never)
    opening = asyncio.create_task(keys.of(ALICE, await desk.storage.look(ALICE, "Plan.docx", "")))
    await asyncio.sleep(0.05)
    assert not opening.done()
    version = (await desk.storage.look(ALICE, "Plan.docx", "")).version
    await desk.index.documents.keep(dataclasses.replace(before, version=version))
    await desk.index.change(SITE, "k1", put(flight=None))
    assert (await opening).key == "k1"


async def test_an_attempt_that_nobody_makes_any_more_is_settled_first(desk: Desk) -> None:
    before = await desk.open()
    await desk.fly(save("e1", NEW))
    await desk.index.change(
        SITE, "k1", put(flight=Flight(number=1, entry="e1", status=6, owner="dead", until=NOW + 300))
    )
    (desk.documents / "Plan.docx").write_bytes(NEW)
    version = (await desk.storage.look(ALICE, "Plan.docx", "")).version

    async def settle(key: str) -> bool:
        await desk.index.documents.keep(dataclasses.replace(before, version=version))
        await desk.index.change(SITE, key, put(flight=None))
        return True

    keys = Keys(SITE, desk.storage, desk.index, settle)
    assert (await keys.of(ALICE, await desk.storage.look(ALICE, "Plan.docx", ""))).key == "k1"


# --- a directory ----------------------------------------------------------------------------------------------------


def upload(path: Path, body: bytes) -> Upload:
    path.write_bytes(body)
    return Upload(path, len(body), hashlib.sha256(body).hexdigest())


async def test_a_directory_never_replaces_what_changed_since_it_was_looked_at(desk: Desk, tmp_path: Path) -> None:
    file = await desk.storage.look(ALICE, "Plan.docx", "")
    (desk.documents / "Plan.docx").write_bytes(EARLIER)
    with pytest.raises(Exception, match="changed meanwhile"):
        await desk.storage.replace(ALICE, file, upload(tmp_path / "body", NEW))
    assert (desk.documents / "Plan.docx").read_bytes() == EARLIER
    assert desk.names() == ["Plan.docx"]


async def test_a_directory_keeps_nothing_of_an_upload_that_breaks_off(desk: Desk, tmp_path: Path) -> None:
    file = await desk.storage.look(ALICE, "Plan.docx", "")
    short = dataclasses.replace(upload(tmp_path / "body", NEW), size=len(NEW) + 1)
    with pytest.raises(Exception, match="not as long as it was"):
        await desk.storage.replace(ALICE, file, short)
    assert (desk.documents / "Plan.docx").read_bytes() == OLD
    assert desk.names() == ["Plan.docx"]


async def test_a_directory_gives_a_new_file_the_next_free_name(desk: Desk, tmp_path: Path) -> None:
    body = upload(tmp_path / "body", NEW)
    names = [(await desk.storage.add(ALICE, "", "Plan.docx", body)).name for _ in range(2)]
    assert names == ["Plan (2).docx", "Plan (3).docx"]
    wanted = StoredFile(guid="", place="", name="Plan.docx", size=0, version="", may_write=False)
    found = await desk.storage.find(ALICE, wanted, body)
    assert found is not None
    assert found.name == "Plan (2).docx"


async def test_a_link_out_of_a_directory_is_not_there(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.docx").write_bytes(NEW)
    (desk.documents / "link.docx").symlink_to(tmp_path / "secret.docx")
    with pytest.raises(NoRouteError):
        await desk.storage.look(ALICE, "link.docx", "")
    assert [file.name for file in (await desk.storage.entries(""))[1]] == ["Plan.docx"]
