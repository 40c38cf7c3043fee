"""A story with a fault, told again so that one can see what happened: all of it in order, and the lines that decide."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import datetime

from tests.crash.judge import File, digest_of, files_of, guid_of
from tests.crash.world import World

__all__ = ["decisive", "retell"]

_Line = tuple[float, str, str]

_OLDER = "which is older than body"
# What a bridge does again and again, whatever happens.
_ROUTINE = tuple(f"step {step}" for step in ("listed", "fetching", "fetched", "flushed", "labelled", "renamed"))
_BEFORE, _AFTER = 40, 5


def retell(lived: World, faults: list[str]) -> list[str]:
    """Put together what was done, seen, saved and stored, in order: of the files that something is wrong with."""
    known, said = lived.house.humhub.files, " ".join(faults)
    guids = {guid for key, guid in lived.guid_of.items() if key in said}
    files = [file for file in known.values() if file.name in said or file.guid in guids]
    guids |= {file.guid for file in files}
    names = {file.name for file in files} | guids | {key for key, guid in lived.guid_of.items() if guid in guids}
    others = {file.name for file in known.values()} | set(known) | set(lived.guid_of)
    lines, stored = [(one.at, one.who, one.what) for one in lived.happenings], files_of(lived)
    lines += [*_of_docs(lived, stored), *_of_humhub(lived, stored), *_of_uploads(lived, stored), *_of_the_bridge(lived)]
    told = [
        (at, who, what)
        for at, who, what in sorted(lines)
        if not files
        or any(one in f"{who} {what}" for one in names)
        or not any(one in f"{who} {what}" for one in others)
    ]
    return [f"{at - lived.began:8.3f}  {who:<16} {what}" for at, who, what in told]


def decisive(story: list[str]) -> list[str]:
    """Give the lines that lead to where something older was stored, or else the last ones; without what is routine."""
    lines = [line for line in story if not any(step in line for step in _ROUTINE)]
    at = next((number for number, line in enumerate(lines) if _OLDER in line), len(lines) - 1)
    return lines[max(0, at + 1 - _BEFORE) : at + 1 + _AFTER]


def _of_docs(lived: World, files: dict[str, File]) -> Iterator[_Line]:
    clock = time.time() - time.monotonic()
    for docs in lived.docs:
        for version in docs.versions:
            rank = files[lived.guid_of[version.key]].rank[digest_of(version.data)]
            yield version.at, "Docs", f"puts {version.key} together: {version.folder}, body {rank}"
        for call in docs.callbacks:
            # By the clock of its tokens, of which they tell the whole seconds.
            second = (call.sent + clock) % 60
            yield call.sent, "Docs", f"sends a {call.status} for {call.key}, in second {second:.2f}"
            if call.settled is not None:
                answers = ", ".join(f"{one.answer} {one.body}"[:80] for one in call.attempts)
                second = (call.settled + clock) % 60
                what = f"has heard of the {call.status} for {call.key}, in second {second:.2f}: {answers}"
                yield call.settled, "Docs", what


def _of_humhub(lived: World, files: dict[str, File]) -> Iterator[_Line]:
    newest: dict[str, int] = {}
    tracks = lived.house.humhub.tracks
    for track in tracks:
        yield track.begun, "HumHub", f"gets a {track.status} for {track.key}"
    for track in sorted(tracks, key=lambda one: one.stored_at or 0.0):
        if track.stored_at is None or track.version is None:
            continue
        guid = guid_of(track.version)
        what = f"stores the {track.status} for {track.key} as {track.version.name}, {track.size} bytes"
        if track.halved:
            yield track.stored_at, "HumHub", f"{what}: half of a body"
            continue
        rank, before = files[guid].rank.get(digest_of(track.version.read_bytes()), -1), newest.get(guid, -1)
        older = f", {_OLDER} {before}" if rank < before else ""
        yield track.stored_at, "HumHub", f"{what}: body {rank}{older}"
        newest[guid] = max(rank, before)


def _of_uploads(lived: World, files: dict[str, File]) -> Iterator[_Line]:
    newest: dict[str, int] = {}
    for upload in lived.house.humhub.uploads:
        yield upload.at, "HumHub", f"gets {upload.name} by {upload.how} from {upload.who}"
    stored = [one for one in lived.house.humhub.uploads if one.stored_at is not None and one.guid is not None]
    for upload in sorted(stored, key=lambda one: one.stored_at or 0.0):
        guid, at = upload.guid or "", upload.stored_at or 0.0
        versions = lived.house.humhub.files[guid].versions
        body = next(one.content() for one in versions if one.sha1 == upload.sha1)
        rank, before = files[guid].rank.get(digest_of(body), -1), newest.get(guid, -1)
        older = f", {_OLDER} {before}" if rank < before else ""
        yield at, "HumHub", f"stores {upload.name} as {guid}, {upload.size} bytes: body {rank}{older}"
        newest[guid] = max(rank, before)


def _of_the_bridge(lived: World) -> Iterator[_Line]:
    """Give what the bridges logged of saves."""
    clock = time.time() - time.monotonic()
    with contextlib.suppress(FileNotFoundError):
        for line in (lived.house.directory / "bridge.log").read_text(errors="replace").splitlines():
            try:
                said = json.loads(line)
                at = datetime.fromisoformat(said.pop("timestamp")).timestamp()
            except (ValueError, KeyError, AttributeError):
                continue  # the end of one that was killed as it wrote
            if said.get("key") in lived.guid_of and said.get("event") != "request":
                more = " ".join(f"{name}={value}" for name, value in said.items() if name not in ("event", "level"))
                yield at - clock, "a bridge's log", f"{said.get('event')}: {more}"[:300]
