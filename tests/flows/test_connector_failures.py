"""Saves of the connector that HumHub fails in: each arrives once, as a new version of its file, and nothing is lost."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.demo.colleague import Colleague
from bridge.demo.humhub import Fault
from bridge.demo.humhub.posts import Post
from tests.flows.modless import FOLDER, Desk, desk

ATTEMPT = 0.6

FAULTS = {
    "HumHub answers 500": Fault(status=500),
    "HumHub answers a page": Fault(page=True),
    "HumHub leads to its login": Fault(redirect="/user/auth/login"),
    "HumHub hangs and breaks off": Fault(hang=0.2),
    "HumHub hangs for longer than an attempt": Fault(hang=ATTEMPT + 0.5),
    "HumHub stores it and answers 500": Fault(after_store="500"),
    "HumHub stores it and breaks off": Fault(after_store="cut"),
    "HumHub stores it and answers too late": Fault(late=ATTEMPT + 0.5),
    "HumHub stores it when nobody waits any more": Fault(slow=ATTEMPT + 0.2),
}


@pytest.fixture(name="desk")
async def fixture_desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, attempt=ATTEMPT, storing=1.0, deadline=1.0) as made:
        yield made


async def edited(alice: Colleague, desk: Desk, guid: str, place: str, **faults: Fault) -> None:
    """Have a document edited, and the end of its session meet what is planned."""
    page, editor = await alice.edit(guid, place)
    await editor.write("kept")
    for route, fault in faults.items():
        desk.house.humhub.faults.add(route.replace("_", " "), fault)
    await editor.leave()
    await desk.house.told(page.key)


async def test_a_save_of_a_folders_file_arrives_once_whatever_fails(desk: Desk) -> None:
    alice, guids = await desk.colleague("alice"), dict[str, str]()
    for what, fault in FAULTS.items():
        guids[what] = (await alice.create("docx", what, FOLDER))["file"]["guid"]
        await edited(alice, desk, guids[what], FOLDER, cfiles_upload=fault)
    await desk.house.until(lambda: not desk.house.saves, within=40)
    humhub = desk.house.humhub
    assert {what: len(humhub.files[guid].versions) for what, guid in guids.items()} == dict.fromkeys(FAULTS, 2)
    assert len(desk.names()) == len(FAULTS)
    for guid in guids.values():
        _, again = await alice.edit(guid, FOLDER)
        await again.see("kept")


async def test_a_save_of_an_attachment_arrives_once_whatever_fails(desk: Desk) -> None:
    alice, humhub, posts = await desk.colleague("alice"), desk.house.humhub, dict[str, Post]()
    for what, fault in FAULTS.items():
        file = humhub.files[(await alice.create("docx", what, ""))["file"]["guid"]]
        posts[what] = humhub.add_post("alice", what, [file])
        await edited(alice, desk, file.guid, place_of(posts[what]), file_upload=fault)
    await desk.house.until(lambda: not desk.house.saves, within=40)
    # Who is led to the login has no session any more, and the rest module can only add.
    beside = {"HumHub leads to its login": 2}
    assert {what: len(post.guids) for what, post in posts.items()} == dict.fromkeys(FAULTS, 1) | beside
    for post in posts.values():
        _, again = await alice.edit(post.guids[-1], place_of(post))
        await again.see("kept")


def place_of(post: Post) -> str:
    return f"/s/team/post/post/edit?id={post.number}"


async def test_a_humhub_that_is_away_gets_the_save_when_it_is_back(desk: Desk) -> None:
    work = await desk.edits("alice")
    await desk.house.stop_humhub()
    await work.editor.leave()
    assert not (await desk.house.told(work.page.key)).acknowledged
    assert len(desk.house.saves) == 1
    await desk.house.start_humhub()
    await desk.house.until(lambda: not desk.house.saves, within=30)
    assert len(desk.house.humhub.files[work.guid].versions) == 2


async def test_an_upload_that_humhub_finds_too_big_is_kept_and_said(desk: Desk) -> None:
    work = await desk.edits("alice")
    humhub = desk.house.humhub
    humhub.settings = dataclasses.replace(humhub.settings, upload_limit=1000)
    said = await work.who.shut(work.page)
    assert not said["saved"]
    assert said["notice"]
    assert len(desk.house.saves) == 1


async def test_a_bridge_that_is_started_again_delivers_what_waits(desk: Desk) -> None:
    alice = await desk.colleague("alice")
    guid = (await alice.create("docx", "Plan", FOLDER))["file"]["guid"]
    await edited(alice, desk, guid, FOLDER, cfiles_upload=Fault(after_store="cut"), file=Fault(status=500))
    await desk.house.restart_bridge()
    await desk.house.until(lambda: not desk.house.saves, within=30)
    assert len(desk.house.humhub.files[guid].versions) == 2
