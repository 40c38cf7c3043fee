"""What `humhub-bridge demo` tells whoever started it: where to go, who to be, what is there, and in which network."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.demo.house import House
from bridge.demo.networks import BROWSERS, DOCS, HUMHUB
from bridge.demo.wiring import documents

__all__ = ["print_line", "welcome"]

_NOTES = {
    "admin": "may change everything",
    "alice": "may change her own files, read all of the space",
    "carol": "may read the space's files",
    "bobby": "is no member of the space",
}


def welcome(console: Console, running: House, *, as_json: bool, kept: bool) -> None:
    """Say all of it, for people or as one JSON object."""
    if as_json:
        print_line(console, _facts(running))
        return
    console.print(
        Text.assemble("\nOpen  ", (running.browser_url, "bold underline")),
        "",
        *_people(running),
        "",
        _table("Three networks that refuse each other", _networks(running)),
        "",
        *_documents_told(running),
        "",
        f"The bridge's metrics: {running.admin_url}/metrics",
        f"All files are in {running.directory}{'' if kept else ', which is removed at the end'}.",
        f"A document is saved {running.docs.settings.save_delay:g} s after the last one left it. Ctrl-C ends the demo.",
        "",
        "What crosses the bridge:",
        sep="\n",
        soft_wrap=True,
    )


def print_line(console: Console, value: dict[str, Any]) -> None:
    """Print one JSON object, and have it seen at once."""
    console.print(json.dumps(value, ensure_ascii=False), soft_wrap=True)
    console.file.flush()


def _people(running: House) -> list[Any]:
    if _is_directory(running):
        return [
            "No HumHub here: the list of files is the bridge's own. Say any name; to be somebody else as well,",
            "open a private window. The page speaks the language that the browser asks for.",
        ]
    table = _table("Log in as", [(*login, _NOTES.get(login[0], "")) for login in _logins(running)])
    if not running.layout.connector:
        return [table]
    files = running.humhub.links().in_space("cfiles/browse")
    told = "This HumHub has no ONLYOFFICE module: the bridge adds the entries, to posts and to the space's files,"
    return [table, "", told, f"{running.browser_url}{files}"]


def _documents_told(running: House) -> list[Any]:
    if _is_directory(running):
        return [_table(f"Documents, in {documents(running.directory)}", [(name,) for name, _ in _documents(running)])]
    return [_table("Sample documents", [(name, f"of {owner}") for name, owner in _documents(running)])]


def _is_directory(running: House) -> bool:
    return running.layout.connector == "directory"


def _logins(running: House) -> list[tuple[str, str]]:
    if _is_directory(running):
        return []
    return [(user.username, user.password) for user in running.humhub.users.values()]


def _documents(running: House) -> list[tuple[str, str]]:
    if not _is_directory(running):
        return [(file.name, file.owner) for file in running.humhub.files.values()]
    top = documents(running.directory)
    found = (path.relative_to(top) for path in sorted(top.rglob("*")) if path.is_file())
    return [(str(path), "") for path in found if not any(part.startswith(".") for part in path.parts)]


def _networks(running: House) -> list[tuple[str, ...]]:
    at = running.addresses
    humhub = "nobody" if _is_directory(running) else f"HumHub {at.humhub}"
    return [
        (BROWSERS.name, BROWSERS.cidr, "you", f"browser leg {at.browser}, admin leg {at.admin}"),
        (HUMHUB.name, HUMHUB.cidr, humhub, f"humhub leg {at.humhub_leg}"),
        (DOCS.name, DOCS.cidr, f"Docs {at.docs}", f"docs leg {at.docs_leg}"),
    ]


def _facts(running: House) -> dict[str, Any]:
    names = ("name", "network", "resident", "bridge")
    return {
        "url": running.browser_url,
        "admin": running.admin_url,
        "users": [{"username": name, "password": password} for name, password in _logins(running)],
        "networks": [dict(zip(names, row, strict=True)) for row in _networks(running)],
        "documents": [{"name": name, "owner": owner} for name, owner in _documents(running)],
        "directory": str(running.directory),
    }


def _table(title: str, rows: list[tuple[str, ...]]) -> Table:
    table = Table(
        box=None,
        title=title,
        title_justify="left",
        title_style="bold",
        show_header=False,
        pad_edge=False,
        padding=(0, 3),
    )
    for row in rows:
        table.add_row(*row)
    return table
