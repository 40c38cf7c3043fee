"""How saves look on a terminal of any width, and in a pipe, where each is one line."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from bridge.protocol.messages import Status
from bridge.saves.standing import UNDELIVERED, Body, Standing, instant, users_of
from bridge.store.records import Entry, State

__all__ = ["print_list", "print_standing", "short"]

_HEADS: Final = ("ID", "STATE", "SITE", "KEY", "AGE", "SIZE", "TRIES", "NEXT", "WHY")
_KEY, _WHY = _HEADS.index("KEY"), _HEADS.index("WHY")
_RIGHT: Final = ("AGE", "SIZE", "TRIES")
_SHORT: Final = 8
# Where so many columns are left for it, the reason stands in the row; else below it.
_ROOM: Final = 40
_LEAST_KEY: Final = 12
_MOST_KEY: Final = 40
_INDENT: Final = "   "
_STYLES: Final = {State.DEAD: "bold red", State.WAITING: "yellow", State.DELIVERED: "green", State.SUPERSEDED: "dim"}

_STATES: Final = {
    State.WAITING: "waiting",
    State.DELIVERED: "delivered",
    State.SUPERSEDED: "superseded",
    State.DEAD: "dead letter",
}
_STATUSES: Final = {
    Status.SAVE: "saved when the last one left",
    Status.SAVE_FAILED: "saved with an error when the last one left",
    Status.FORCED_SAVE: "saved while it was edited",
    Status.FORCED_SAVE_FAILED: "saved with an error while it was edited",
}
_BODIES: Final = {
    Body.SOUND: "as it was saved",
    Body.UNFIT: "as it was saved, but not what its type says",
    Body.DAMAGED: "DAMAGED: no longer what was saved",
    Body.GONE: "gone",
}
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_KIB: Final = 1024


def short(entry: Entry) -> str:
    """Give as much of an entry's id as commands take."""
    return entry.id[:_SHORT]


def print_list(to: Console, entries: Sequence[Entry], *, now: float) -> None:
    """Print one row an entry."""
    rows = [list(_HEADS), *(_cells(entry, now) for entry in entries)]
    width = to.width if to.is_terminal else None
    widths = [max(len(row[column]) for row in rows) for column in range(_WHY)]
    if width is not None:
        widths[_KEY] = min(_MOST_KEY, widths[_KEY])
        spare = width - sum(widths) - len(widths)
        widths[_KEY] = max(_LEAST_KEY, widths[_KEY] + min(0, spare))
    used = sum(widths) + len(widths)
    below = width is not None and width - used < _ROOM
    for row, entry in zip(rows, (None, *entries), strict=True):
        style = "bold" if entry is None else ""
        for line in _row(row, widths, below=below, width=width):
            text = Text(line, style)
            if entry is not None and line.startswith(short(entry)):
                text.stylize(_STYLES[entry.state], widths[0] + 1, widths[0] + 1 + len(entry.state.value))
            to.print(text, soft_wrap=True)


def _cells(entry: Entry, now: float) -> list[str]:
    return [
        short(entry),
        entry.state.value,
        entry.site,
        entry.key,
        _span(now - entry.kept),
        _size(entry.size) if entry.held else "gone",
        str(entry.tries),
        _next(entry, now),
        _clean(entry.why),
    ]


def _row(row: Sequence[str], widths: Sequence[int], *, below: bool, width: int | None) -> Iterator[str]:
    cells = []
    for head, cell, room in zip(_HEADS, row, widths, strict=False):
        fitting = cell if len(cell) <= room else f"{cell[: room - 1]}…"
        cells.append(fitting.rjust(room) if head in _RIGHT else fitting.ljust(room))
    line, why = " ".join(cells), row[_WHY]
    if width is None:
        yield f"{line} {why}".rstrip()
    elif below:
        yield line.rstrip()
        if why and why != _HEADS[_WHY]:
            yield from textwrap.wrap(why, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    else:
        indent = " " * (len(line) + 1)
        first, *rest = textwrap.wrap(why, width - len(indent)) or [""]
        yield f"{line} {first}".rstrip()
        yield from (indent + more for more in rest)


def print_standing(to: Console, standing: Standing, *, where: str, now: float) -> None:
    """Print all about one entry, a line a fact."""
    entry = standing.entry
    to.print(Text.assemble(entry.id, "  ", (_STATES[entry.state], _STYLES[entry.state])), soft_wrap=True)
    for name, value in _facts(standing, where, now):
        if value:
            to.print(Text.assemble((f"{name:<12}", "bold"), _clean(value)), soft_wrap=True)


def _facts(standing: Standing, where: str, now: float) -> Iterator[tuple[str, str]]:
    entry, record = standing.entry, standing.record
    yield "why", entry.why
    yield "held up", standing.held_up
    yield "document", f"key {entry.key} of the site {entry.site}"
    yield "edited by", ", ".join(users_of(entry))
    yield "kept", f"{instant(entry.kept)}, {_span(now - entry.kept)} ago; {_origin(entry)}"
    yield "ended", f"{instant(entry.ended)}, {_span(now - entry.ended)} ago" if entry.ended is not None else ""
    yield "delivered", _delivery(entry)
    yield "order", "the newest save of its document" if standing.newest else "a newer save of its document came"
    yield "tries", f"{entry.tries}{f', next {_next(entry, now)}' if entry.state is State.WAITING else ''}"
    flight = record.flight
    yield "attempt", "" if flight is None else f"number {flight.number}, status {flight.status}, of {flight.entry}"
    yield "body", f"{entry.filetype or 'a file'}, {_size(entry.size)} ({entry.size} bytes), {_BODIES[standing.body]}"
    yield "sha-256", entry.sha256
    yield "file", where if standing.body is not Body.GONE else ""
    yield "by hand", _choices(standing)


def _choices(standing: Standing) -> str:
    if standing.entry.state not in UNDELIVERED:
        return ""
    whole = standing.body in (Body.SOUND, Body.UNFIT)
    choices = {"deliver": whole and standing.newest, "export": whole, "discard": True}
    return f"humhub-bridge saves {'|'.join(name for name, can in choices.items() if can)} {short(standing.entry)}"


def _origin(entry: Entry) -> str:
    if entry.forgotten:
        return "found at ONLYOFFICE Docs, which could not deliver it"
    return _STATUSES.get(Status(entry.status), "")


def _delivery(entry: Entry) -> str:
    if entry.state is not State.DELIVERED:
        return ""
    how = f"as status {entry.delivered_as}"
    return f"{how}; HumHub didn't say so, but knows the document's key no more" if entry.inferred else how


def _next(entry: Entry, now: float) -> str:
    if entry.state is not State.WAITING:
        return ""
    return "now" if entry.due <= now else f"in {_span(entry.due - now)}"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _size(size: float) -> str:
    for unit in _UNITS:
        if size < _KIB or unit == _UNITS[-1]:
            break
        size /= _KIB
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def _clean(text: str) -> str:
    """Leave out what a terminal would obey: HumHub's words are in it."""
    return "".join(character if character.isprintable() else " " for character in text)
