"""What `tests/data` lacks of the recordings: `python -m tests.flows.condensed RECORDINGS` writes `tests/data/recorded`.

Other tests keep the part that they need in `tests/data/docs` and `tests/data/humhub`. Here is the rest of what the
bridge is held to, without what nobody looks at: times, connections, and the text of HumHub's pages.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.demo.humhub.condensed import condense
from tests.flows.recorded import DATA, FROM_DOCS, kind_of_call, kind_of_exchange

Json = dict[str, Any]

_ROW = ("kind", "ts", "request_line", "headers", "body", "jwt_header", "jwt_body")
_HUSHED = ("server", "date", "connection", "keep-alive")


def rows(folder: Path) -> Iterable[Json]:
    """Give the rows of the scenarios that `tests/data/docs` leaves out; of one that repeats the last, its time."""
    for path in sorted(folder.glob("*.jsonl")):
        if (DATA / "docs" / path.name).exists():
            continue
        last: Json = {}
        for number, line in enumerate(path.read_text().splitlines()):
            recorded = json.loads(line)
            if recorded.get("kind") not in FROM_DOCS:
                continue
            row = {name: recorded[name] for name in _ROW if name in recorded}
            named = {"name": f"{path.stem}:{number}"}
            same = {**row, "ts": 0} == {**last, "ts": 0}
            yield {**named, "again": True, "ts": row["ts"]} if same else {**named, **row}
            last = row


def calls(folder: Path) -> Iterable[Json]:
    """Give the calls that `tests/data/docs/http` leaves out."""
    for path in sorted((folder / "http").glob("*.json")):
        if (DATA / "docs/http" / path.name).exists():
            continue
        call = json.loads(path.read_text())
        if kind_of_call(call["request"]["path"]) is None:
            continue
        answer = call["response"]
        answer["headers"] = [[name, value] for name, value in answer["headers"] if name.lower() not in _HUSHED]
        yield {"name": path.stem, "request": call["request"], "response": answer}


def humhub(folder: Path) -> Iterable[Json]:
    """Give the exchanges that belong here and of which `tests/data/humhub` has only the name."""
    for one in json.loads((DATA / "humhub/exchanges.json").read_text()):
        if "request" not in one:
            recording = json.loads((folder / f"{one['name']}.json").read_text())
            if kind_of_exchange(recording["request"]["url"]) is not None:
                yield condense(one["name"], recording, folder)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    found = {"rows": rows(source / "docs"), "calls": calls(source / "docs"), "humhub": humhub(source / "humhub")}
    (DATA / "recorded").mkdir(exist_ok=True)
    for name, lines in found.items():
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (DATA / f"recorded/{name}.jsonl").write_text(text, encoding="utf-8")
