"""Real exchanges of HumHub and Docs: where they are, and which of them a bridge between the two has to do with.

`tests/data` holds what is needed of them: `docs/` (shared with the small Docs' tests), `humhub/exchanges.json` (shared
with the small HumHub's), `editor/pages.json`, and in `recorded/` what those leave out. With `$BRIDGE_RECORDINGS` the
complete set is read instead. Either way the names are the same, so nothing can be missing from one of them.

A name is a file's, and for what Docs sent its line's number after a colon, from 0.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.demo.humhub.condensed import condense

Json = dict[str, Any]

DATA = Path(__file__).parents[1] / "data"
COMPLETE = Path(os.environ.get("BRIDGE_RECORDINGS") or "/nowhere")
IS_COMPLETE = (COMPLETE / "docs").is_dir()

# The rig: where HumHub's module said that its own files are, Docs' storage (two spellings), and Docs itself.
HUMHUB_STORAGE = "http://127.0.0.1:8703"
STORAGES = ("http://127.0.0.1:9100", "http://127.0.0.1:9101")

# Where a recording belongs, by the beginning of its route. The rest is in OTHERS.
_OF_HUMHUB = {
    "onlyoffice/open": "pages",
    "onlyoffice/backend/download": "download-answers",
    "onlyoffice/backend/empty-file": "download-answers",
    "onlyoffice/backend/track": "track-answers",
    "onlyoffice/convert": "converts",
    "onlyoffice/convert/convert": "converts",
}
FROM_DOCS = {"callback": "callbacks", "doc-download": "downloads"}
_TO_DOCS = (
    (r"/converter|/ConvertService\.ashx", "conversions"),
    (r"/command|/coauthoring/CommandService\.ashx|/healthcheck", "commands"),
    (r"(?:/docs|/9\.3\.1-abc)?/cache/files/.+", "files"),
)
KINDS = sorted({*_OF_HUMHUB.values(), *FROM_DOCS.values(), *(kind for _, kind in _TO_DOCS)})

# What else was recorded, and why nothing is expected of a bridge for it here.
OTHERS = {
    r"humhub/0[12]|humhub/12-idx-login": "login and posting",
    r"humhub/.*-followed": "pages of HumHub that a redirect led to",
    r"humhub/1[34]-|humhub/40-share-(get|getinfo|index|index-view|remove)|humhub/4[2345]-": "the module's browser routes: test_recorded_calls",
    r"humhub/22-|humhub/50-|humhub/57-|humhub/8|humhub/9|humhub/a0-": "HumHub's own pages and files, relayed",
    r"humhub/60-cfiles|humhub/7": "the cfiles and rest modules: for an integration without the onlyoffice module",
    r"docs/conn-close:": "idle times of the recording server's connections",
    r"docs/[\w-]+:\d+ integrator-download-of-callback-url": "what the recording storage itself fetched from Docs",
    r"docs/[\w-]+:\d+ big-sent": "how much of a big file had left",
    r"docs/http/(fwd-)?baseurl": "which address Docs would build: nobody asks for it",
    r"docs/http/(index|info-json|meta-config|meta-formats|plugins|themes)": "what browsers get from Docs",
    r"docs/http/sio-": "the editor's connection",
}

# Of the five kinds, what the bridge doesn't serve: HumHub's module never sends it. Refused, and nothing dialled.
NOT_SERVED = {
    "conv-get-converter": "Docs itself doesn't know GET there",
    "err-getoptions": "OPTIONS on a route that is no browser's",
    "cmd-get": "Docs itself doesn't know GET there",
    "cmd-ashx-get": "a command by GET, its token in the address, where logs keep it",
    "cache-post": "POST for a file",
    "cache-prefix": "a prefix that only a browser's address has",
    "cache-versionprefix": "Docs itself refuses a version there",
}


def rows() -> Iterator[tuple[str, Json]]:
    """Give each line that Docs' storage noted, by name."""
    for path in sorted((COMPLETE if IS_COMPLETE else DATA).glob("docs/*.jsonl")):
        for number, line in enumerate(path.read_text().splitlines()):
            yield f"{path.stem}:{number}", json.loads(line)
    if not IS_COMPLETE:
        yield from _rest("rows")


