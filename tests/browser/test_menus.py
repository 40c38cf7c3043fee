"""The connector's entries in HumHub's pages, and what comes of a click on one."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.menus import (
    POST,
    PREFIX,
    UPLOAD,
    FakeBridge,
    entry,
    fake_bridge,
    file_of,
    folder,
    link,
    page,
    preview,
    recorded,
    row,
    upload_menu,
)
from tests.chromium import needs_chromium

pytestmark = needs_chromium
RECORDINGS = Path(os.environ.get("BRIDGE_RECORDINGS", "/nowhere")) / "humhub"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="BRIDGE_RECORDINGS names no directory with the full recordings"
)
OURS = "[data-onlyoffice-bridge]"
KINDS = ["docx", "xlsx", "pptx", "pdf"]


@dataclass
class Desk:
    """A window on the fake bridge's pages."""

    bridge: FakeBridge
    page: Page
    complaints: list[str] = field(default_factory=list)

    async def show(self, body: str, **how: Any) -> None:
        await self.page.goto(self.bridge.show("/page", page(body, **how)))
        await expect(self.page.locator(".onlyoffice-bridge-notices")).to_be_attached()

    def entry(self, name: str, within: str = "body") -> Locator:
        return self.page.locator(f"{within} {OURS}", has_text=name)

    async def entries(self, within: str = "body") -> list[tuple[str, str, str]]:
        """Give what stands in a place of the page: file or kind, action and place of each entry."""
        # What is due to look at the page in a moment, for what was changed in it before, has looked by then.
        told = await self.page.evaluate(
            """async (selector) => {
              await new Promise((done) => { setTimeout(done, 70); });
              return [...document.querySelectorAll(selector)].map((node) => JSON.parse(node.getAttribute('data-onlyoffice-bridge')));
            }""",
            f"{within} {OURS}",
        )
        return [(one.get("guid") or one["kind"], one["action"], one["place"]) for one in told]

    async def choose(self, name: str, within: str = "body") -> None:
        """Open a menu, and take an entry in it."""
        await self.page.locator(f"{within} :is(.dropdown-toggle, [data-contextmenu-toggler])").first.click()
        await self.entry(name, f"{within} .dropdown-menu").first.click()
        await expect(self.page.locator(".dropdown-menu.show")).to_have_count(0)

    @property
    def editor(self) -> Locator:
        return self.page.locator("dialog.onlyoffice-bridge-editor")

    async def done(self) -> None:
        """Click the editor's own button."""
        await self.page.frame_locator("dialog iframe").get_by_role("button", name="Done").click()
        await expect(self.editor).to_have_count(0)


@pytest.fixture
async def desk(browser: Browser) -> AsyncIterator[Desk]:
    async with fake_bridge() as bridge:
        shown = await browser.new_page()
        desk = Desk(bridge, shown)
        shown.on("pageerror", lambda error: desk.complaints.append(str(error)))
        yield desk
        await shown.close()


def created(place: str) -> list[tuple[str, str, str]]:
    return [(kind, "create", place) for kind in KINDS]


async def test_a_folder_offers_kinds_and_each_file_what_its_format_and_right_allow(desk: Desk) -> None:
    rows = [
        row(1, "g-docx", "plan.docx"),
        row(2, "g-read", "plan.docx", own=False),
        row(3, "g-pdf", "form.PDF"),
        row(4, "g-odt", "old.odt"),
        row(5, "g-png", "photo.png"),
        row(6, "g-name", "x.constructor"),
        row(7, "g-post", "posted.docx", kind="baseFile"),
        # Where another module shows files too, a name leads to HumHub's choice of them.
        row(8, "g-shown", "a.docx")
        .replace("/file/file/download?guid=g-shown&amp;hash_sha1=0", "/file/view?guid=g-shown")
        .replace(" data-file-download", ""),
    ]
    await desk.show(folder("".join(rows)))
    assert await desk.entries(".btn-group") == created(UPLOAD)
    menus = {
        "g-docx": ["edit", "view"],
        "g-read": ["view"],
        "g-pdf": ["fill", "edit", "view"],
        "g-odt": ["view", "convert"],
        "g-png": [],
        "g-name": [],
        "g-post": ["view"],
        "g-shown": ["edit", "view"],
    }
    for number, (guid, actions) in enumerate(menus.items()):
        place = "" if guid == "g-post" else UPLOAD
        assert await desk.entries(f"tr:nth-child({number + 1}) .contextMenu") == [(guid, it, place) for it in actions]
        assert await desk.entries(f"tr:nth-child({number + 1}) .title") == [(guid, it, place) for it in actions[:1]]
    assert (
        await desk.entry("Edit document", "tr:nth-child(1) .title").get_attribute("aria-label")
        == "Edit document: plan.docx"
    )
    assert desk.complaints == []


