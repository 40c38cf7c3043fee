"""Imports point down the rank table only, and what is pure stays pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "bridge"
# From the bottom up; a room imports from lower ranks and from itself.
RANKS = (
    ("protocol",),
    ("config",),
    ("store",),
    ("watch",),
    ("transport",),
    ("rings",),
    ("sites",),
    ("hop", "opening"),
    ("saves",),
    ("connector",),
    ("legs",),
    ("app",),
    ("doctor", "demo"),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
STANDINS = ("demo.humhub", "demo.docs")
IMPURE = {"aiohttp", "asyncio", "time", "os", "random", "secrets", "socket", "datetime"}
# Files that hold one noun and need more room for it.
LONG = {
    "demo/editor.py": "one protocol, told from the client's side",
    "demo/docs/editors.py": "the same protocol, from the server's",
}
LONGEST = 300

FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_point_down(path: Path) -> None:
    module = module_of(path)
    room = module.partition(".")[0]
    for name in imports_of(path):
        if not name.startswith("bridge."):
            continue
        other = name.removeprefix("bridge.")
        if module.startswith(STANDINS):
            own = ".".join(module.split(".")[:2])
            assert other.startswith(own), f"the stand-in {module} imports {name}"
        elif room:
            target = other.partition(".")[0]
            assert target == room or RANK[target] < RANK[room], f"{module} imports {name}, which is not below it"


@pytest.mark.parametrize("path", sorted((ROOT / "protocol").rglob("*.py")), ids=module_of)
def test_the_protocol_is_pure(path: Path) -> None:
    assert not IMPURE & {name.partition(".")[0] for name in imports_of(path)}


def test_every_room_has_a_rank() -> None:
    assert {module_of(path).partition(".")[0] for path in FILES} - {""} <= RANK.keys()


def test_files_hold_one_noun() -> None:
    long = {str(path.relative_to(ROOT)) for path in FILES if len(path.read_text().splitlines()) > LONGEST}
    assert long == LONG.keys()
