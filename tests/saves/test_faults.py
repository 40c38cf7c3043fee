"""The disk fails at each place of a save's way: Docs hears it, nothing half-made is left, and nothing is lost."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.config import Config
from bridge.protocol.errors import StorageError
from bridge.saves.steps import Step
from bridge.store.records import State
from tests.flows.words import words
from tests.houses import MakeHouse
from tests.saves.disks import PLACES, Disk
from tests.saves.keeping import DOCX, OpenSpool, keep, lies, record_of
from tests.saves.scene import MakeScene, docx

FAULTS = [(place, number) for place in PLACES for number in (errno.ENOSPC, errno.EIO)]
IDS = [f"{place} {errno.errorcode[number]}" for place, number in FAULTS]


@pytest.mark.parametrize(("place", "number"), FAULTS, ids=IDS)
async def test_a_disk_that_fails_is_named_and_leaves_nothing(
    disk: Disk, open_spool: OpenSpool, place: str, number: int
) -> None:
    spool = await open_spool()
    disk.places[place] = number
    with pytest.raises(StorageError) as refusal:
        await keep(spool)
    assert os.strerror(number) in refusal.value.message
    assert str(spool.bodies.directory) in (refusal.value.remedy or "")
    disk.repair()
    assert lies(spool) == {}
    assert (await record_of(spool)).entries == ()
    entry = await keep(spool)
    assert lies(spool)[f"{entry.id}.body"] == DOCX


@pytest.mark.parametrize(("place", "number"), [*FAULTS, ("the index", errno.EIO)], ids=[*IDS, "the index"])
async def test_what_a_failing_disk_does_not_let_go_is_settled_at_the_next_start(
    disk: Disk, open_spool: OpenSpool, place: str, number: int
) -> None:
    spool = await open_spool()
    disk.places.update({place: number, "unlink body": errno.EIO, "unlink label": errno.EIO})
    disk.commits = place == "the index"
    with pytest.raises(StorageError):
        await keep(spool)
    disk.repair()
    await spool.index.close()
    with capture_logs() as logs:
        again = await open_spool()
    assert [line for line in logs if line["log_level"] == "error"] == []
    entries = (await record_of(again)).entries
    named = {f"{entry.id}{end}" for entry in entries for end in (".body", ".json")}
    assert lies(again).keys() == named
    # Whatever had its name by then is an entry now; nobody told Docs that it is saved, so it is there twice.
    assert [entry.state for entry in entries] == [State.WAITING] * (place in ("flush directory", "the index"))


async def test_a_body_that_cannot_be_deleted_keeps_its_label(disk: Disk, open_spool: OpenSpool) -> None:
    spool = await open_spool()
    disk.places.update({"flush directory": errno.EIO, "unlink body": errno.EIO})
    with pytest.raises(StorageError):
        await keep(spool)
    disk.repair()
    assert [name.rpartition(".")[2] for name in lies(spool)] == ["body", "json"]


# --- what Docs hears ---


TOLD = {
    "create body": errno.ENOSPC,
    "write body": errno.EIO,
    "flush body": errno.EIO,
    "write label": errno.ENOSPC,
    "flush label": errno.EIO,
    "rename body": errno.EIO,
    "flush directory": errno.EIO,
}


@pytest.mark.parametrize("place", TOLD)
async def test_docs_keeps_what_could_not_be_kept_and_the_sweep_takes_it_when_it_can(
    disk: Disk, make_scene: MakeScene, place: str
) -> None:
    scene = await make_scene(sweep=0.2)
    disk.places[place] = TOLD[place]
    assert await scene.save(docx("edit")) == 1
    assert (scene.humhub.tracks, scene.states()) == ([], [])
    # The sweep meets the same disk, and tries again.
    scene.docs.forget("k1", docx("edit"))
    await scene.until(lambda: scene.docs.commands.count(("getForgotten", "k1")) >= 2)
    assert (scene.humhub.tracks, scene.states()) == ([], [])
    disk.repair()
    await scene.until(lambda: scene.humhub.has.get("k1") == docx("edit"))
    assert [track.status for track in scene.humhub.tracks] == [6]
    assert scene.lies() == [".body", ".json"]


# After each step the next commit of the index fails. Docs hears 0 only where HumHub has said so.
COMMITS = {
    None: 1,
    Step.ARRIVED: 1,
    Step.PUBLISHED: 1,
    Step.ENTERED: 1,
    Step.PULLING: 1,
    Step.HEARD: 0,
    Step.ANSWERING: 0,
}


@pytest.mark.parametrize(
    ("after", "status"),
    [*((step, 2) for step in COMMITS), (Step.PULLING, 6), (Step.HEARD, 6)],
    ids=lambda given: str(given or "at the beginning"),
)
async def test_an_index_that_fails_loses_nothing(
    disk: Disk, make_scene: MakeScene, after: Step | None, status: int
) -> None:
    scene = await make_scene(sweep=0.2)
    await scene.until(lambda: (Step.LISTED, "") in scene.steps)

    def fail(step: Step, key: str) -> None:
        if step is after:
            disk.commits, scene.on_step = 1, None

    assert await scene.join() == 0
    # In the beginning there is nobody to be told of steps, and the sweep commits, too.
    disk.commits = 1000 * (after is None)
    scene.on_step = fail
    error = await scene.save(docx("edit"), status=status)
    assert (error, disk.commits > 0) == (COMMITS[after], after is None)
    disk.repair()
    if error:
        scene.docs.forget("k1", docx("edit"))
    elif after is Step.HEARD:
        # Its end isn't recorded: as after a kill, it is settled by asking HumHub, or sent once more.
        await scene.restart()
    await scene.until(lambda: scene.humhub.has.get("k1") == docx("edit") and set(scene.states()) == {"delivered"})
    assert {track.pulled for track in scene.humhub.tracks} <= {docx("edit"), None}
    assert scene.lies() == [".body", ".json"]


# --- with everybody there ---

OLD, NEW = "Before. ", "And after."
PLAYED = {
    "write body": errno.ENOSPC,
    "flush directory": errno.EIO,
    "the index": errno.EIO,
}


def sweeping(config: Config) -> Config:
    return dataclasses.replace(config, saves=dataclasses.replace(config.saves, sweep=0.3, storing=0.5, reserve=0))


@pytest.mark.parametrize("place", PLAYED)
async def test_an_edit_that_met_a_failing_disk_reaches_humhub_when_the_disk_is_repaired(
    make_house: MakeHouse, disk: Disk, place: str
) -> None:
    h = await make_house(adjust=sweeping)
    disk.directory = Path(str(h.config.saves.directory))
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write(OLD)
    assert await editor.force_save()
    await editor.write(NEW)
    disk.places[place] = PLAYED[place]
    disk.commits = 1000 * (place == "the index")
    await editor.leave()
    told = await h.told(editor.key)
    assert [json.loads(attempt.body)["error"] for attempt in told.attempts] == [1]
    assert (words(h.humhub.files[guid].content()), list(h.docs.forgotten)) == (OLD, [editor.key])
    disk.repair()
    await h.until(lambda: words(h.humhub.files[guid].content()) == OLD + NEW)
    # HumHub has it: Docs' own copy is of no use any more.
    await h.until(lambda: h.docs.forgotten == {})
    assert h.saves == []
