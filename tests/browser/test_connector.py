"""The connector as people have it: in HumHub without the module, and over a directory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, expect

from bridge.demo import shelves
from bridge.demo.docs import formats
from bridge.demo.humhub import samples
from bridge.demo.wiring import documents
from tests.browser.tabs import KINDS, Room, Tab
from tests.chromium import browser, needs_chromium
from tests.houses import MakeHouse, make_house

__all__ = ["browser", "make_house"]
pytestmark = needs_chromium

DIRECTORY = {"connector": "directory"}
HUMHUB = {"connector": "humhub"}
BELOW = {"connector": "humhub", "humhub": {"base_path": "/hub"}}
PLAIN = {"connector": "humhub", "humhub": {"pretty_urls": False}}
PLAIN_BELOW = {"connector": "humhub", "humhub": {"pretty_urls": False, "base_path": "/hub"}}


@pytest.fixture
async def room(make_house: MakeHouse, browser: Browser, layout: dict[str, Any]) -> AsyncIterator[Room]:
    made = Room(await make_house(docs={"save_delay": 0.2, "rejoin": 30.0}, **layout), browser)
    yield made
    for number, tab in enumerate(made.tabs):
        await tab.picture(f"connector-last-{number}")
    await made.close()


def is_directory(room: Room) -> bool:
    return room.house.layout.connector == "directory"


async def at_the_files(room: Room, name: str, language: str = "en", **context: Any) -> Tab:
    """Give somebody a window with the files in it; HumHub's by its own change of page."""
    if is_directory(room):
        return await room.introduced(name, language, **context)
    tab = await room.logged_in(name, language, **context)
    await tab.page.evaluate("() => { window.still = true; }")
    await tab.page.locator("#topbar nav a").nth(2).click()
    await expect(tab.page.locator("#cfiles-folderView")).to_be_visible()
    assert await tab.page.evaluate("window.still")
    return tab


def put(room: Room, name: str, content: bytes, owner: str = "alice") -> str:
    """Put a file there that the connector didn't make; give its guid."""
    if is_directory(room):
        (documents(room.house.directory) / name).write_bytes(content)
        return name
    return room.house.humhub.add_cfile(name, content, owner=owner).file.guid


def guid_of(room: Room, name: str) -> str:
    if is_directory(room):
        return name
    return next(file.guid for file in room.house.humhub.files.values() if file.name == name)


def text_of(room: Room, guid: str) -> str:
    """Read what is stored."""
    shelf = shelves.shelf_of(room.house)
    return formats.text_of(formats.sniff(shelf.read(guid), "docx"))


# who edits what together: pairwise with storage, language and the spelling of addresses
TOGETHER = [
    (DIRECTORY, "en", "docx"),
    (DIRECTORY, "de", "pptx"),
    (HUMHUB, "en", "pdf"),
    (PLAIN_BELOW, "de", "xlsx"),
]


@pytest.mark.parametrize(("layout", "language", "shared"), TOGETHER, ids=["list", "list, de", "HumHub", "HumHub, de"])
async def test_each_kind_is_created_edited_in_two_windows_closed_and_opened_again(
    room: Room, language: str, shared: str
) -> None:
    alice = await at_the_files(room, "alice", language, color_scheme="dark" if language == "de" else "light")
    for kind in KINDS:
        await alice.create(kind, f"Plan {kind}")
        await alice.type("First words")
        if kind == shared:
            await shared_with_another(room, alice, f"Plan {kind}.{kind}", language)
        await alice.close()
        await expect(alice.file(f"Plan {kind}.{kind}")).to_be_visible()
        assert "First words" in text_of(room, guid_of(room, f"Plan {kind}.{kind}"))
    await alice.offers("Plan pptx.pptx")
    await alice.picture(f"connector-files-{room.house.layout.connector}-{language}")
    guid = guid_of(room, f"Plan {shared}.{shared}")
    await room.until(lambda: "and second" in text_of(room, guid))
    await alice.open(f"Plan {shared}.{shared}", "Edit document")
    await alice.shows("First words")
    await alice.shows("and second")
    assert guid_of(room, f"Plan {shared}.{shared}") == guid
    assert room.complaints() == []


