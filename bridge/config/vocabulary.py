"""Every name that bridge.yaml knows, taken from the values' own fields, and the nearest one to a misspelt name."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from typing import Any

from bridge.config.faults import Place
from bridge.config.values import Config, DocsJwt

__all__ = ["names_at", "nearest"]

# How alike two names must be, from 0 to 1: more so where the name is known, but elsewhere.
_ALIKE, _ALMOST_EQUAL = 0.6, 0.85


def _dataclass_in(hint: Any) -> type | None:
    """Give the dataclass inside ``hint``, such as ``tuple[SiteConfig, ...]`` or ``TlsConfig | None``."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return hint
    if typing.get_origin(hint) in (typing.Annotated, tuple, types.UnionType, typing.Union):
        found = (_dataclass_in(inner) for inner in typing.get_args(hint))
        return next((inner for inner in found if inner), None)
    return None


def _collect(kind: type, place: tuple[str, ...], known: dict[tuple[str, ...], tuple[str, ...]]) -> None:
    hints = typing.get_type_hints(kind, include_extras=True)
    names = tuple(field.name for field in dataclasses.fields(kind))
    # Docs' key rings may be written as a single one.
    known[place] = (*names, "header", "secrets") if kind is DocsJwt else names
    for name in names:
        inner = _dataclass_in(hints[name])
        if inner is not None and hasattr(inner, "__pydantic_config__"):
            _collect(inner, (*place, name), known)


_KNOWN: dict[tuple[str, ...], tuple[str, ...]] = {}
_collect(Config, (), _KNOWN)


def names_at(place: Place) -> tuple[str, ...]:
    """Give the names that may stand below ``place``."""
    return _KNOWN.get(tuple(step for step in place if isinstance(step, str)), ())


def nearest(name: str, place: Place) -> str:
    """Give a remedy for ``name``, which isn't known below ``place``."""
    names = names_at(place)
    homes = [".".join(home) or "the top" for home, inner in _KNOWN.items() if name in inner]
    likeness = _ALMOST_EQUAL if homes else _ALIKE
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names, n=1, cutoff=likeness)
    if close:
        return f"Did you mean {close[0]}?"
    if homes:
        return f"It belongs below {' or '.join(homes)}."
    return f"Known here: {', '.join(names)}." if names else "Leave it out."
