"""The connector over a directory: created, edited by several, closed, opened again, converted, and never overwritten."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config import Config
from bridge.demo.colleague import Colleague
from bridge.demo.docs import Fault
from bridge.demo.editor import RefusedError
from bridge.demo.house import House, house
from bridge.demo.person import PageError


@dataclasses.dataclass(slots=True)
class Desk:
    """A house without a HumHub, and the directory that is its site."""

    house: House
    documents: Path
    people: list[Colleague]

    async def colleague(self, name: str, language: str = "en") -> Colleague:
        one = Colleague(self.house.browser_url, language=language)
        self.people.append(one)
        await one.introduce(name)
        return one

    def text(self, guid: str) -> bytes:
        return (self.documents / guid).read_bytes()


def hasty(config: Config) -> Config:
    """Wait for no slow HumHub after an attempt without an answer."""
    return dataclasses.replace(config, saves=dataclasses.replace(config.saves, storing=0.5))


@contextlib.asynccontextmanager
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with house(tmp_path, docs={"save_delay": 0.2}, adjust=hasty, connector="directory") as h:
        made = Desk(h, tmp_path / "documents", [])
        try:
            yield made
        finally:
            for one in made.people:
                await one.close()


@pytest.fixture(name="desk")
async def fixture_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as made:
        yield made


async def test_a_document_is_created_edited_by_two_and_saved(desk: Desk) -> None:
    alice, bob = await desk.colleague("Alice"), await desk.colleague("Bob")
    made = await alice.create("docx", "Plan")
    assert made["file"]["name"] == "Plan.docx"
    page = await alice.open_at(made["open"])
    one = alice.editor(page)
    await one.open()
    other_page, two = await bob.edit("Plan.docx")
    assert other_page.key == page.key
    await one.write("from Alice")
    await two.see("from Alice")
    await two.write("from Bob")
    await one.see("from Bob")
    await one.leave()
    await two.leave()
    callback = await desk.house.told(page.key)
    assert callback.acknowledged
    again, three = await alice.edit("Plan.docx")
    assert again.key != page.key
    await three.see("from Alice")
    await three.see("from Bob")


async def test_closing_saves_at_once(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    made = await alice.create("docx", "Plan")
    before = desk.text("Plan.docx")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("soon")
    said = await alice.shut(page)
    assert said["saved"]
    assert said["file"]["guid"] == made["file"]["guid"]
    assert said["notice"] is None
    assert desk.text("Plan.docx") != before


async def test_who_has_not_said_who_they_are_opens_nothing(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    stranger = Colleague(desk.house.browser_url)
    desk.people.append(stranger)
    with pytest.raises(PageError, match="401"):
        await stranger.open("Plan.docx")


async def test_two_dozen_first_openers_get_one_key(desk: Desk) -> None:
    people = [await desk.colleague(f"Person {number}") for number in range(6)]
    await people[0].create("docx", "Plan")
    pages = await asyncio.gather(*(person.open("Plan.docx") for person in people * 4))
    assert len({page.key for page in pages}) == 1


async def test_another_content_has_another_key(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    before = await alice.open("Plan.docx")
    (desk.documents / "Plan.docx").write_bytes(desk.text("Plan.docx") + b"\0")
    assert (await alice.open("Plan.docx")).key != before.key


async def test_a_forced_save_keeps_the_key_for_who_comes_later(desk: Desk) -> None:
    alice, bob = await desk.colleague("Alice"), await desk.colleague("Bob")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("first")
    await alice.shut(page)
    other, late = await bob.edit("Plan.docx")
    assert other.key == page.key
    await late.see("first")


async def test_a_file_that_was_changed_meanwhile_is_not_overwritten(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("mine")
    theirs = desk.text("Plan.docx") + b"\0theirs"
    (desk.documents / "Plan.docx").write_bytes(theirs)
    said = await alice.shut(page)
    assert desk.text("Plan.docx") == theirs
    assert said["saved"]
    assert said["before"] == "Plan.docx"
    second = said["file"]["name"]
    assert second.startswith("Plan (Alice, ")
    assert second in said["notice"]
    assert [second in notice for notice in await alice.notices()] == [True]
    # The session goes on with the second file, and makes no third one.
    await editor.write("more")
    await editor.leave()
    await desk.house.told(page.key)
    assert sorted(path.name for path in desk.documents.iterdir()) == [second, "Plan.docx"]
    assert desk.text("Plan.docx") == theirs
    _, again = await alice.edit(second)
    await again.see("mine")
    await again.see("more")


async def test_who_also_looks_at_what_they_edit_saves_it(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await alice.open("Plan.docx", mode="view")
    await editor.write("mine")
    assert (await alice.shut(page))["saved"]


async def test_an_older_version_that_somebody_restored_is_not_overwritten(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("one")
    await alice.shut(page)
    restored = desk.text("Plan.docx")
    await editor.write("two")
    await alice.shut(page)
    (desk.documents / "Plan.docx").write_bytes(restored)
    await editor.write("three")
    said = await alice.shut(page)
    assert desk.text("Plan.docx") == restored
    assert said["file"]["guid"] != "Plan.docx"


async def test_a_reader_views_and_saves_nothing(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    (desk.documents / "Plan.docx").chmod(0o444)
    page = await alice.open("Plan.docx")
    assert page.config["editorConfig"]["mode"] == "view"
    assert not page.config["document"]["permissions"]["edit"]
    assert page.notice


async def test_a_right_that_was_taken_away_meanwhile_counts(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("too late")
    before = desk.text("Plan.docx")
    (desk.documents / "Plan.docx").chmod(0o444)
    said = await alice.shut(page)
    assert not said["saved"]
    assert "kept" in said["notice"]
    assert desk.text("Plan.docx") == before
    assert len(desk.house.saves) == 1
    # Who opens it meanwhile sees it.
    await desk.house.told(page.key)
    bob = await desk.colleague("Bob")
    _, later = await bob.edit("Plan.docx", mode="view")
    await later.see("too late")
    # Nothing is lost: it is stored as soon as it may be.
    (desk.documents / "Plan.docx").chmod(0o644)
    await desk.house.until(lambda: not desk.house.saves, within=30)
    assert desk.text("Plan.docx") != before


async def test_a_save_of_a_deleted_file_is_a_dead_letter(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await editor.write("kept")
    (desk.documents / "Plan.docx").unlink()
    await editor.leave()
    callback = await desk.house.told(page.key)
    assert not callback.acknowledged
    assert len(desk.house.saves) == 1
    assert list(desk.documents.iterdir()) == []


async def test_a_content_is_only_given_under_its_own_key(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page = await alice.open("Plan.docx")
    (desk.documents / "Plan.docx").write_bytes(desk.text("Plan.docx") + b"\0")
    editor = alice.editor(page)
    with pytest.raises(RefusedError):
        await editor.open()
    _, again = await alice.edit("Plan.docx")
    await again.leave()


async def test_a_bridge_that_was_restarted_saves_what_was_open(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    page, editor = await alice.edit("Plan.docx")
    await desk.house.restart_bridge()
    await editor.be_back(2)
    await editor.write("after")
    assert (await alice.shut(page))["saved"]


@pytest.mark.parametrize("instead", [False, True])
async def test_a_file_is_converted_beside_or_instead(desk: Desk, *, instead: bool) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / "notes.txt").write_bytes(b"a line\n")
    made = await alice.convert("notes.txt", "", "docx", instead=instead)
    assert made["name"] == "notes.docx"
    assert (desk.documents / "notes.txt").exists() != instead
    _, editor = await alice.edit("notes.docx")
    await editor.see("a line")


async def test_a_result_that_docs_does_not_give_stores_nothing_until_it_does(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / "notes.txt").write_bytes(b"a line\n")
    for fault in (Fault("status", status=500), Fault("page"), Fault("cut"), Fault("empty")):
        desk.house.docs.faults.clear()
        desk.house.docs.faults.add("file", fault)
        with pytest.raises(PageError, match=r"50[27]"):
            await alice.convert("notes.txt", "", "docx")
        assert [path.name for path in desk.documents.iterdir()] == ["notes.txt"]
    desk.house.docs.faults.clear()
    first, again = [await alice.convert("notes.txt", "", "docx") for _ in range(2)]
    assert first == again  # an answer that got lost stores nothing twice


async def test_what_docs_cannot_convert_is_said_in_words(desk: Desk) -> None:
    anna = await desk.colleague("Anna", "de")
    (desk.documents / "broken.odt").write_bytes(b"PK\x03\x04 no document")
    with pytest.raises(PageError, match=r"409 .*konvert"):
        await anna.convert("broken.odt", "", "docx")


async def test_a_docs_that_is_away_ends_a_conversion_at_once(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / "notes.txt").write_bytes(b"a line\n")
    await desk.house.stop_docs()
    with pytest.raises(PageError, match="502"):
        await alice.convert("notes.txt", "", "docx")
    await desk.house.start_docs()
    assert (await alice.convert("notes.txt", "", "docx"))["name"] == "notes.docx"


async def test_who_may_not_write_converts_nothing(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / "notes.txt").write_bytes(b"a line\n")
    (desk.documents / "notes.txt").chmod(0o444)
    with pytest.raises(PageError, match="403"):
        await alice.convert("notes.txt", "", "docx")


async def test_a_file_is_downloaded_and_never_shown(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / "Akte.html").write_bytes(b"<script>alert(1)</script>")
    async with alice.http.get(alice.to("file", guid="Akte.html")) as answer:
        assert await answer.read() == b"<script>alert(1)</script>"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_conversion_of_what_is_edited_anyway_is_refused(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    with pytest.raises(PageError, match="400"):
        await alice.convert("Plan.docx", "", "xlsx")


async def test_a_foreign_page_changes_nothing(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    message = {"kind": "docx", "name": "Plan", "place": ""}
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        async with alice.http.post(alice.to("create"), json=message, headers=headers) as answer:
            assert answer.status == 403
    async with alice.http.post(alice.to("create"), data=message) as answer:
        assert answer.status == 400
    assert list(desk.documents.iterdir()) == []


async def test_the_editors_page_is_framed_by_its_own_host_alone(desk: Desk) -> None:
    alice = await desk.colleague("Alice")
    await alice.create("docx", "Plan")
    async with alice.http.get(alice.to("open", guid="Plan.docx")) as answer:
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("guid", ["../bridge/bridge.db", "/etc/passwd", ".hidden", "nothing.docx", "a\0b"])
async def test_nothing_beyond_the_directory_is_there(desk: Desk, guid: str) -> None:
    alice = await desk.colleague("Alice")
    (desk.documents / ".hidden").write_bytes(b"x")
    with pytest.raises(PageError, match="404"):
        await alice.open(guid)


async def test_somebody_is_spoken_to_in_their_language(desk: Desk) -> None:
    anna = await desk.colleague("Anna", "de-AT,de;q=0.9")
    made = await anna.create("xlsx", "")
    assert made["file"]["name"] == "Tabelle.xlsx"
    page = await anna.open_at(made["open"])
    assert page.config["editorConfig"]["lang"] == "de"


@pytest.mark.parametrize(
    ("wanted", "made"),
    [
        ("..", "Dokument.docx"),
        (".docx", "Dokument.docx"),
        (" a/b ", "a_b.docx"),
        (".hidden", "hidden.docx"),
        ("Plan.docx", "Plan.docx"),
        ("📄 Plan", "📄 Plan.docx"),
        ("é" * 200, "é" * 121 + ".docx"),
    ],
)
async def test_whatever_it_is_called_it_is_a_files_name(desk: Desk, wanted: str, made: str) -> None:
    anna = await desk.colleague("Anna", "de")
    assert (await anna.create("docx", wanted))["file"]["name"] == made
    assert [path.name for path in desk.documents.iterdir()] == [made]


async def test_what_goes_wrong_is_said_in_the_language_of_who_asks(desk: Desk) -> None:
    anna = await desk.colleague("Anna", "de")
    await anna.create("docx", "Plan")
    page, editor = await anna.edit("Plan.docx")
    await editor.write("kept")
    (desk.documents / "Plan.docx").unlink()
    with pytest.raises(PageError, match=r"404.*Diese Datei ist nicht mehr da"):
        await anna.shut(page)
    await desk.house.stop_docs()
    with pytest.raises(PageError, match=r"502.*Der Server ist nicht erreichbar"):
        await anna.shut(page)
