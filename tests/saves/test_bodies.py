"""Bodies on the disk: each exists whole or not at all, says what it is, and leaves room for what comes."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from bridge.protocol.errors import BadAnswerError, CutError, StorageError, TooLargeError
from bridge.saves.bodies import Bodies
from bridge.saves.spool import Spool
from bridge.saves.steps import Step
from tests.saves.keeping import DOCX, ZIP, OpenSpool, Steps, chunks, draft, keep, label_of, lies, names, sha_of
from tests.store.entries import NOW, SITE


async def test_a_body_is_kept_whole_with_its_label(spool: Spool) -> None:
    entry = await keep(spool, ZIP + b"rest", status=6, arrival=9, fields={"users": ["u1"], "userdata": "x"})
    assert spool.bodies.path(entry.id).read_bytes() == ZIP + b"rest"
    assert label_of(spool, entry) == {
        "id": entry.id,
        "site": SITE,
        "key": "k1",
        "status": 6,
        "source": entry.source,
        "iat": NOW,
        "arrival": 9,
        "size": 8,
        "sha256": sha_of(ZIP + b"rest"),
        "kept": NOW,
        "filetype": "docx",
        "forgotten": False,
        "sound": True,
        "fields": {"users": ["u1"], "userdata": "x"},
    }
    assert names(spool) == [".body", ".json"]


async def test_a_save_takes_its_steps_in_order(spool: Spool, steps: Steps) -> None:
    await keep(spool)
    named = [Step.FETCHING, Step.FETCHED, Step.FLUSHED, Step.LABELLED, Step.RENAMED, Step.PUBLISHED, Step.ENTERED]
    assert steps.seen == named


async def test_until_it_is_entered_a_body_has_another_name(spool: Spool) -> None:
    body = await spool.fetch(chunks(DOCX), draft(), promised=None)
    (name,) = lies(spool)
    assert name == f"{body.id}.{spool.index.worker}.part"
    await spool.bodies.abandon(body)
    assert names(spool) == []


async def test_bodies_are_readable_by_us_alone(spool: Spool) -> None:
    entry = await keep(spool)
    body = spool.bodies.path(entry.id)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (body, body.with_suffix(".json"), spool.bodies.directory)]
    assert modes == [0o600, 0o600, 0o700]


@pytest.mark.parametrize(
    ("parts", "filetype", "sound"),
    [
        ((b"<!DOCTYPE html><html>no</html>",), "docx", False),
        ((b'{"error":1}',), "xlsx", False),
        ((b"P",), "pptx", False),
        ((b"P", b"K", b"\x03", b"\x04", b"rest"), "pptx", True),
        ((b"%PDF-1.7",), "pdf", True),
        ((b"<html>",), "txt", True),
        ((b"<html>",), "html", True),
        ((b"<html>",), None, True),
        ((b"<html>",), "unheard", True),
    ],
)
async def test_a_body_is_sound_if_it_begins_as_its_type_does(
    spool: Spool, parts: tuple[bytes, ...], filetype: str | None, sound: bool
) -> None:
    body = await spool.fetch(chunks(*parts), draft(filetype=filetype), promised=None)
    assert (body.sound, body.size, body.sha256) == (sound, len(b"".join(parts)), sha_of(b"".join(parts)))


@pytest.mark.parametrize(
    ("parts", "then", "error"),
    [
        ((), None, StorageError),
        ((b"",), None, StorageError),
        ((DOCX * 100,), None, TooLargeError),
        ((DOCX * 50, DOCX * 50), None, TooLargeError),
        ((DOCX,), CutError("cut"), CutError),
        ((DOCX,), BadAnswerError("short"), BadAnswerError),
        ((), CutError("cut"), CutError),
    ],
)
async def test_what_is_not_whole_is_not_kept(
    spool: Spool, parts: tuple[bytes, ...], then: Exception | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await spool.fetch(chunks(*parts, then=then), draft(), promised=None)
    assert names(spool) == []


async def test_what_says_that_it_is_too_large_is_not_begun(spool: Spool, steps: Steps) -> None:
    with pytest.raises(TooLargeError):
        await spool.fetch(chunks(DOCX), draft(), promised=10_001)
    assert steps.seen == []
    await spool.fetch(chunks(bytes(10_000)), draft(filetype=None), promised=10_000)


# --- room ---


async def test_below_the_reserve_nothing_is_taken_and_the_remedy_names_it(open_spool: OpenSpool) -> None:
    spool = await open_spool(reserve=2**60)
    with pytest.raises(StorageError, match="too little space") as refusal:
        await spool.fetch(chunks(DOCX), draft(), promised=len(DOCX))
    assert "saves.reserve" in (refusal.value.remedy or "")
    assert str(spool.bodies.directory) in (refusal.value.remedy or "")
    assert names(spool) == []
    with pytest.raises(StorageError, match=r"saves\.reserve"):
        await spool.check()


async def test_a_body_that_would_leave_less_than_the_reserve_is_not_taken(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    bodies = Bodies(tmp_path, worker="w", max_size=2**60, reserve=free // 2)
    with pytest.raises(StorageError, match="too little space"):
        await bodies.write(chunks(DOCX), filetype="docx", promised=free // 2 + 2**30, reached=lambda step: None)
    body = await bodies.write(chunks(DOCX), filetype="docx", promised=len(DOCX), reached=lambda step: None)
    assert body.size == len(DOCX)


async def test_space_that_runs_out_meanwhile_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = Bodies(tmp_path, worker="w", max_size=2**30, reserve=0)
    usage, free = shutil.disk_usage(tmp_path), iter([10**9, 10**9, -1])

    def measured(_path: object) -> object:
        return usage._replace(free=next(free))

    monkeypatch.setattr(shutil, "disk_usage", measured)
    mebi = bytes(1 << 20)
    with pytest.raises(StorageError, match="too little space"):
        await bodies.write(chunks(*[mebi] * 40), filetype=None, promised=None, reached=lambda step: None)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
async def test_a_full_disk_is_named(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Path, *args: int) -> int:
        return real("/dev/full", os.O_WRONLY) if str(path).endswith(".part") else real(path, *args)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageError, match="No space left on device") as refusal:
        await spool.fetch(chunks(DOCX), draft(), promised=None)
    assert str(spool.bodies.directory) in (refusal.value.remedy or "")
    assert names(spool) == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bodies = Bodies(tmp_path / "file" / "saves", worker="w", max_size=1, reserve=0)
    with pytest.raises(StorageError, match="can't be written") as refusal:
        bodies.open()
    assert "saves.directory" in (refusal.value.remedy or "")


@pytest.mark.parametrize("identity", ["../bridge", "/etc/passwd", "a/../../b"])
def test_no_identity_leads_out_of_the_directory(tmp_path: Path, identity: str) -> None:
    bodies = Bodies(tmp_path, worker="w", max_size=1, reserve=0)
    assert bodies.path(identity).parent == tmp_path
