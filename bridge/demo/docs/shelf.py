"""The files that a small Docs keeps on disk: originals, saved versions, results of conversions, forgotten copies."""

from __future__ import annotations

import io
import json
import random
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bridge.demo.docs.links import Linker

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEY = re.compile(r"[0-9A-Za-z._=-]{1,128}")


def is_key(key: object) -> bool:
    """Say whether this can be a document key (and so a folder's name)."""
    return isinstance(key, str) and bool(_KEY.fullmatch(key)) and key.strip(".") != ""


@dataclass(slots=True)
class Shelf:
    """Files below `root`, named as their links name them: `data/KEY_1234/output.docx`."""

    root: Path
    linker: Linker
    last_shard: str | None = None
    """The shard key of the latest call that had one: Docs puts it into the links of calls that have none."""

    def put(self, path: str, data: bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    def new_version(self, key: str) -> str:
        """Return a folder's path for one more version of this key's document."""
        while (self.root / (path := f"data/{key}_{random.randrange(1, 10_000)}")).exists():
            pass
        return path

    def find(self, path: str) -> Path | None:
        """Return the file that a link's path means, or None."""
        target = (self.root / path).resolve()
        return target if target.is_relative_to(self.root.resolve()) and target.is_file() else None

    def forgotten(self) -> dict[str, Path]:
        """Return the forgotten copies, by key."""
        folder = self.root / "forgotten"
        return {path.parent.name: path for path in sorted(folder.glob("*/output.*"))} if folder.is_dir() else {}

    def forget(self, key: str, filetype: str, data: bytes) -> None:
        """Keep a copy that the storage didn't take."""
        self.remember(key)
        self.put(f"forgotten/{key}/output.{filetype}", data)

    def remember(self, key: str) -> bool:
        """Delete the forgotten copy; say whether there was one."""
        path = self.forgotten().get(key)
        if path is None:
            return False
        path.unlink()
        path.parent.rmdir()
        return True


def changes_zip(changes: Iterable[dict[str, Any]]) -> bytes:
    """Pack the changes of a session, as `changesurl` offers them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("changes0.json", json.dumps(list(changes)))
    return out.getvalue()
