"""``${NAME}`` and ``file:NAME`` in bridge.yaml, put in place.

What is missing, written openly or readable by others is said. Only the text of the file is looked at: what a variable
or file holds is taken as it is, never looked into again.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.config.faults import Place, Remark, dotted

__all__ = ["OWN_SECRET", "UNKNOWN", "References", "ensure_secret", "is_secret"]

OWN_SECRET: Place = ("secret",)
# Stands for a value that could not be had, which was said already.
UNKNOWN = object()

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = "file:"
_LARGEST = 1 << 16


def is_secret(place: Place) -> bool:
    """Say whether the value at that place is a secret."""
    names = [step for step in place if isinstance(step, str)]
    return bool(names) and names[-1] in {"secret", "secrets", "token"}


@dataclass(slots=True)
class References:
    """Resolve the references of one file; ``directory`` is where relative ``file:`` names begin.

    ``make`` says whether the bridge's own secret is written where its file is missing; else one is made up for now.
    """

    directory: Path
    environ: Mapping[str, str]
    make: bool
    faults: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)

    def resolve(self, value: Any, place: Place = ()) -> Any:
        """Give ``value`` with every reference in it replaced, or ``UNKNOWN`` in place of one that can't be."""
        if isinstance(value, dict):
            return {name: self.resolve(inner, (*place, str(name))) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, (*place, index)) for index, inner in enumerate(value)]
        return self._resolve_text(value, place) if isinstance(value, str) else value

    def _resolve_text(self, text: str, place: Place) -> Any:
        by_file = text.startswith(_FILE) and (is_secret(place) or not text.startswith("file://"))
        if is_secret(place) and text and not by_file and not _VARIABLE.search(text):
            self._warn(place, "the secret is written in the configuration", 'Write "${NAME}" or "file:NAME" instead.')
        known = len(self.faults)
        filled = _VARIABLE.sub(lambda match: self._variable(match[1], place), text)
        if len(self.faults) > known:
            return UNKNOWN
        return self._file(filled.removeprefix(_FILE), place) if by_file else filled

    def _variable(self, name: str, place: Place) -> str:
        if not _VARIABLE_NAME.fullmatch(name):
            self._fault(place, f"${{{name}}} names no environment variable", "Use letters, digits and _ only.")
        elif name not in self.environ:
            self._fault(
                place,
                f"the environment variable {name} is not set",
                f'Set {name} where the bridge is started, or write "file:NAME" here to read it from a file.',
            )
        elif not self.environ[name] and is_secret(place):
            self._fault(place, f"the environment variable {name} is empty", f"Give {name} its value.")
        return self.environ.get(name, "")

    def _file(self, name: str, place: Place) -> Any:
        if name.startswith("//") or not name:
            better = f"/{name.lstrip('/')}" if name.strip("/") else "NAME"
            self._fault(place, "a file is named without two slashes in front", f'Write "file:{better}".')
            return UNKNOWN
        path = self.directory / Path(name).expanduser()
        try:
            if place == OWN_SECRET and not path.exists():
                return ensure_secret(path) if self.make else secrets.token_hex(32)
            return self._read(path, place)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            self._fault(
                place,
                f"the file {path} can't be read: {why}",
                f"Make it, readable for the user of the bridge, or correct {dotted(place)}.",
            )
            return UNKNOWN

    def _read(self, path: Path, place: Place) -> str:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_LARGEST + 1).decode("utf-8").rstrip("\r\n")
        if len(text) > _LARGEST:
            raise ValueError(f"it is longer than {_LARGEST} bytes")
        if not text:
            raise ValueError("it is empty")
        if is_secret(place) and stat.S_ISREG(mode) and mode & stat.S_IRWXO:
            self._warn(place, f"every user of this machine can get at {path}", f"chmod o= {path}")
        return text

    def _fault(self, place: Place, message: str, remedy: str) -> None:
        self.faults.append(Remark(place, message, remedy))

    def _warn(self, place: Place, message: str, remedy: str) -> None:
        self.warnings.append(Remark(place, message, remedy))


def ensure_secret(path: Path) -> str:
    """Give the secret in ``path``, making it where it is missing: 32 random bytes, readable by this user alone.

    Raises:
        OSError: it can't be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = secrets.token_hex(32)
    # Written under another name first: whoever starts at the same time must never read half of it.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return path.read_text().rstrip("\r\n")
    finally:
        draft.unlink()
    return text
