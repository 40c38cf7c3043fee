"""The verdict on a story that has come to rest: nothing lost, nothing older over newer, nothing claimed that isn't so.

Theory of operation. The truth is what Docs put together, in that order: each file has a row of bodies, and each body a
rank in it. Against it stand what HumHub stored, in order, and what it holds at the end. Bodies are compared byte for
byte, by SHA-256 on the way and as such at the end. Delivery is at least once with the same content: HumHub may store a
body again, but never an older one over a newer. A body that HumHub died over is half there until the next save, and is
no body.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bridge.demo.docs import Callback
from bridge.demo.docs.session import Session, State
from bridge.demo.humhub import SmallHumHub
from tests.crash.documents import marks_in
from tests.crash.world import World

__all__ = ["File", "Stored", "Verdict", "digest_of", "files_of", "guid_of", "judge", "outstanding", "weigh"]

_SAVES = (2, 3, 6)


@dataclass(slots=True)
class Verdict:
    """What is wrong, in sentences, and how often what came to pass."""

    faults: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Stored:
    """What HumHub stored, by its SHA-256; ``halved``: it died over it."""

    at: float
    digest: str
    halved: bool


@dataclass(slots=True)
class File:
    """One file: its bodies in Docs' order, and what HumHub stored in its own."""

    name: str
    bodies: list[bytes] = field(default_factory=list)
    rank: dict[str, int] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)

    def add(self, body: bytes, *, repeats: bool = False) -> None:
        """Add a body; ``repeats``: Docs says of it that nothing was changed since the one before."""
        rank = self.rank[digest_of(self.bodies[-1])] if repeats and self.bodies else len(self.bodies)
        self.rank.setdefault(digest_of(body), rank)
        self.bodies.append(body)

    def is_newest(self, content: bytes) -> bool:
        """Say whether a content is the newest body, or what that repeats."""
        ranks = {digest_of(body): self.rank[digest_of(body)] for body in self.bodies}
        return not self.bodies or ranks.get(digest_of(content)) == ranks[digest_of(self.bodies[-1])]


def outstanding(world: World) -> list[str]:
    """Say what a world that is left in peace still has to do."""
    docs, humhub = world.house.docs, world.house.humhub
    found = [f"a session on {one.key} isn't saved" for one in docs.sessions.values() if _is_unsaved(one)]
    found += [f"Docs keeps a forgotten copy of {key}" for key in docs.forgotten]
    found += [
        f"{humhub.files[guid].name} isn't the newest in HumHub"
        for guid, file in files_of(world).items()
        if not file.is_newest(humhub.files[guid].content())
    ]
    return found


def _is_unsaved(session: Session) -> bool:
    if session.state in {State.EMPTY, State.USED_UP}:
        return False
    return bool(session.editors) or session.changed or session.from_forgotten


def judge(world: World) -> Verdict:
    """Judge a world at rest."""
    verdict = Verdict()
    files = files_of(world)
    for guid, file in files.items():
        if guid not in world.originals:
            verdict.faults.append(f"{file.name} was made, though nobody but the people here changed a file")
        found = weigh(file, world.house.humhub.files[guid].content())
        verdict.faults += found.faults
        verdict.counts.update(found.counts)
    _claims(world, files, verdict)
    _count(files, verdict)
    return verdict


def weigh(file: File, content: bytes) -> Verdict:
    """Judge one file, of which HumHub holds this content at the end."""
    verdict = Verdict()
    _end(file, content, verdict)
    _order(file, verdict)
    _content(file, verdict)
    return verdict


def files_of(world: World) -> dict[str, File]:
    """Give what Docs put together and HumHub stored, by the file's guid."""
    humhub = world.house.humhub
    files = {guid: File(file.name) for guid, file in humhub.files.items()}
    repeats = _repeats(world)
    for version in sorted((one for docs in world.docs for one in docs.versions), key=lambda one: one.at):
        files[world.guid_of[version.key]].add(version.data, repeats=version.folder in repeats)
    for guid, stored in sorted([*_tracked(humhub), *_uploaded(humhub)], key=lambda one: one[1].at):
        files[guid].stored.append(stored)
    return files


def _repeats(world: World) -> frozenset[str]:
    """Give the folders of what Docs calls not modified since the forced save before; only the connector leaves it."""
    calls = [call for docs in world.docs for call in docs.callbacks] if world.modless else []
    said = [call for call in calls if call.attempts and call.attempts[-1].fields.get("notmodified") is True]
    return frozenset(_folder(call) for call in said)


