"""What is wrong with bridge.yaml: a fault has its place, its line and its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bridge.protocol.errors import ConfigurationError

__all__ = ["ConfigurationFaults", "Fault", "Place", "Remark", "dotted"]

Place = tuple[str | int, ...]
_PLAIN = re.compile(r"[^.\[\]\s\"']+")


def dotted(place: Place) -> str:
    """Spell a place as administrators read it, such as ``sites[0].jwt.secrets[0]``; the whole file is empty."""
    text = ""
    for step in place:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            name = step if _PLAIN.fullmatch(step) else f'"{step}"'
            text += f".{name}" if text else name
    return text


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about a value, before it has a line. ``at_key`` points to the name instead of the value."""

    place: Place
    message: str
    remedy: str
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, or, among the warnings, worth a look.

    ``line`` and ``column`` count from 1, and are None where there is no text to point at; ``place`` is dotted.
    """

    file: Path
    line: int | None
    column: int | None
    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{where}: {self.place}: {self.message}" if self.place else f"{where}: {self.message}"


class ConfigurationFaults(ConfigurationError):  # noqa: N818 - named for what it carries
    """bridge.yaml doesn't load; ``faults`` are all that is wrong with it, ``warnings`` what else was seen."""

    def __init__(self, faults: tuple[Fault, ...], warnings: tuple[Fault, ...] = ()) -> None:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        super().__init__(f"The configuration has {count}.", remedy="humhub-bridge check names each with its remedy.")
        self.faults = faults
        self.warnings = warnings

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"{fault}. {fault.remedy}" for fault in self.faults)])