async def test_a_post_its_form_and_its_comments_offer_what_their_user_may(desk: Desk) -> None:
    mine = entry(
        3,
        preview("mine") + f'<div class="comment-container"><div class="comment">{preview("comment")}</div></div>',
        POST,
    )
    theirs = entry(4, preview("theirs"), None)
    wiki = entry(5, preview("wiki"), "/s/team/wiki/page/edit?id=1")
    browse = '<a href="/s/team/cfiles/browse/index?fid=7">Open file folder</a>'
    stored = '<div class="wall-entry-content"><strong>{}</strong>' + browse + "</div>"
    listed = entry(6, stored.format(link("g-cfile", "list.xlsx")), "/s/team/cfiles/edit/file?id=file_2&amp;fromWall=1")
    readable = entry(7, stored.format(link("g-other", "list.xlsx")), None)
    plain = entry(8, preview("plain"), "/index.php?r=post%2Fpost%2Fedit&amp;cguid=1&amp;id=9")
    writing = f'<form id="new" action="/s/team/">{upload_menu("contentFormFiles")}{upload_menu("rich", hidden=True)}{preview("new")}</form>'
    editing = f'<form id="edit" action="{POST}">{upload_menu("post_upload_3")}{preview("edit", editing=True)}</form>'
    replying = f'<div class="comment-container"><form id="reply" action="{POST}">{upload_menu("reply")}</form></div>'
    await desk.show(mine + theirs + wiki + listed + readable + plain + writing + editing + entry(9, replying, POST))
    names = ["mine", "comment", "theirs", "wiki", "plain", "new", "edit"]
    await desk.page.evaluate(
        "names => names.forEach((name) => humhub.item(document.getElementById(`${name}_list`), {guid: `g-${name}`, name: 'a.docx'}))",
        names,
    )
    both = ["edit", "view"]
    assert await desk.entries("#mine_list") == [("g-mine", it, POST) for it in both]
    assert await desk.entries("#edit_list") == [("g-edit", it, POST) for it in both]
    assert await desk.entries("#plain_list") == [
        ("g-plain", it, "/index.php?r=post%2Fpost%2Fedit&cguid=1&id=9") for it in both
    ]
    assert await desk.entries("#entry_6") == [("g-cfile", it, "/s/team/cfiles/upload?fid=7") for it in both]
    assert await desk.entries("#entry_7") == [("g-other", "view", "/s/team/cfiles/upload?fid=7")]
    for name in ("comment", "theirs", "wiki", "new"):
        assert await desk.entries(f"#{name}_list") == [(f"g-{name}", "view", "")]
    assert await desk.entries("#new .btn-group") == created("")
    assert await desk.entries("#edit .btn-group") == created(POST)
    assert await desk.entries("#reply .btn-group") == created("")
    assert await desk.entries(".d-none") == []
    assert desk.complaints == []


async def test_entries_stand_once_whatever_the_page_does(desk: Desk) -> None:
    twice = f'<script src="{PREFIX}menu.js" defer></script>'
    shown = (
        f'<div id="layout-content">{folder(row(1, "g-1", "plan.docx"))}</div><div id="globalModal" class="modal"></div>'
    )
    await desk.show(shown, more=twice)
    once = await desk.entries()
    assert len(once) == 4 + 2 + 1
    await desk.page.evaluate("document.body.append(document.createElement('p'))")
    assert await desk.entries() == once
    # A page change puts another content there; an entry that is written back as text goes on working.
    await desk.page.evaluate(
        "it => document.getElementById('layout-content').innerHTML = it", folder(row(2, "g-2", "b.odt"))
    )
    assert await desk.entries("tr") == [("g-2", "view", UPLOAD), ("g-2", "view", UPLOAD), ("g-2", "convert", UPLOAD)]
    await desk.page.evaluate("() => { const it = document.querySelector('.title'); it.innerHTML = it.innerHTML; }")
    assert len(await desk.entries(".title")) == 1
    # HumHub shows one file in a modal: whose right is known from the entry behind it.
    one = '<div><div class="btn-group">{}</div></div><button data-modal-close>Close</button>'
    await desk.page.evaluate(
        "it => document.getElementById('globalModal').innerHTML = it", one.format(link("g-2", "b.odt"))
    )
    assert await desk.entries("#globalModal") == [("g-2", "view", UPLOAD), ("g-2", "convert", UPLOAD)]
    await desk.page.evaluate(
        "it => document.getElementById('globalModal').innerHTML = it", one.format(link("g-9", "b.docx"))
    )
    assert await desk.entries("#globalModal") == [("g-9", "view", "")]
    await desk.entry("View document", ".title").click()
    await desk.done()
    assert [call["guid"] for call in desk.bridge.asked("open")] == ["g-2"]
    assert len(desk.bridge.asked("menu.json")) == 1
    # The official module's entries come with a part of the page.
    module = '<a data-action-url="/onlyoffice/create" data-action-click="ui.modal.load">Create document</a>'
    await desk.page.evaluate("it => document.body.insertAdjacentHTML('beforeend', it)", module)
    assert await desk.entries() == []
    assert await desk.page.locator(".onlyoffice-bridge").count() == 0
    assert desk.complaints == []


