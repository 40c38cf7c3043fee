"""The commands of ``humhub-bridge``: each is a thin function that calls the room which does the work.

Exit codes: 0 fine, 1 something found or failed, 2 wrong use or configuration. Answers go to standard output, so that
they can be piped; with ``--json`` they are JSON. Commands raise: ``main`` is the one place that turns an error into a
line and a code. What only one command needs is imported inside it: the others start faster.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from typer.exceptions import TyperException

from bridge.cli import saves
from bridge.cli.common import (
    FINE,
    FOUND,
    INTERRUPTED,
    NAME,
    WRONG,
    ConfigOption,
    JsonOption,
    console,
    plain,
    print_faults,
    print_json,
)
from bridge.config import ConfigurationFaults, Fault, load
from bridge.protocol.errors import BridgeError, ConfigurationError

__all__ = ["app", "main"]

_DISTRIBUTION = "humhub-onlyoffice-bridge"

app = typer.Typer(
    name=NAME,
    help="One gateway between browsers, HumHub and ONLYOFFICE Docs, in networks that cannot see each other.",
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Read and sign tokens by hand.")
app.add_typer(tokens, name="token")
app.add_typer(saves.commands, name="saves")


class Party(StrEnum):
    """Who gets a token that is signed by hand."""

    HUMHUB = "humhub"
    DOCS = "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    try:
        code = app(args=arguments, prog_name=NAME, standalone_mode=False)
    except TyperException as error:
        typer.echo(f"{NAME}: {error.format_message()} See {NAME} --help.", err=True)
        return WRONG
    except ConfigurationFaults as error:
        print_faults(console(stderr=True), error.faults, error.warnings)
        return WRONG
    except BridgeError as error:
        typer.echo(f"{NAME}: {error.message} {error.remedy or ''}".rstrip(), err=True)
        return WRONG if isinstance(error, ConfigurationError) else FOUND
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return code if isinstance(code, int) else FINE


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {version(_DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def check(config: ConfigOption = Path("bridge.yaml"), as_json: JsonOption = False) -> int:
    """Look at the configuration alone, and name every fault with its line and remedy."""
    faults: tuple[Fault, ...] = ()
    try:
        warnings = load(config).warnings
    except ConfigurationFaults as error:
        faults, warnings = error.faults, error.warnings
    if as_json:
        print_json({"faults": plain(faults), "warnings": plain(warnings)})
    else:
        print_faults(console(), faults, warnings)
        if not faults:
            typer.echo(f"{config} is fine.")
    return WRONG if faults else FINE


@app.command()
def formats(as_json: JsonOption = False) -> None:
    """List the document formats, and what can be done with each."""
    from bridge.protocol.formats import all_formats  # noqa: PLC0415 - see the head of this file

    if as_json:
        print_json([dataclasses.asdict(found) for found in all_formats()])
        return
    table = Table("Format", "Type", "Actions", "Converts to", box=None, pad_edge=False, header_style="bold")
    for found in all_formats():
        table.add_row(found.name, found.type, ", ".join(found.actions), ", ".join(found.convert))
    console().print(table)


@app.command()
def serve(config: ConfigOption = Path("bridge.yaml")) -> None:
    """Run the bridge until SIGTERM or SIGINT."""
    import asyncio  # noqa: PLC0415 - see the head of this file

    from bridge.app import serve as run  # noqa: PLC0415
    from bridge.watch import logs  # noqa: PLC0415

    loaded = load(config, make_secret=True)
    logs.configure(level=loaded.config.log.level, style=loaded.config.log.format)
    print_faults(console(stderr=True), (), loaded.warnings)
    asyncio.run(run(loaded.config))


@app.command()
def demo(
    port: Annotated[
        int | None, typer.Option(help="The browser leg's port; 8080, or the next free one.", min=1, max=65535)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Play the whole story, print each step, and end.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Work in DIR and leave it.", metavar="DIR", file_okay=False)] = None,
    connector: Annotated[
        bool, typer.Option("--connector", help="Without a HumHub: the bridge's own list of files, over a directory.")
    ] = False,
    connector_humhub: Annotated[
        bool, typer.Option("--connector-humhub", help="With a HumHub that has no ONLYOFFICE module.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Run the bridge with a small HumHub and a small ONLYOFFICE Docs, in three networks on this machine."""
    if connector and connector_humhub:
        raise ConfigurationError("--connector and --connector-humhub are two different demos.", remedy="Name one.")
    where = "directory" if connector else "humhub" if connector_humhub else ""
    try:
        from bridge.demo.show import Demo  # noqa: PLC0415 - see the head of this file
    except ModuleNotFoundError as error:
        if (error.name or "bridge").partition(".")[0] == "bridge":
            raise
        typer.echo(f"{NAME}: the demo needs {error.name}. Install it: pip install '{_DISTRIBUTION}[demo]'", err=True)
        return WRONG
    return Demo(console(), port=port, once=once, as_json=as_json, keep=keep, connector=where).run()


@tokens.command("show")
def token_show(token: str, config: ConfigOption = Path("bridge.yaml"), as_json: JsonOption = False) -> int:
    """Say what a token holds, and with whose secret it verifies. Nothing is sent."""
    from bridge.rings import inspect  # noqa: PLC0415 - see the head of this file

    found = inspect(token, load(config).config)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        for line in found.lines():
            typer.echo(line)
    return FINE if found.verified_by else FOUND


@tokens.command("sign")
def token_sign(
    claims: Annotated[str, typer.Argument(metavar="JSON", help="The claims, as a JSON object.")],
    party: Annotated[Party, typer.Option("--for", help="Whose secret signs it.")],
    site: Annotated[str | None, typer.Option(help="The site, where there are several.")] = None,
    config: ConfigOption = Path("bridge.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Sign claims as the bridge would, to try a call by hand; times are added where they are missing."""
    from bridge.rings import sign  # noqa: PLC0415 - see the head of this file

    token, header = sign(claims, load(config).config, party=party, site=site)
    if as_json:
        print_json({"token": token, "header": header})
    else:
        typer.echo(token)