async def shared_with_another(room: Room, alice: Tab, name: str, language: str) -> None:
    admin = await at_the_files(room, "admin", language)
    await admin.open(name, "Edit document")
    await admin.shows("First words")
    await admin.type(" and second")
    await alice.shows("and second")
    await admin.picture(f"connector-together-{room.house.layout.connector}-{language}")
    await admin.close()


@pytest.mark.parametrize("layout", [DIRECTORY, PLAIN], ids=["list", "HumHub"])
async def test_what_is_not_edited_is_viewed_filled_in_and_converted(room: Room) -> None:
    for name, content in shelves.samples().items():
        put(room, name, content)
    alice = await at_the_files(room, "alice", "de")
    assert (await alice.offers("Minutes.odt"))[0] == "Dokument ansehen"
    await alice.open("Minutes.odt", "View document")
    await alice.reads("Minutes of the meeting")
    await alice.close()
    assert (await alice.offers("Registration.pdf"))[0] == "Ausfüllen"
    await alice.open("Registration.pdf", "Fill in")
    await alice.type("Ada", block=1)
    await alice.close()
    assert "Name: Ada" in text_of(room, guid_of(room, "Registration.pdf"))
    asking = await converting(alice, "Minutes.odt")
    await alice.picture(f"connector-convert-{room.house.layout.connector}")
    await asking.get_by_role("button", name="Konvertieren").click()
    await expect(asking.get_by_role("status")).to_contain_text("Minutes.docx")
    await asking.get_by_role("button", name="Schließen").click()
    await expect(alice.file("Minutes.docx")).to_be_visible()
    await expect(alice.file("Minutes.odt")).to_be_visible()
    asking = await converting(alice, "Prices.ods")
    await asking.get_by_label("Das Original ersetzen").check()
    await asking.get_by_role("button", name="Konvertieren").click()
    await expect(asking.get_by_role("status")).to_contain_text("Prices.xlsx")
    await asking.get_by_role("button", name="Schließen").click()
    await expect(alice.file("Prices.xlsx")).to_be_visible()
    await expect(alice.file("Prices.ods")).to_have_count(0)
    await alice.open("Minutes.docx")
    await alice.shows("Minutes of the meeting")
    await alice.close()
    await alice.picture(f"connector-converted-{room.house.layout.connector}")
    assert room.complaints() == []


async def converting(tab: Tab, name: str) -> Locator:
    await tab.choose(name, "Convert")
    return tab.page.get_by_role("dialog", name=f"{tab.say('Convert')}: {name}")


@pytest.mark.parametrize(("layout", "language"), [(DIRECTORY, "en"), (BELOW, "de")], ids=["list", "HumHub, de"])
async def test_a_file_that_was_changed_meanwhile_is_kept_and_its_editor_told(room: Room, language: str) -> None:
    guid = put(room, "Plan.docx", shelves.samples()["Team handbook.docx"])
    alice = await at_the_files(room, "alice", language)
    await alice.open("Plan.docx")
    await alice.type("My own words. ")
    await alice.settled()
    shelves.shelf_of(room.house).change(guid, samples.docx("Theirs"))
    await alice.close()
    second = re.compile(r"Plan \(.*\)\.docx")
    await expect(alice.told).to_contain_text(second)
    await expect(alice.told).to_contain_text("Somebody else" if language == "en" else "Jemand anderes")
    await alice.picture(f"connector-conflict-{room.house.layout.connector}")
    assert text_of(room, guid) == "Theirs"
    await expect(alice.page.locator("tr", has_text=second)).to_be_visible()
    # It is told on the next page too, until it is read.
    await alice.page.reload()
    await expect(alice.told).to_contain_text(second)
    await alice.told.get_by_role("button").click()
    await expect(alice.told).to_have_count(0)
    assert room.complaints() == []


