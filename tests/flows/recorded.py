"""Real exchanges, sent through a running bridge, and what is expected of it for each.

An expectation says what the other side got (target, headers, message, claims) and what the caller heard. They lie in
``tests/data/expectations``, one file a kind. ``pytest tests/flows --write-expectations`` writes them anew from what the
bridge does: read the difference before you believe it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from multidict import CIMultiDict

from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, INNER_SECRET, Fake, Seen

DATA = Path(__file__).parents[1] / "data"
FULL = Path(os.environ.get("BRIDGE_RECORDINGS", "")) / "docs"
DOCS = FULL if os.environ.get("BRIDGE_RECORDINGS") and FULL.is_dir() else DATA / "docs"
EXPECTATIONS = DATA / "expectations"

# The rig's storage and Docs in the recordings.
STORAGE, RIG = "http://127.0.0.1:9100", "http://127.0.0.1:8088"
_UNSTABLE = ("Host", "User-Agent", "X-Request-Id", "Date", "Server", "Connection")
_FILES = {"txt": b"text", "csv": b"a,b", "pdf": b"%PDF-1.4"}

Json = dict[str, Any]


def rows(kind: str) -> dict[str, list[Json]]:
    """Give what Docs sent, by scenario: its callbacks or its downloads, in order."""
    found: dict[str, list[Json]] = {}
    for path in sorted(DOCS.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        if mine := [line for line in lines if line.get("kind") == kind]:
            found[path.stem] = mine
    return found


def calls(*prefixes: str) -> dict[str, Json]:
    """Give the recorded calls to Docs whose path begins in one of these ways."""
    found = {}
    for path in sorted((DOCS / "http").glob("*.json")):
        exchange = json.loads(path.read_text())
        if exchange.get("request", {}).get("path", "").startswith(prefixes):
            found[path.stem] = exchange
    return found


def exchanges(route: str) -> dict[str, Json]:
    """Give the recorded exchanges with HumHub's route."""
    recorded = json.loads((DATA / "humhub/exchanges.json").read_text())
    return {one["name"]: one for one in recorded if route in one.get("request", {}).get("url", "")}


def answer_of(response: Json, *, body: bytes | None = None) -> web.Response:
    """Give a recorded answer; a page of HTML is one of our own."""
    headers = CIMultiDict((name, value) for name, value in response["headers"] if name.lower() not in _FRAMING)
    if body is None:
        given = response.get("body")
        html = "html" in headers.get("Content-Type", "")
        if html or given is None:
            body = b"<html><body>a page of HumHub's</body></html>" if html else b""
        elif isinstance(given, str):
            body = given.encode()
        else:
            body = json.dumps(given).encode()
    return web.Response(status=response["status"], body=body, headers=headers)


_FRAMING = ("content-length", "transfer-encoding", "connection", "content-encoding", "date", "server", "keep-alive")


def file_of(filetype: str | None) -> bytes:
    """Give a small file that passes for one of that type."""
    return _FILES.get(filetype or "", b"PK\x03\x04 a small file")


def doc_of(key: str) -> str:
    return jwt.encode({"key": key, "userGuid": "u1"}, INNER_SECRET)


def shown(seen: Seen, secret: str) -> Json:
    """Give what a party got, with its tokens read by that party's secret, in a form that stays the same."""
    headers = {name: value for name, value in sorted(seen.headers.items()) if name not in _UNSTABLE}
    message: Any = seen.body.decode("utf-8", "replace")
    if message.startswith("{"):
        message = json.loads(message)
        if isinstance(message.get("token"), str):
            message["token"] = _read(message["token"], secret)
    headers = {name: _header(value, secret) for name, value in headers.items() if name != "Content-Length"}
    found: Json = _masked({"method": seen.method, "target": seen.target, "headers": headers, "message": message})
    return found


def _header(value: str, secret: str) -> Any:
    return {"Bearer": _read(value[7:], secret)} if value.startswith("Bearer ey") else value


def _read(token: str, secret: str) -> Any:
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
    try:
        return jwt.decode(token, secret, algorithms=["HS256"], options=options)
    except jwt.InvalidTokenError as error:
        return f"does not hold: {type(error).__name__}"


def _masked(value: Any) -> Any:
    """Replace capabilities and HumHub's own hashes, which are other ones each time."""
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, str) and "/file/ey" in value:
        return value.partition("/file/ey")[0] + "/file/(capability)"
    if isinstance(value, str) and "doc=ey" in value:
        return value.partition("doc=ey")[0] + "doc=(hash)"
    return value


def heard(status: int, raw: bytes, headers: Any) -> Json:
    """Give what a caller heard."""
    kind = headers.get("Content-Type", "")
    body: Any = json.loads(raw) if raw[:1] == b"{" and "json" in kind else f"{len(raw)} bytes" if raw else ""
    if isinstance(body, dict) and "request_id" in body:
        body["request_id"] = "(id)"
    kept: tuple[str, ...] = (
        "Content-Type",
        "Content-Length",
        "Content-Disposition",
        "Content-Range",
        "Location",
        "Set-Cookie",
        "Allow",
    )
    if isinstance(body, dict):
        kept = tuple(name for name in kept if name != "Content-Length")
    return {"status": status, "headers": {name: headers[name] for name in kept if name in headers}, "body": body}


def to_humhub(fake: Fake) -> list[Json]:
    return [shown(seen, HUMHUB_SECRET) for seen in fake.seen]


def to_docs(fake: Fake) -> list[Json]:
    return [shown(seen, DOCS_SECRET) for seen in fake.seen]


@dataclass
class Ledger:
    """The expectations of one kind: compared, or written anew. Equal ones are kept once."""

    kind: str
    writing: bool
    found: dict[str, Json] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return EXPECTATIONS / f"{self.kind}.json"

    def expected(self) -> dict[str, Json]:
        stored: Json = json.loads(self.path.read_text())
        return {name: stored["shapes"][number] for name, number in stored["recordings"].items()}

    def check(self, name: str, happened: Any) -> None:
        """Compare what happened with what is expected of the recording ``name``."""
        happened = json.loads(json.dumps(happened))
        self.found[name] = happened
        if not self.writing:
            assert happened == self.expected()[name]

    def write(self) -> None:
        shapes: list[Json] = []
        recordings = {}
        for name, happened in sorted(self.found.items()):
            if happened not in shapes:
                shapes.append(happened)
            recordings[name] = shapes.index(happened)
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps({"recordings": recordings, "shapes": shapes}, indent=1, sort_keys=True) + "\n")


def numbered(found: dict[str, list[Json]]) -> Iterator[str]:
    """Name each row of each scenario."""
    for name, lines in found.items():
        yield from (f"{name}:{number}" for number in range(len(lines)))
