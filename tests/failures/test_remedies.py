"""Whatever fails beyond the bridge, or on its own disk, is said with what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from bridge.protocol import errors

BRIDGE = Path(__file__).parents[2] / "bridge"
# What an admin has to do something about; a client's fault says what is wrong with its request.
OURS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.UpstreamError | errors.StorageError | errors.TooLargeError)
}
# Findings of the readiness check, which say by themselves all there is; the commands' own say what to do in the text.
ELSEWHERE = ("demo", "cli", "legs/admin.py", "saves/desk.py")


def made(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OURS:
            yield node


def test_each_error_names_its_remedy() -> None:
    without = [
        f"{path.relative_to(BRIDGE)}:{call.lineno}"
        for path in sorted(BRIDGE.rglob("*.py"))
        if not str(path.relative_to(BRIDGE)).startswith(ELSEWHERE)
        for call in made(path)
        if not any(keyword.arg in ("remedy", None) for keyword in call.keywords)
    ]
    assert without == []