@pytest.mark.parametrize(
    ("layout", "language", "kinds"),
    [(PLAIN, "en", ["docx", "pdf"]), (BELOW, "de", ["xlsx", "pptx"])],
    ids=["HumHub", "HumHub, de"],
)
async def test_documents_are_created_for_a_post_and_edited_in_the_stream(
    room: Room, language: str, kinds: list[str]
) -> None:
    humhub = room.house.humhub
    alice = await room.logged_in("alice", language)
    for kind in kinds:
        await alice.create(kind, f"Plan {kind}", within="#contentFormBody")
        await alice.type("First words")
        await alice.close()
        await expect(alice.file(f"Plan {kind}.{kind}")).to_be_visible()
    await alice.picture(f"connector-form-{language}")
    await alice.page.fill("#contentForm_message_input", "Our plans")
    await alice.page.click("#post_submit_button")
    stream = alice.page.locator(".wall-entry")
    await expect(stream.locator("[data-preview-guid]")).to_have_count(len(kinds))
    (post,) = humhub.posts.newest_first()
    assert [humhub.files[guid].name for guid in post.guids] == [f"Plan {kind}.{kind}" for kind in kinds]
    assert all("First words" in text_of(room, guid) for guid in post.guids)
    first = humhub.files[post.guids[0]].name
    assert await alice.offers(first) == [alice.say("Edit document"), alice.say("View document")]
    await alice.picture(f"connector-stream-{language}")
    before = post.guids[0]
    await alice.open(first)
    await alice.shows("First words")
    admin = await room.logged_in("admin", language)
    await admin.open(first)
    await admin.type(" and second")
    await alice.shows("and second")
    await admin.close()
    await alice.close()
    await room.until(lambda: not room.house.saves and before not in post.guids)
    swapped = next(guid for guid in post.guids if humhub.files[guid].name == first)
    assert text_of(room, swapped).strip() == "First words and second"
    assert len(post.guids) == len(kinds)
    await alice.open(first)
    await alice.shows("and second")
    assert room.complaints() == []


@pytest.mark.parametrize("layout", [PLAIN], ids=["HumHub"])
async def test_a_reader_views_and_a_stranger_is_told_why_not(room: Room) -> None:
    put(room, "Plan.docx", samples.docx("Read me"))
    guid = guid_of(room, "Plan.docx")
    carol = await at_the_files(room, "carol", "de")
    assert await carol.offers("Plan.docx") == ["Dokument ansehen"]
    await carol.open("Plan.docx", "View document")
    await carol.reads("Read me")
    await carol.close()
    # Who asks for more than the menu offers gets no more, and is told.
    address = str(await carol.entries("Plan.docx").first.get_attribute("href")).replace("mode=view", "mode=edit")
    await carol.page.goto(room.house.browser_url + address)
    await expect(carol.page.locator("#notice")).to_contain_text("aber nicht ändern")
    await expect(carol.page.frame_locator("#stage iframe").locator("#readonly")).to_be_visible()
    await carol.picture("connector-reader")
    assert [call for call in room.house.humhub.uploads if call.guid == guid] == []
    bobby = await room.logged_in("bobby", "de")
    answer = await bobby.page.goto(room.house.browser_url + address)
    assert answer is not None
    assert answer.status == 403
    await expect(bobby.page.get_by_role("heading")).to_have_text("Sie dürfen diese Datei nicht öffnen")
    await bobby.picture("connector-refused")
    guest = await room.tab("guest", "de")
    await guest.page.goto(room.house.browser_url + address)
    await expect(guest.page.get_by_role("link")).to_have_attribute("href", re.compile("login"))
    await guest.picture("connector-guest")
    # Answers with 401 and 403 are what these pages are.
    assert [text for text in room.complaints() if "the server responded with a status of 40" not in text] == []


@pytest.mark.parametrize("layout", [DIRECTORY], ids=["list"])
async def test_a_right_that_is_taken_away_is_told_and_nothing_is_lost(room: Room) -> None:
    put(room, "Plan.docx", samples.docx("Mine"))
    alice = await at_the_files(room, "alice")
    await alice.open("Plan.docx")
    await alice.type(" and more")
    await alice.settled()
    file = documents(room.house.directory) / "Plan.docx"
    file.chmod(0o444)
    await alice.close()
    await expect(alice.told).to_contain_text("kept")
    await alice.picture("connector-right-gone")
    assert text_of(room, "Plan.docx") == "Mine"
    assert await alice.offers("Plan.docx") == ["View document"]
    assert len(room.house.saves) == 1
    assert room.complaints() == []