def calls() -> Iterator[tuple[str, Json]]:
    """Give each signed call to Docs with its answer, by name."""
    for path in sorted((COMPLETE if IS_COMPLETE else DATA).glob("docs/http/*.json")):
        yield path.stem, json.loads(path.read_text())
    if not IS_COMPLETE:
        yield from _rest("calls")


def exchanges() -> Iterator[tuple[str, Json]]:
    """Give each exchange with HumHub, condensed, by name; of what has no part in this, perhaps the name alone."""
    if IS_COMPLETE:
        folder = COMPLETE / "humhub"
        for path in sorted(folder.glob("[0-9]*.json")):
            if "." not in path.stem:
                recording = json.loads(path.read_text())
                mine = kind_of_exchange(recording["request"]["url"]) is not None
                yield path.stem, condense(path.stem, recording, folder) if mine else {"name": path.stem}
        return
    rest = dict(_rest("humhub"))
    for one in json.loads((DATA / "humhub/exchanges.json").read_text()):
        yield one["name"], rest.get(one["name"], one)


def _rest(which: str) -> Iterator[tuple[str, Json]]:
    """Give what of the complete set no other test needs; a row that repeats the one before has only what differs."""
    last: Json = {}
    for line in (DATA / f"recorded/{which}.jsonl").read_text().splitlines():
        one = json.loads(line)
        last = {**last, **one} if "again" in one else one
        yield one["name"], last


def kind_of_exchange(url: str) -> str | None:
    """Give the kind of a call of HumHub's by its route, pretty, plain or below a sub-directory."""
    plain = re.search(r"/index\.php\?r=([^&]+)", url)
    route = plain[1].replace("%2F", "/") if plain else re.sub(r"^http://[^/]+/(hub/)?|\?.*", "", url)
    return _OF_HUMHUB.get(route)


def kind_of_call(path: str) -> str | None:
    bare = path.partition("?")[0]
    return next((kind for pattern, kind in _TO_DOCS if re.fullmatch(pattern, bare)), None)


def census() -> tuple[dict[str, dict[str, Json]], list[str]]:
    """Sort all recordings: by kind and name, and the names of the others, as OTHERS has them."""
    found: dict[str, dict[str, Json]] = {kind: {} for kind in KINDS}
    others: list[str] = []

    def sort(kind: str | None, name: str, full: str, one: Json) -> None:
        if kind is None:
            others.append(full)
        else:
            assert name not in found[kind], f"two recordings are called {name}"
            found[kind][name] = one

    for name, row in rows():
        sort(FROM_DOCS.get(row.get("kind", "")), name, f"docs/{name} {row.get('kind', '')}", row)
    for name, call in calls():
        sort(kind_of_call(call["request"]["path"]), name, f"docs/http/{name}", call)
    for name, one in exchanges():
        sort(kind_of_exchange(one["request"]["url"]) if "request" in one else None, name, f"humhub/{name}", one)
    return found, others


FOUND, REST = census()


def scenarios(found: Mapping[str, Json]) -> dict[str, list[str]]:
    """Give the names of rows by their scenario, in order."""
    gathered: dict[str, list[str]] = {}
    for name in found:
        gathered.setdefault(name.partition(":")[0], []).append(name)
    return gathered


def unexplained(others: Iterable[str]) -> list[str]:
    """Give what belongs to no kind and to none of the OTHERS."""
    return [name for name in others if not any(re.match(pattern, name) for pattern in OTHERS)]


# --- the editor pages, whose attributes have to be whole ---

_PLACES = {
    "script": r'<script src="([^"]*/api\.js[^"]*)"',
    "config": r"data-config='([^']*)'",
    "api": r"data-api='([^']*)'",
}


def recorded_page(name: str) -> bytes | None:
    """Give an editor page as HumHub sent it, unpacked; None where the complete set isn't there."""
    if not IS_COMPLETE:
        return None
    body = json.loads((COMPLETE / f"humhub/{name}.json").read_text())["response"]["body"]
    if isinstance(body, str):
        return body.encode()
    raw = (COMPLETE / "humhub" / body["file"]).read_bytes()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw


def places_of(page: bytes) -> dict[str, str]:
    """Give what stands in the places of an editor page that a bridge may change; nothing for another page."""
    text = page.decode()
    found = {name: re.search(pattern, text) for name, pattern in _PLACES.items()}
    return {name: match[1] for name, match in found.items() if match}


PAGES: dict[str, dict[str, str]] = {one["name"]: one for one in json.loads((DATA / "editor/pages.json").read_text())}