async def test_a_document_is_created_in_a_folder_in_german(desk: Desk) -> None:
    desk.bridge.listed = row(1, "made-1", "Plan.xlsx")
    desk.bridge.close = {
        "saved": True,
        "file": file_of("made-1", "Plan.xlsx", UPLOAD),
        "before": "made-1",
        "notice": None,
    }
    await desk.show(folder(""), lang="de-AT")
    await expect(desk.page.locator("h6")).to_have_text("Dokument erstellen")
    assert await desk.page.locator(OURS).all_text_contents() == ["Dokument", "Tabelle", "Präsentation", "PDF-Formular"]
    await desk.choose("Tabelle")
    asking = desk.page.get_by_role("dialog", name="Dokument erstellen: Tabelle")
    await expect(asking.get_by_label("Name")).to_be_focused()
    await desk.page.keyboard.press("Escape")
    await expect(asking).to_have_count(0)
    await desk.choose("Tabelle")
    desk.bridge.refusals = [("create", 403, "Das dürfen Sie hier nicht.")]
    await asking.get_by_label("Name").fill(" Plan ")
    await desk.page.keyboard.press("Enter")
    await expect(asking.get_by_role("alert")).to_have_text("Das dürfen Sie hier nicht.")
    await asking.get_by_role("button", name="Erstellen").click()
    await desk.done()
    assert desk.bridge.asked("create") == [{"kind": "xlsx", "name": "Plan", "place": UPLOAD}] * 2
    assert desk.bridge.asked("open") == [{"guid": "made-1", "mode": "edit", "frame": "1"}]
    assert desk.bridge.asked("close") == [{"document": "cap-made-1"}]
    assert await desk.page.evaluate("humhub.heard.map(([name, files]) => [name, files[0].guid])") == [
        ["humhub:file:modified", "made-1"],
        ["humhub:file:modified", "made-1"],
    ]
    # The list came anew, and the focus is where the document is.
    await expect(desk.entry("Dokument bearbeiten", ".title")).to_be_focused()
    assert desk.complaints == []


