"""The space's files: folders, and entries that each hold one file of HumHub with its history.

An upload of a name that the folder has replaces the content of that entry's file, whose guid stays. Names are compared
as the database does it, without regard to case and accents, and the file then takes the name as it was uploaded.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from bridge.demo.humhub.files import HumHubFile

ROOT = 1
POSTED = 2


@dataclass(slots=True)
class Folder:
    """One folder; the root and the one with the stream's files are made with the space."""

    number: int
    title: str
    owner: str
    content: int
    parent: int | None = None
    kind: Literal["root", "posted"] | None = None
    description: str = ""
    created: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)

    @property
    def item(self) -> str:
        """Name it as pages do."""
        return f"folder-{self.kind}_{self.number}" if self.kind else f"folder_{self.number}"


@dataclass(slots=True)
class CFile:
    """One entry of a folder; `owner` wrote it first, and stays its author whoever replaces the content."""

    number: int
    file: HumHubFile
    folder: int
    owner: str
    content: int
    description: str | None = None
    created: float = field(default_factory=time.time)

    @property
    def item(self) -> str:
        return f"file_{self.number}"


class CFiles:
    """All folders and entries of the space."""

    def __init__(self, contents: Iterator[int]) -> None:
        self._contents = contents
        self.folders: dict[int, Folder] = {}
        self.entries: dict[int, CFile] = {}
        self._last = 0
        root = "The root folder is the entry point that contains all available files."
        posted = "You can find all files that have been posted to this stream here."
        self.add_folder("Root", "admin", parent=None, kind="root", description=root)
        self.add_folder("Files from the stream", "admin", kind="posted", description=posted)

    def add_folder(
        self,
        title: str,
        owner: str,
        *,
        parent: int | None = ROOT,
        kind: Literal["root", "posted"] | None = None,
        description: str = "",
    ) -> Folder:
        number = len(self.folders) + 1
        folder = Folder(number, title, owner, next(self._contents), parent, kind, description)
        self.folders[number] = folder
        return folder

    def add(self, file: HumHubFile, folder: int = ROOT, *, owner: str | None = None) -> CFile:
        """Make an entry for a file that belongs to nothing yet."""
        self._last += 1
        entry = CFile(self._last, file, folder, owner or file.owner, next(self._contents))
        self.entries[entry.number] = entry
        file.cfile = entry.number
        file.belongs_to = entry.owner if entry.owner != file.owner else None
        return entry

    def get(self, item: str) -> CFile | None:
        """Find an entry as pages name it: `file_N`."""
        number = item.removeprefix("file_")
        return self.entries.get(int(number)) if item != number and number.isdecimal() else None

    def within(self, folder: int) -> list[CFile]:
        """List a folder's entries by name."""
        found = (entry for entry in self.entries.values() if entry.folder == folder)
        return sorted(found, key=lambda entry: entry.file.name.lower())

    def folders_within(self, folder: int) -> list[Folder]:
        """List a folder's folders, the one with the stream's files first."""
        found = (one for one in self.folders.values() if one.parent == folder)
        return sorted(found, key=lambda one: (one.kind is None, one.title.lower()))

    def has_folder(self, title: str, parent: int) -> bool:
        return any(folded(one.title) == folded(title) for one in self.folders_within(parent))

    def named(self, name: str, folder: int) -> CFile | None:
        """Find the entry that an upload of a name would replace."""
        wanted = folded(name)
        found = (one for one in self.entries.values() if one.folder == folder and folded(one.file.name) == wanted)
        return next(found, None)

    def free_name(self, name: str, folder: int) -> str:
        """Give a name that the folder doesn't have yet: `plan(1).docx`."""
        stem, dot, extension = name.rpartition(".")
        free, count = name, 0
        while self.named(free, folder) is not None:
            count += 1
            free = f"{stem}({count}).{extension}" if dot else f"{name}({count})"
        return free


def folded(name: str) -> str:
    """Reduce a name to what the database compares: neither case nor accents, nor spaces at the end."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(char for char in plain if not unicodedata.combining(char)).casefold().rstrip(" ")
