"""``humhub-bridge saves …``: look at what HumHub doesn't have yet, and do by hand what the courier doesn't.

The commands work beside a bridge that runs and without one. They look at nothing but ``saves``, ``store`` and the names
of the sites, so the secrets of the configuration may be unset where an administrator calls them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.exceptions import TyperException

from bridge.cli.common import FINE, FOUND, ConfigOption, JsonOption, console, print_json
from bridge.config import Config, ConfigurationFaults, load
from bridge.protocol.errors import ConflictError, NoRouteError
from bridge.store.records import Entry, State

if TYPE_CHECKING:
    from bridge.saves.desk import Desk
    from bridge.saves.standing import Standing

__all__ = ["commands"]

T = TypeVar("T")

commands = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look after the edits that HumHub lacks.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The save: its id, or the beginning of it.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


@commands.command("list")
def saves_list(
    state: Annotated[list[State] | None, typer.Option(help="Only these; by default, waiting and dead.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Of every state.")] = False,
    site: Annotated[str | None, typer.Option(help="Only of this site.")] = None,
    key: Annotated[str | None, typer.Option(help="Only of this document.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 1000,
    config: ConfigOption = Path("bridge.yaml"),
    as_json: JsonOption = False,
) -> int:
    """List saves, the oldest first. Exits 1 if a dead letter is among them."""
    from bridge.cli.views import print_list  # noqa: PLC0415 - see the head of the package
    from bridge.saves.standing import UNDELIVERED, brief  # noqa: PLC0415

    async def work(desk: Desk | None) -> tuple[list[Entry], bool]:
        if desk is None:
            return [], False
        states = tuple(State) if every else tuple(state or UNDELIVERED)
        return await desk.list(states, site=site, key=key, limit=limit)

    entries, more = _at_desk(_settings(config), work)
    if as_json:
        print_json({"saves": [brief(entry) for entry in entries], "more": more})
    elif entries:
        print_list(console(), entries, now=time.time())
    else:
        typer.echo("There is no such save." if every or state or site or key else "Nothing waits for HumHub.")
    if more and not as_json:
        typer.echo(f"There are more: these are the oldest {limit}. See --limit.", err=True)
    return FOUND if any(entry.state is State.DEAD for entry in entries) else FINE


@commands.command("show")
def saves_show(identity: IdArgument, config: ConfigOption = Path("bridge.yaml"), as_json: JsonOption = False) -> int:
    """Say everything about one save, its body on the disk included. Exits 1 if that body isn't as it should be."""
    from bridge.saves.standing import Body  # noqa: PLC0415 - see the head of the package

    settings = _settings(config)
    standing = _at_desk(settings, lambda desk: _there(desk).standing(identity))
    _show(settings, standing, as_json=as_json)
    return FOUND if standing.entry.held and standing.body in (Body.DAMAGED, Body.GONE) else FINE


@commands.command("deliver")
def saves_deliver(
    identity: IdArgument,
    wait: Annotated[float, typer.Option(help="Wait so many seconds for what comes of it.", min=0)] = 30,
    yes: YesOption = False,
    config: ConfigOption = Path("bridge.yaml"),
    as_json: JsonOption = False,
) -> int:
    """Deliver a save now, a dead letter too, and say what came of it. Exits 1 if HumHub hasn't got it then."""
    from bridge.saves.standing import Body  # noqa: PLC0415 - see the head of the package

    settings = _settings(config)
    found = _at_desk(settings, lambda desk: _there(desk).standing(identity))
    if found.body is Body.UNFIT and found.entry.state in (State.WAITING, State.DEAD):
        said = f"This body is no {found.entry.filetype}. HumHub would store it as the document all the same."
        _ask(said, "Deliver it?", yes=yes)

    async def work(desk: Desk | None) -> tuple[Standing, bool]:
        due = await _there(desk).deliver(found.entry.id, sure=True)
        runs = bool(await _there(desk).index.others())
        if runs and wait:
            await _there(desk).watch(due.entry, within=wait)
            return await _there(desk).standing(due.entry.id), runs
        return due, runs

    standing, runs = _at_desk(settings, work)
    if as_json:
        print_json({**standing.json(), "bridge_runs": runs})
    else:
        typer.echo(_outcome(standing, tries=found.entry.tries, runs=runs))
    return FINE if standing.entry.state is State.DELIVERED else FOUND