async def test_a_document_is_created_in_a_form_and_its_new_guid_is_what_is_posted(desk: Desk) -> None:
    upload = preview("contentFormFiles", editing=True)
    other = f'<form id="other">{upload_menu("other")}{preview("other", editing=True)}</form>'
    await desk.show(f'{other}<form id="new" action="/s/team/">{upload_menu("contentFormFiles")}{upload}</form>')
    desk.bridge.close = {"saved": True, "file": file_of("made-2", "Plan.docx", ""), "before": "made-1", "notice": None}
    await desk.choose("Document", "#new")
    await desk.page.get_by_label("Name").fill("Plan")
    await desk.page.get_by_role("button", name="Create", exact=True).click()
    await expect(desk.editor).to_be_visible()
    field_ = desk.page.locator('#new input[name="fileList[]"]')
    await expect(field_).to_have_value("made-1")
    assert await desk.entries("#contentFormFiles_list") == [("made-1", "edit", ""), ("made-1", "view", "")]
    await desk.done()
    await expect(field_).to_have_value("made-2")
    assert await desk.entries("#contentFormFiles_list") == [("made-2", "edit", ""), ("made-2", "view", "")]
    assert await desk.page.locator("#contentFormFiles_list li").count() == 1
    # A folder that the page shows too would move it there, if it heard of it.
    assert [name for name, _ in await desk.page.evaluate("humhub.heard")] == ["humhub:file:modified"]
    # It opens as it was opened when it was made, not as a file in no place.
    again = await desk.entry("Edit document", "#new").get_attribute("href")
    assert again == f"{PREFIX}open?guid=made-2&mode=edit"
    # The session's own end comes later, and makes yet another file of it.
    desk.bridge.close = {"saved": True, "file": file_of("made-3", "Plan.docx", ""), "before": "made-1", "notice": None}
    await expect(field_).to_have_value("made-3")
    assert await desk.entries("#contentFormFiles_list") == [("made-3", "edit", ""), ("made-3", "view", "")]
    # In the post that it is part of in the end, it is a file like any other.
    await desk.page.evaluate(
        "it => document.body.insertAdjacentHTML('beforeend', it)", entry(3, preview("posted"), POST)
    )
    await desk.page.evaluate("humhub.item(document.getElementById('posted_list'), {guid: 'made-3', name: 'Plan.docx'})")
    assert await desk.entries("#posted_list") == [("made-3", "edit", POST), ("made-3", "view", POST)]
    assert "place=%2Fs%2Fteam" in str(await desk.entry("Edit document", "#posted_list").get_attribute("href"))
    assert desk.complaints == []


async def test_an_edit_is_saved_before_its_window_goes_and_nothing_closes_it_sooner(desk: Desk) -> None:
    await desk.show(entry(3, preview("mine"), POST))
    await desk.page.evaluate("humhub.item(document.getElementById('mine_list'), {guid: 'g-1', name: 'a.docx'})")
    second = "Your edit was kept as a second file."
    desk.bridge.close = {
        "saved": True,
        "file": {**file_of("g-2", "a.docx", POST), "humhub": None},
        "before": "g-1",
        "notice": second,
    }
    desk.bridge.refusals = [("close", 502, "HumHub does not answer.")]
    await desk.entry("Edit document").click()
    await expect(desk.page.frame_locator("dialog iframe").get_by_text("The editor")).to_be_visible()
    await expect(desk.editor.get_by_role("button", name="Close")).to_have_count(0)
    # Escape, wherever it is heard, is a wish to close, which the editor is told: what couldn't be saved stays.
    await desk.editor.press("Escape")
    await expect(desk.page.frame_locator("dialog iframe").locator("body")).to_have_attribute(
        "data-told", "requestClose"
    )
    failed = desk.editor.get_by_role("status")
    await expect(failed).to_contain_text("The document is not stored yet: HumHub does not answer.")
    await failed.get_by_role("button", name="Try again").click()
    await expect(desk.editor).to_have_count(0)
    assert desk.bridge.asked("close")[:2] == [{"document": "cap-g-1"}] * 2
    # The post's file is another one now, however little is known of how HumHub shows it, and what there is to tell is told until it is dismissed.
    assert await desk.entries("#mine_list") == [("g-2", "edit", POST), ("g-2", "view", POST)]
    told = desk.page.locator(".onlyoffice-bridge-notices .alert")
    await expect(told).to_have_text(second)
    await told.get_by_role("button", name="Dismiss").click()
    await expect(told).to_have_count(0)
    # Who only views has nothing to save.
    await desk.entry("View document").click()
    await desk.done()
    assert {"document": "cap-g-2"} not in desk.bridge.asked("close")
    assert desk.complaints == []


async def test_an_editor_that_does_not_come_can_be_closed(desk: Desk) -> None:
    await desk.show(folder(row(1, "g-1", "a.docx")))
    desk.bridge.refusals = [("open", 403, "You may not edit it any more.")]
    await desk.entry("Edit document", ".title").click()
    await desk.editor.get_by_role("button", name="Close").click()
    await expect(desk.editor).to_have_count(0)
    await expect(desk.entry("Edit document", ".title")).to_be_focused()
    assert desk.bridge.asked("close") == []


async def test_a_click_with_a_key_opens_a_page_of_its_own(desk: Desk) -> None:
    await desk.show(folder(row(1, "g-1", "a.docx")))
    await desk.page.locator("[data-contextmenu-toggler]").click()
    async with desk.page.context.expect_page() as opening:
        await desk.entry("Edit document", ".contextMenu").click(modifiers=["ControlOrMeta"])
    opened = await opening.value
    await opened.wait_for_load_state()
    assert desk.bridge.asked("open") == [{"guid": "g-1", "place": UPLOAD, "mode": "edit"}]
    await opened.close()
    await expect(desk.editor).to_have_count(0)
    # A plain click is ours alone: HumHub's own menu would not know what to do with it.
    await desk.choose("Edit document", "tr")
    await expect(desk.editor).to_be_visible()
    assert await desk.page.evaluate("humhub.heard") == []


