"""What all commands have in common: exit codes, options, and how things are printed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from bridge.config import Fault

__all__ = [
    "FINE",
    "FOUND",
    "INTERRUPTED",
    "NAME",
    "WRONG",
    "ConfigOption",
    "JsonOption",
    "console",
    "counted",
    "plain",
    "print_faults",
    "print_json",
]

FINE, FOUND, WRONG, INTERRUPTED = 0, 1, 2, 130
NAME: Final = "humhub-bridge"
# Nobody reads a table of lists in 80 columns; in a pipe there is room.
_PIPED_WIDTH: Final = 160

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The configuration.", metavar="FILE")]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def console(*, stderr: bool = False) -> Console:
    """Give a console that prints what it is given: no markup, no guesses."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPED_WIDTH
    return made


def print_json(value: Any) -> None:
    """Answer in JSON."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def plain(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Give faults as JSON takes them."""
    return [{**dataclasses.asdict(fault), "file": str(fault.file)} for fault in faults]


def print_faults(to: Console, faults: Sequence[Fault], warnings: Sequence[Fault]) -> None:
    """Print each fault as three lines: where it is, what is wrong, what to do. Nothing is wrapped: paths stay whole."""
    for word, style, found in (("error", "bold red", faults), ("warning", "bold yellow", warnings)):
        for fault in found:
            where = ":".join(str(part) for part in (fault.file, fault.line, fault.column) if part is not None)
            head = Text.assemble((f"{word:<9}", style), (where, "bold"), f"  {fault.place}" if fault.place else "")
            to.print(head, f"         {fault.message}", f"         {fault.remedy}", sep="\n", soft_wrap=True)
    if faults or warnings:
        to.print(f"{counted(len(faults), 'error')}, {counted(len(warnings), 'warning')}")


def counted(count: int, noun: str) -> str:
    """Say how many there are of a thing."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