def _outcome(standing: Standing, *, tries: int, runs: bool) -> str:
    entry = standing.entry
    match entry.state:
        case State.DELIVERED:
            return f"{entry.id} is delivered: HumHub has it."
        case State.SUPERSEDED:
            return f"{entry.id} is not delivered: {entry.why or 'a newer save came'}."
        case State.DEAD:
            return f"{entry.id} is a dead letter again: {entry.why}."
    if not runs:
        return f"{entry.id} waits, and is due: no bridge runs here. It is delivered as soon as one does."
    if entry.tries > tries:
        return f"{entry.id} was tried, and waits again: {entry.why}."
    return f"{entry.id} is due, and not delivered yet{f': {standing.held_up}' if standing.held_up else ''}."


@commands.command("export")
def saves_export(
    identity: IdArgument,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; - is the standard output.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    config: ConfigOption = Path("bridge.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Write the body of a save to a file, and see that it is what was saved."""
    from bridge.cli import export  # noqa: PLC0415 - see the head of the package
    from bridge.saves.standing import brief  # noqa: PLC0415

    piped = str(target) == "-"
    if piped and (as_json or sys.stdout.isatty()):
        raise TyperException("A document goes into a file or a pipe, into a pipe without --json.")
    if not piped and target.is_file() and not force:
        raise TyperException(f"{target} is there already; add --force to replace it.")
    # The body is read as its owner, and written as the caller.
    entry, body = _at_desk(_settings(config), lambda desk: _there(desk).body(identity))
    with body:
        if piped:
            export.to_output(entry, body)
            return
        export.to_file(entry, body, target, force=force)
    if as_json:
        print_json({**brief(entry), "file": str(target)})
    else:
        typer.echo(f"{entry.id} is in {target}: {entry.size} bytes, SHA-256 {entry.sha256}.")


@commands.command("discard")
def saves_discard(
    identity: IdArgument,
    yes: YesOption = False,
    config: ConfigOption = Path("bridge.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Delete a save for good. What was saved is gone then, wherever HumHub doesn't have it."""
    from bridge.cli.owner import caller  # noqa: PLC0415 - see the head of the package
    from bridge.saves.desk import tell_of_loss  # noqa: PLC0415
    from bridge.saves.standing import brief  # noqa: PLC0415

    settings = _settings(config)
    found = _at_desk(settings, lambda desk: _there(desk).entry(identity))
    said = f"{found.id}, {found.filetype or 'a file'} of {found.size} bytes, key {found.key} of the site {found.site}."
    _ask(f"{said}\n{tell_of_loss(found)}", "Discard it?", yes=yes)
    left = _at_desk(settings, lambda desk: _there(desk).discard(found.id, by=f"by {caller()}"))
    if as_json:
        print_json(brief(left))
    else:
        typer.echo(f"{left.id} is discarded.")


# --- how a command gets at the spool ----------------------------------------------------------------------------------


def _at_desk(config: Config, work: Callable[[Desk | None], Coroutine[Any, Any, T]]) -> T:
    """Do work at the desk of a configuration, as the user whose files they are; None where nothing was saved yet."""
    from bridge.cli.owner import acting_as_owner  # noqa: PLC0415 - see the head of the package
    from bridge.saves.desk import check_store, opened  # noqa: PLC0415

    async def whole() -> T:
        async with opened(config) as desk:
            return await work(desk)

    index, _ = check_store(config)
    with acting_as_owner(index):
        return asyncio.run(whole())


def _there(desk: Desk | None) -> Desk:
    if desk is None:
        raise NoRouteError("Nothing has been saved yet.")
    return desk


class _Lenient(Mapping[str, str]):
    """The environment, and a stand-in for what is not set there."""

    UNSET = "unset-0123456789abcdef0123456789abcdef"

    def __getitem__(self, name: str) -> str:
        return os.environ.get(name, self.UNSET)

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)


def _settings(path: Path) -> Config:
    """Load a configuration; variables that only secrets come from may be unset.

    Raises:
        ConfigurationFaults: it doesn't load otherwise.
    """
    try:
        return load(path).config
    except ConfigurationFaults:
        try:
            config = load(path, environ=_Lenient()).config
        except ConfigurationFaults:
            config = None
        if config is None or _Lenient.UNSET in f"{config.saves.directory} {config.store.url}":
            raise
        return config


def _show(config: Config, standing: Standing, *, as_json: bool) -> None:
    from bridge.cli.views import print_standing  # noqa: PLC0415 - see the head of the package

    if as_json:
        print_json(standing.json())
        return
    where = Path(str(config.saves.directory)) / f"{standing.entry.id}.body"
    print_standing(console(), standing, where=str(where), now=time.time())


def _ask(said: str, question: str, *, yes: bool) -> None:
    """Say what is about to happen, and ask; goes on only with a yes.

    Raises:
        ConflictError: the answer was no.
    """
    typer.echo(said, err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise TyperException("Nobody can be asked here; add --yes if you mean it.")
    if not typer.confirm(question, err=True):
        raise ConflictError("Nothing was done.")
