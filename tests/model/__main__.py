"""Search with other bounds than the suite does: ``python -m tests.model f=2 e=3 o=3 s=1 docs_loss replacing``.

f, e, o, s, p: how many faults, edits, openings, forced saves and people. The words are those of ``setting.py``. It says
how many states hold, or the shortest story of one that doesn't; then the exit code is 1. A state takes some 80 µs and
0.8 KB: f=1 e=2 o=3 s=1 has some hundred thousands, f=2 e=3 o=3 s=1 many millions.
"""

from __future__ import annotations

import sys
import time
from dataclasses import fields
from typing import Any

from tests.model.rulebook import Rules
from tests.model.search import explore
from tests.model.setting import Setting

_NUMBERS = {"f": "faults", "e": "edits", "o": "opens", "s": "forced", "p": "people"}
_WORDS = {field.name for field in fields(Setting)}


def main(words: list[str]) -> int:
    """Search by the words of the command line."""
    chosen: dict[str, Any] = {}
    for word in words:
        name, equals, number = word.partition("=")
        name = _NUMBERS.get(name, name)
        if name not in _WORDS:
            print(f"{word}? There are {', '.join(sorted(_WORDS))}.", file=sys.stderr)  # noqa: T201
            return 2
        chosen[name] = int(number) if equals else True
    begun = time.monotonic()
    found = explore(Rules(), Setting(**chosen), tick=lambda place: print(f"… {place}", file=sys.stderr))  # noqa: T201
    print(found, f"({time.monotonic() - begun:.0f} s)")  # noqa: T201
    return 1 if found.broken else 0


sys.exit(main(sys.argv[1:]))