async def test_a_file_is_converted_beside_the_original_or_instead_of_it(desk: Desk) -> None:
    await desk.show(entry(3, preview("mine"), POST))
    await desk.page.evaluate("humhub.item(document.getElementById('mine_list'), {guid: 'g-1', name: 'data.xml'})")
    new = file_of("g-2", "data.xlsx", POST)
    desk.bridge.steps = [
        (422, {"error": True, "message": "The file is protected."}),
        (200, {"percent": 40}),
        (200, {"percent": 100, "file": new}),
    ]
    await desk.entry("Convert").click()
    asking = desk.page.get_by_role("dialog", name="Convert: data.xml")
    await asking.get_by_label("Convert to").select_option("xlsx")
    await asking.get_by_role("button", name="Convert").click()
    await expect(asking.get_by_role("alert")).to_have_text("The file is protected.")
    await asking.get_by_role("button", name="Convert").click()
    await expect(asking.get_by_role("progressbar")).to_have_attribute("value", "40")
    await expect(asking.get_by_role("status")).to_have_text("The new file is data.xlsx.")
    await asking.get_by_role("button", name="Close").click()
    wish = {"guid": "g-1", "place": POST, "to": "xlsx", "instead": False}
    assert desk.bridge.asked("convert") == [wish] * 3
    items = desk.page.locator("#mine_list li")
    assert await items.evaluate_all("nodes => nodes.map((node) => node.dataset.previewGuid)") == ["g-1", "g-2"]
    desk.bridge.steps = [(200, {"percent": 100, "file": file_of("g-3", "data.docx", POST)})]
    await desk.entry("Convert").click()
    await asking.get_by_label("Replace the original").check()
    await asking.get_by_role("button", name="Convert").click()
    await expect(asking.get_by_role("status")).to_have_text("The new file is data.docx.")
    assert desk.bridge.asked("convert")[-1] == {**wish, "to": "docx", "instead": True}
    assert await items.evaluate_all("nodes => nodes.map((node) => node.dataset.previewGuid)") == ["g-3", "g-2"]
    assert desk.complaints == []


async def test_what_a_user_is_to_be_told_is_told_until_it_is_read(desk: Desk) -> None:
    desk.bridge.lines = [{"id": 7, "text": "Your edit of <b>Plan</b> was kept."}]
    await desk.show("")
    told = desk.page.get_by_role("status")
    await expect(told).to_have_text("Your edit of <b>Plan</b> was kept.")
    await told.get_by_role("button", name="Dismiss").click()
    await expect(told).to_have_text("")
    assert desk.bridge.asked("notices") == [{}, {"read": [7]}]
    await desk.show(
        folder(row(1, "g-1", "a.docx", own=False)),
        more="<script nonce=abc>window.settings={user:{isGuest:true}}</script>",
    )
    assert await desk.entries(".title") == [("g-1", "view", UPLOAD)]
    assert len(desk.bridge.asked("notices")) == 2


async def test_a_page_of_ours_says_what_it_has(desk: Desk) -> None:
    told = 'data-bridge-file="a" data-bridge-name="a.docx" data-bridge-place="papers"'
    await desk.show(f'<div data-bridge-create="papers"></div><p {told} data-bridge-writable></p><i {told}></i>')
    await desk.page.locator("summary", has_text="Create document").click()
    await expect(desk.entry("PDF form", "details")).to_be_visible()
    await desk.page.locator("html").click(position={"x": 600, "y": 5})
    await expect(desk.entry("PDF form", "details")).to_be_hidden()
    assert await desk.entries("div details") == created("papers")
    assert await desk.entries("p") == [("a", "edit", "papers"), ("a", "view", "papers")]
    assert await desk.entries("i") == [("a", "view", "papers")]
    desk.bridge.close = {"saved": True, "file": file_of("a", "a.docx", ""), "before": "a", "notice": None}
    await desk.page.evaluate(
        "window.told = []; window.addEventListener('onlyoffice-bridge:changed', (it) => told.push(it.detail.file.guid))"
    )
    await desk.entry("Edit document").click()
    await desk.done()
    assert await desk.page.evaluate("told") == ["a"]


