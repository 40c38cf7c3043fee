"""What fails on the way, and what everybody hears, stores and keeps then: no edit is ever lost."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.config import Config
from bridge.demo.docs import Callback
from bridge.demo.docs import Fault as DocsFault
from bridge.demo.editor import Editor, RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from bridge.demo.person import PageError, Person
from tests.flows.words import words
from tests.houses import MakeHouse

OLD, NEW = "Before. ", "And after."


def impatient(config: Config) -> Config:
    """Wait for nothing longer than a second and a half."""
    return replace(
        config,
        saves=replace(config.saves, deadline=0.3, attempt=1.5),
        limits=replace(config.limits, download=0.5),
    )


async def open_with_old_text(h: House) -> tuple[Person, str, Editor]:
    """Give a document that HumHub has with the old text, open in an editor with the new one typed."""
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write(OLD)
    assert await editor.force_save()
    assert words(h.humhub.files[guid].content()) == OLD
    await editor.write(NEW)
    return alice, guid, editor


def heard(callback: Callback) -> list[tuple[int | str, Any]]:
    return [(attempt.answer, json.loads(attempt.body)["error"]) for attempt in callback.attempts]


def kept(h: House) -> list[str]:
    return [words(path.read_bytes()) for path in h.saves if path.suffix == ".body"]


# HumHub doesn't take the save

NOT_STORED = {
    "500": Fault(status=500),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "503": Fault(status=503),
    "a page": Fault(page=True),
    "a redirect": Fault(redirect="http://127.0.20.1/user/auth/login"),
    "a hang": Fault(hang=30),
    "a 500 after the pull": Fault(after_fetch=True),
}
STORED_ALL_THE_SAME = {
    "a 500 after it was stored": Fault(after_store="500"),
    "a cut after it was stored": Fault(after_store="cut"),
}
STORED_AND_SAID_OTHERWISE = {
    "nothing": Fault(empty=True),
    "too late an answer": Fault(late=2.5),
}


@pytest.mark.parametrize("fault", [*NOT_STORED, *STORED_ALL_THE_SAME])
async def test_docs_hears_that_a_save_failed_and_the_edit_is_there_twice(make_house: MakeHouse, fault: str) -> None:
    h = await make_house(adjust=impatient)
    _, guid, editor = await open_with_old_text(h)
    h.humhub.faults.add("track", {**NOT_STORED, **STORED_ALL_THE_SAME}[fault], times=None)
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 1)]
    if fault in NOT_STORED:
        assert words(h.humhub.files[guid].content()) == OLD
    assert kept(h) == [OLD + NEW]
    assert list(h.docs.forgotten) == [editor.key]


@pytest.mark.parametrize("fault", STORED_AND_SAID_OTHERWISE)
async def test_a_save_that_humhub_took_without_saying_so_counts_as_saved(make_house: MakeHouse, fault: str) -> None:
    h = await make_house(adjust=impatient)
    _, guid, editor = await open_with_old_text(h)
    h.humhub.faults.add("track", STORED_AND_SAID_OTHERWISE[fault])
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 0)]
    assert words(h.humhub.files[guid].content()) == OLD + NEW
    assert h.saves == []
    assert list(h.docs.forgotten) == []


async def test_an_unreachable_humhub_is_tried_again_until_the_deadline(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    _, guid, editor = await open_with_old_text(h)
    await h.stop_humhub()
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 1)]
    assert kept(h) == [OLD + NEW]
    assert words(h.humhub.files[guid].content()) == OLD


async def test_a_humhub_that_comes_back_in_time_gets_the_save(h: House) -> None:
    _, guid, editor = await open_with_old_text(h)
    await h.stop_humhub()
    await editor.leave()
    await h.until(lambda: bool(kept(h)))
    await h.start_humhub()
    assert heard(await h.told(editor.key)) == [(200, 0)]
    assert words(h.humhub.files[guid].content()) == OLD + NEW
    assert h.saves == []


async def test_who_reopens_after_a_failed_save_sees_the_edit_and_saves_it(h: House) -> None:
    alice, guid, editor = await open_with_old_text(h)
    h.humhub.faults.add("track", Fault(status=500), times=None)
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 1)]
    h.humhub.faults.clear()
    again = await alice.edit(guid)
    assert again.key == editor.key
    assert again.text == OLD + NEW
    assert again.warnings == [-201]
    downloads = len(h.docs.downloads)
    await again.leave()
    assert heard(await h.told(editor.key, number=2)) == [(200, 0)]
    assert len(h.docs.downloads) == downloads, "nothing was downloaded for the re-open"
    assert words(h.humhub.files[guid].content()) == OLD + NEW
    assert h.docs.forgotten == {}


async def test_a_forced_save_that_fails_leaves_the_session_whole(h: House) -> None:
    _, guid, editor = await open_with_old_text(h)
    h.humhub.faults.add("track", Fault(status=500))
    assert not await editor.force_save()
    assert words(h.humhub.files[guid].content()) == OLD
    await editor.write("!")
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 0)]
    assert words(h.humhub.files[guid].content()) == OLD + NEW + "!"


@pytest.mark.parametrize(("status", "error"), [(500, 0), (404, 1), (403, 1)])
async def test_who_joins_is_warned_only_of_what_will_not_pass(h: House, status: int, error: int) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    h.humhub.faults.add("track", Fault(status=status), times=None)
    editor = await alice.edit(guid)
    assert heard(await h.told(editor.key, status=1)) == [(200, error)]
    assert editor.warnings == ([-1] if error else [])


# Docs doesn't give the edited file

NOT_GIVEN = {
    "404": DocsFault("status", status=404),
    "403": DocsFault("status", status=403),
    "500": DocsFault("status", status=500),
    "a page": DocsFault("page"),
    "a redirect": DocsFault("redirect"),
    "a hang": DocsFault("hang"),
    "a cut": DocsFault("cut"),
    "no byte": DocsFault("empty"),
    "a byte less than promised": DocsFault("lie"),
}


@pytest.mark.parametrize("fault", NOT_GIVEN)
async def test_what_is_not_the_file_never_reaches_humhub(make_house: MakeHouse, fault: str) -> None:
    h = await make_house(adjust=impatient)
    alice, guid, editor = await open_with_old_text(h)
    tracks = len(h.humhub.tracks)
    h.docs.faults.add("file", NOT_GIVEN[fault])
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 1)]
    assert h.humhub.tracks[tracks:] == []
    assert words(h.humhub.files[guid].content()) == OLD
    assert h.saves == []
    h.docs.faults.clear()
    again = await alice.edit(guid)
    assert again.text == OLD + NEW


async def test_a_slow_file_is_a_file(h: House) -> None:
    _, guid, editor = await open_with_old_text(h)
    h.docs.faults.add("file", DocsFault("trickle", seconds=0.5))
    await editor.leave()
    assert heard(await h.told(editor.key)) == [(200, 0)]
    assert words(h.humhub.files[guid].content()) == OLD + NEW


async def test_a_save_that_docs_could_not_assemble_is_not_called_saved(h: House) -> None:
    _, guid, editor = await open_with_old_text(h)
    h.docs.faults.add("assemble", DocsFault("fail"))
    await editor.leave()
    assert heard(await h.told(editor.key, status=3)) == [(200, 1)]
    assert words(h.humhub.files[guid].content()) == OLD


# HumHub doesn't give the document

TRIED_AGAIN = {
    "500": Fault(status=500),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "a page": Fault(page=True),
    "a redirect": Fault(redirect="http://127.0.20.1/user/auth/login"),
    "no byte": Fault(empty=True),
}
TRIED_ONCE = {
    "a cut": Fault(cut_after=1000),
    "a byte less than promised": Fault(lie=1),
}


@pytest.mark.parametrize("fault", [*TRIED_AGAIN, "a hang", *TRIED_ONCE])
async def test_what_is_not_the_document_is_never_opened(make_house: MakeHouse, fault: str) -> None:
    h = await make_house(adjust=impatient)
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    size = h.humhub.files[guid].size
    h.humhub.faults.add("download", {**TRIED_AGAIN, **TRIED_ONCE, "a hang": Fault(hang=30)}[fault], times=None)
    with pytest.raises(RefusedError, match="err"):
        await alice.edit(guid)
    outcomes = [download.outcome for download in h.docs.downloads]
    assert len(outcomes) == (1 if fault in TRIED_ONCE else 3), outcomes
    assert not any(isinstance(outcome, int) for outcome in outcomes), outcomes
    h.humhub.faults.clear()
    await alice.edit(guid)
    assert h.docs.downloads[-1].outcome == size


async def test_a_slow_document_is_a_document(h: House) -> None:
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    h.humhub.faults.add("download", Fault(trickle=(4096, 0.02)))
    await alice.edit(guid)
    assert [download.outcome for download in h.docs.downloads] == [h.humhub.files[guid].size]


# Conversion


@pytest.mark.parametrize("fault", ["404", "500", "a page", "a redirect", "a cut", "no byte"])
async def test_a_failed_conversion_is_an_error_and_changes_nothing(h: House, fault: str) -> None:
    h.humhub.seed_samples()
    guid = next(guid for guid, file in h.humhub.files.items() if file.name == "Minutes.odt")
    before = h.humhub.files[guid].content()
    h.docs.faults.add("convert", NOT_GIVEN[fault])
    alice = await h.log_in("alice")
    with pytest.raises(PageError, match="did not convert"):
        await alice.convert(guid, "Minutes.docx")
    assert (h.humhub.files[guid].name, h.humhub.files[guid].content()) == ("Minutes.odt", before)