def _tracked(humhub: SmallHumHub) -> Iterator[tuple[str, Stored]]:
    """Give what the module stored, by the file's guid."""
    for track in humhub.tracks:
        if track.stored_at is not None and track.version is not None:
            digest = digest_of(track.version.read_bytes())
            yield guid_of(track.version), Stored(track.stored_at, digest, track.halved)


def _uploaded(humhub: SmallHumHub) -> Iterator[tuple[str, Stored]]:
    """Give what was uploaded, by the file's guid."""
    for upload in humhub.uploads:
        if upload.stored_at is not None and upload.guid is not None:
            version = next(one for one in humhub.files[upload.guid].versions if one.sha1 == upload.sha1)
            yield upload.guid, Stored(upload.stored_at, digest_of(version.content()), halved=False)


def guid_of(path: Path) -> str:
    """Give the guid of the file that a stored version is of."""
    return path.name.rpartition(".")[0]


def digest_of(body: bytes) -> str:
    """Give the SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest()


def _end(file: File, content: bytes, verdict: Verdict) -> None:
    """See that HumHub holds the newest body, and that each is stored or superseded by one that is."""
    if not file.is_newest(content):
        verdict.faults.append(f"{file.name}: HumHub doesn't hold the newest of {len(file.bodies)} bodies")
    best = max((file.rank.get(one.digest, -1) for one in file.stored if not one.halved), default=-1)
    for digest, rank in file.rank.items():
        if rank > best:
            verdict.counts["lost"] += 1
            verdict.faults.append(f"{file.name}: body {rank} ({digest[:12]}) was never stored, nor a newer one")


def _order(file: File, verdict: Verdict) -> None:
    """See that HumHub never went back, and stored nothing that Docs didn't put together."""
    newest = -1
    for stored in file.stored:
        if stored.halved:
            continue
        rank = file.rank.get(stored.digest)
        if rank is None:
            verdict.faults.append(f"{file.name}: HumHub stored what no body is ({stored.digest[:12]})")
        elif rank < newest:
            verdict.counts["older over newer"] += 1
            verdict.faults.append(f"{file.name}: HumHub stored body {rank} over body {newest}")
        newest = max(newest, -1 if rank is None else rank)


def _content(file: File, verdict: Verdict) -> None:
    """See that each body holds all that was written into those before it: no session began from an older content."""
    before: frozenset[str] = frozenset()
    for rank, body in enumerate(file.bodies):
        marks = marks_in(body)
        if not before <= marks:
            missing = ", ".join(sorted(before - marks))
            verdict.faults.append(f"{file.name}: body {rank} lacks what an earlier one held: {missing}")
        before = before | marks


def _claims(world: World, files: dict[str, File], verdict: Verdict) -> None:
    """See that Docs heard 0 only for what HumHub had stored by then."""
    # A killed Docs may have put together what the next one brings.
    bodies = {one.folder: digest_of(one.data) for docs in world.docs for one in docs.versions}
    for call in (one for docs in world.docs for one in docs.callbacks):
        if call.status in _SAVES:
            verdict.counts[f"callbacks with a save, answered {_heard(call.acknowledged)}"] += 1
        if call.status in _SAVES and call.acknowledged:
            file, folder = files[world.guid_of[call.key]], _folder(call)
            rank = file.rank[bodies[folder]]
            had = [file.rank.get(one.digest, -1) for one in file.stored if one.at <= (call.settled or 0)]
            if max(had, default=-1) < rank:
                verdict.faults.append(f"{file.name}: Docs heard 0 for body {rank} ({folder}), HumHub hadn't stored it")


def _folder(call: Callback) -> str:
    """Give the folder of the version that a callback brought."""
    url = str(call.attempts[-1].fields["url"])
    return url.partition("/cache/files/")[2].partition("/output.")[0]


def _heard(acknowledged: bool | None) -> str:
    return {True: "0", False: "otherwise", None: "never"}[acknowledged]


def _count(files: dict[str, File], verdict: Verdict) -> None:
    counts = verdict.counts
    for file in files.values():
        digests = [one.digest for one in file.stored if not one.halved]
        counts["bodies that Docs put together"] += len(file.bodies)
        counts["unique bodies"] += len(file.rank)
        counts["deliveries"] += len(digests)
        counts["repeated deliveries"] += len(digests) - len(set(digests))
        counts["half deliveries, since HumHub died"] += sum(one.halved for one in file.stored)
        counts["superseded before they were delivered"] += len(file.rank) - len(set(digests) & set(file.rank))