# HumHub's own pages. Its script isn't among them, so what that makes of a list of files is made here.
LISTS = """() => {
  for (const list of document.querySelectorAll('[data-ui-widget="file.Preview"][data-ui-init]')) {
    for (const file of JSON.parse(list.dataset.uiInit)) {
      const shown = 'fileEdit' in list.dataset ? `${file.name}&nbsp;&nbsp;<span class="file_upload_remove_link"></span>` : `<span class="">${file.openLink}</span>`;
      list.insertAdjacentHTML('beforeend', `<li class="file-preview-item mime" data-preview-guid="${file.guid}"><span class="file-preview-content">${shown}</span></li>`);
    }
  }
}"""
SPACE = "/s/rig-space"
FOLDER = f"{SPACE}/cfiles/upload?fid=1"
PLAN, REST = "f8c3fdec-049d-4e02-863e-5adbd9c7793a", "a914e786-167c-4825-aea2-f5c0007ced56"
REPORT, EXTRA, LATER = (
    "a60f5ed2-6497-4316-850a-294588b08b05",
    "a23ffcad-33e4-41b3-9014-910abe955a04",
    "c9bcc08c-af2a-475b-b2a6-761e7413af8d",
)


def files(place: str, *guids: str) -> list[tuple[str, str, str]]:
    return [(guid, action, place) for guid in guids for action in ("edit", "view")]


def rows(*guids: str) -> list[tuple[str, str, str]]:
    return [(guid, action, FOLDER) for guid in guids for action in ("edit", "edit", "view")]


POST_3 = f"{SPACE}/post/post/edit?id=3"
RECORDED = [
    ("cfiles-browse", {".btn-group": created(FOLDER), "#fileList": rows(PLAN, REST)}),
    ("post-view", {".comment_create": created(""), ".hideOnEdit": files(POST_3, REPORT, EXTRA, LATER)}),
    ("space-page", {"#contentFormBody": created("")}),
    ("dashboard", {}),
]


@needs_recordings
@pytest.mark.parametrize("module", ["nomod", "withmod"])
async def test_recorded_pages_get_the_right_entries_and_none_beside_the_modules(desk: Desk, module: str) -> None:
    for name, expected in RECORDED:
        target, raw, headers = recorded(RECORDINGS, f"8{module}-{name}")
        await desk.page.goto(desk.bridge.show(target, raw, headers), wait_until="domcontentloaded")
        await expect(desk.page.locator(".onlyoffice-bridge-notices")).to_be_attached()
        await desk.page.evaluate(LISTS)
        found = await desk.entries()
        if module == "withmod":
            assert found == [], name
            continue
        for within, wanted in expected.items():
            assert sorted(await desk.entries(within)) == sorted(wanted), (name, within)
        assert len(found) == sum(map(len, expected.values())), name
    # Parts of pages are put into one.
    await desk.show('<div id="part"></div>')
    parts: list[tuple[str, list[tuple[str, str, str]]]] = [
        ("file-view-modal", [(REPORT, "view", "")]),
        ("post-edit", [*created(POST_3), *files(POST_3, REPORT, EXTRA, LATER)]),
    ]
    for name, wanted in parts:
        _, raw, _ = recorded(RECORDINGS, f"8{module}-{name}")
        markup = raw.decode() if isinstance(raw, bytes) else raw
        await desk.page.evaluate(
            "it => { document.getElementById('part').innerHTML = `<div class=modal>${it}</div>`; }", markup
        )
        await desk.page.evaluate(LISTS)
        assert await desk.entries("#part") == ([] if module == "withmod" else wanted), name
    # The stream brings three posts and a file of a folder, each with a form for a comment, one comment with one to reply.
    _, raw, _ = recorded(RECORDINGS, f"8{module}-stream-ajax")
    stream = "".join(it["output"] for it in json.loads(raw)["content"].values())
    await desk.show('<div id="part"></div>')
    await desk.page.evaluate("it => { document.getElementById('part').innerHTML = it; }", stream)
    await desk.page.evaluate(LISTS)
    listed = sorted((action, place) for _, action, place in await desk.entries("#part"))
    places = [FOLDER, *(f"{SPACE}/post/post/edit?id={number}" for number in (35, 36, 37))]
    offered = [("create", "")] * 20 + [(action, place) for action in ("edit", "view") for place in places]
    assert listed == ([] if module == "withmod" else offered)
