"""The document formats that ONLYOFFICE Docs knows, and what the integration does with each.

The table is ``formats.json``: facts of ONLYOFFICE's published list, and the formats that the integration itself
promises to view, edit and convert. Actions are the published names, and ``convert``, which is the integration's: it
turns the file into the Office Open XML format of its type. (``auto-convert`` is ONLYOFFICE's own advice on opening.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Format", "all_formats", "by_name"]

_UNNAMED = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Format:
    """One format: ``name`` is its extension, ``type`` its editor, ``convert`` what it converts to."""

    name: str
    type: str
    mime: str
    actions: tuple[str, ...]
    convert: tuple[str, ...]

    def can(self, action: str) -> bool:
        """Say whether ``action``, such as ``edit``, is possible."""
        return action in self.actions


def by_name(extension: str) -> Format | None:
    """Give the format of an extension, with or without its dot, in any case."""
    return _table().get(extension.lower().removeprefix("."))


def all_formats() -> tuple[Format, ...]:
    """Give every format, by type, the most usual first."""
    return tuple(_table().values())


@cache
def _table() -> dict[str, Format]:
    data = json.loads(resources.files("bridge.protocol").joinpath("formats.json").read_text("utf-8"))
    return {row["name"]: _format(row, data) for row in data["formats"]}


def _format(row: dict[str, Any], data: dict[str, Any]) -> Format:
    """Read one row: what it converts to is its type's usual targets, unless the row says otherwise."""
    name = row["name"]
    promised = [action for action, names in data["promised"].items() if name in names]
    usual = [target for target in data["targets"][row["type"]] if target != name]
    convert = row.get("convert", [t for t in usual if t not in row.get("not", ())] + row.get("also", []))
    return Format(name, row["type"], row["mime"] or _UNNAMED, _once([*row["actions"], *promised]), tuple(convert))


def _once(actions: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(actions))
