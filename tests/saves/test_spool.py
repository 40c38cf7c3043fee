"""The spool: a body exists whole or not at all, and says what it is."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.protocol.errors import CutError, StorageError, TooLargeError
from bridge.saves.spool import Spool

ZIP = b"PK\x03\x04" + bytes(100)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "saves", max_size=10_000)
    spool.open()
    return spool


async def chunks(*parts: bytes, then: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then is not None:
        raise then


def names(spool: Spool) -> list[str]:
    return sorted(path.suffix for path in spool.directory.iterdir())


async def test_a_body_is_kept_whole_with_its_label(spool: Spool) -> None:
    entry = await spool.keep(chunks(b"P", b"K\x03\x04", b"rest"), filetype="docx", about={"key": "k1"})
    assert entry.path.read_bytes() == b"PK\x03\x04rest"
    assert (entry.size, entry.sha256) == (8, hashlib.sha256(b"PK\x03\x04rest").hexdigest())
    label = json.loads(entry.path.with_suffix(".json").read_text())
    assert label == {"id": entry.id, "size": 8, "sha256": entry.sha256, "key": "k1"}
    assert names(spool) == [".body", ".json"]
    assert spool.left() == (1, 8)


async def test_bodies_are_readable_by_us_alone(spool: Spool) -> None:
    entry = await spool.keep(chunks(ZIP), filetype="docx", about={})
    assert stat.S_IMODE(entry.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(spool.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("parts", "filetype", "error"),
    [
        ((b"<!DOCTYPE html><html>no</html>",), "docx", StorageError),
        ((b'{"error":1}',), "xlsx", StorageError),
        ((b"P",), "pptx", StorageError),
        ((), "docx", StorageError),
        ((), "txt", StorageError),
        ((ZIP * 100,), "docx", TooLargeError),
    ],
)
async def test_what_is_not_the_file_is_not_kept(
    spool: Spool, parts: tuple[bytes, ...], filetype: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await spool.keep(chunks(*parts), filetype=filetype, about={})
    assert names(spool) == []


@pytest.mark.parametrize("filetype", ["txt", "csv", "html", None, "unheard"])
async def test_a_file_whose_type_says_nothing_is_kept_as_it_is(spool: Spool, filetype: str | None) -> None:
    entry = await spool.keep(chunks(b"<html>"), filetype=filetype, about={})
    assert entry.size == 6


async def test_a_body_that_breaks_off_leaves_nothing(spool: Spool) -> None:
    with pytest.raises(CutError):
        await spool.keep(chunks(ZIP, then=CutError("cut")), filetype="docx", about={})
    assert names(spool) == []


async def test_news_of_an_entry_goes_into_its_label_and_a_dropped_one_is_gone(spool: Spool) -> None:
    entry = await spool.keep(chunks(ZIP), filetype="docx", about={"key": "k1"})
    await spool.note(entry, outcome="gone")
    assert json.loads(entry.path.with_suffix(".json").read_text())["outcome"] == "gone"
    await spool.drop(entry)
    assert names(spool) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
async def test_a_full_disk_is_named(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def full(path: Path, *args: int) -> int:
        return real("/dev/full", os.O_WRONLY) if str(path).endswith(".part") else real(path, *args)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        await spool.keep(chunks(ZIP), filetype="docx", about={})
    assert str(spool.directory) in str(caught.value.remedy)
    assert names(spool) == []


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't be written"):
        Spool(tmp_path / "file" / "saves", max_size=1).open()
