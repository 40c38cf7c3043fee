"""What the connector remembers: one key for one content, who opened it, and notices."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.store.documents import Document, Documents, Visit
from bridge.store.sqlite import SqliteIndex
from tests.store.entries import NOW, SITE

FILE = Document(
    site=SITE,
    key="k1",
    guid="g1",
    place="/s/x/cfiles/upload?fid=1",
    name="Plan.docx",
    version="v1",
    handle={"number": 4},
)
ALICE = Visit(site=SITE, id="alice", name="Alice", language="de", image="/i.png", number=2, cookies="PHPSESSID=a")
BOB = Visit(site=SITE, id="bob", name="Bob", language="en")


@pytest.fixture
async def index(database: Path) -> AsyncIterator[SqliteIndex]:
    index = await SqliteIndex.open(database, clock=lambda: NOW)
    yield index
    await index.close()


@pytest.fixture
def documents(index: SqliteIndex) -> Documents:
    return index.documents


async def test_the_first_who_opens_a_content_gets_it_a_key(documents: Documents) -> None:
    assert await documents.claim(FILE) == FILE
    assert await documents.document(SITE, "k1") == FILE
    assert await documents.current(SITE, "g1") == FILE


async def test_everybody_after_the_first_gets_the_same_key(documents: Documents) -> None:
    await documents.claim(FILE)
    other = dataclasses.replace(FILE, key="k2", name="Renamed.docx")
    assert await documents.claim(other) == dataclasses.replace(FILE, name="Renamed.docx")
    assert await documents.document(SITE, "k2") is None


async def test_who_can_t_tell_where_a_file_is_moves_no_document(documents: Documents) -> None:
    await documents.claim(FILE)
    other = dataclasses.replace(FILE, key="k2", place="elsewhere", handle={})
    assert await documents.claim(other, there=False) == FILE
    assert await documents.current(SITE, "g1") == FILE
    assert await documents.claim(other, there=True) == dataclasses.replace(other, key="k1")


async def test_another_content_gets_another_key(documents: Documents) -> None:
    await documents.claim(FILE)
    other = dataclasses.replace(FILE, key="k2", version="v2")
    assert await documents.claim(other) == other
    before = await documents.document(SITE, "k1")
    assert before is not None
    assert not before.current


async def test_a_used_up_key_is_given_to_nobody(documents: Documents) -> None:
    await documents.claim(FILE)
    await documents.keep(dataclasses.replace(FILE, version="v2", current=False))
    other = dataclasses.replace(FILE, key="k2", version="v2")
    assert await documents.claim(other) == other


async def test_what_is_known_of_a_file_outlives_its_key(documents: Documents) -> None:
    await documents.claim(FILE)
    used = dataclasses.replace(FILE, version="v2", current=False)
    await documents.keep(used)
    assert await documents.current(SITE, "g1") is None
    assert await documents.latest(SITE, "g1") == used
    now = dataclasses.replace(FILE, key="k2", version="v2")
    await documents.claim(now)
    assert await documents.latest(SITE, "g1") == now
    assert await documents.latest(SITE, "g9") is None


async def test_the_same_file_of_another_site_is_another(documents: Documents) -> None:
    await documents.claim(FILE)
    other = dataclasses.replace(FILE, site="other", key="k2")
    assert await documents.claim(other) == other
    assert await documents.current(SITE, "g1") == FILE


async def test_a_key_that_goes_on_with_another_file_takes_its_place(documents: Documents) -> None:
    await documents.claim(FILE)
    await documents.claim(dataclasses.replace(FILE, key="k2", guid="g2"))
    moved = dataclasses.replace(FILE, guid="g2", second=True)
    await documents.keep(moved)
    assert await documents.current(SITE, "g2") == moved
    assert await documents.current(SITE, "g1") is None


async def test_writers_are_who_may_write_the_latest_first(documents: Documents) -> None:
    await documents.opened(FILE, BOB, writes=False)
    await documents.opened(FILE, ALICE, writes=True)
    assert await documents.writers(SITE, "k1") == [ALICE]
    await documents.opened(FILE, BOB, writes=True)
    assert await documents.writers(SITE, "k1") == [ALICE, BOB]


async def test_who_looks_at_a_document_in_a_second_window_still_writes_it(documents: Documents) -> None:
    await documents.opened(FILE, ALICE, writes=True)
    await documents.opened(FILE, ALICE, writes=False)
    assert await documents.writers(SITE, "k1") == [ALICE]


async def test_somebody_is_known_as_they_were_here_last(documents: Documents) -> None:
    await documents.opened(FILE, ALICE, writes=True)
    await documents.visited(dataclasses.replace(ALICE, cookies="PHPSESSID=b"))
    found = await documents.visit(SITE, "alice")
    assert found is not None
    assert found.cookies == "PHPSESSID=b"
    assert await documents.visit(SITE, "nobody") is None


async def test_a_notice_is_given_once_until_it_is_read(documents: Documents) -> None:
    await documents.tell(SITE, "alice", "Kept as {second}.", second="Plan 2.docx")
    await documents.tell(SITE, "alice", "Kept as {second}.", second="Plan 2.docx")
    await documents.tell(SITE, "alice", "Kept as {second}.", second="Plan 3.docx")
    told = await documents.notices(SITE, "alice")
    assert [notice.arguments for notice in told] == [{"second": "Plan 2.docx"}, {"second": "Plan 3.docx"}]
    await documents.read(SITE, "bob", [told[0].id])
    await documents.read(SITE, "alice", [told[0].id])
    assert await documents.notices(SITE, "alice") == told[1:]
    assert await documents.notices(SITE, "bob") == []


async def test_what_nobody_needs_is_pruned(index: SqliteIndex) -> None:
    documents = index.documents
    await documents.opened(await documents.claim(FILE), ALICE, writes=True)
    await index.remember(SITE, "k1", target="/callback", node="docs-1")
    await documents.tell(SITE, "alice", "Hello.")
    await index.prune(before=NOW)
    assert await documents.notices(SITE, "alice")
    await index.prune(before=NOW + 1)
    assert await documents.document(SITE, "k1") is None
    assert await documents.visit(SITE, "alice") is None
    assert await documents.notices(SITE, "alice") == []


async def test_a_document_stays_as_long_as_its_key(index: SqliteIndex) -> None:
    await index.documents.opened(await index.documents.claim(FILE), ALICE, writes=True)
    await index.remember(SITE, "k1", target="/callback", node="docs-1")
    await index.prune(before=NOW - 1)
    assert await index.documents.writers(SITE, "k1") == [ALICE]
