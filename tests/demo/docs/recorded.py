"""Recordings of the real Docs: where they are, and how two exchanges compare.

The compact set in `tests/data/docs` is always read; with `$BRIDGE_RECORDINGS` the complete one. What changes from run to run
(md5, expiry, version numbers, times, digests, ids) is compared by its shape.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt

from tests.demo.docs.rig import SECRET, Call

_OWN = Path(__file__).parents[2] / "data" / "docs"
_COMPLETE = Path(os.environ.get("BRIDGE_RECORDINGS", "/nowhere")) / "docs"
ROOT = _COMPLETE if _COMPLETE.is_dir() else _OWN

RECORDED_STORAGES = ("http://127.0.0.1:9100", "http://127.0.0.1:9101")

# What the stand-in doesn't claim to do, and why.
NOT_COVERED: dict[str, str] = {
    "conn-close": "idle times of the recording server's own connections, not something that Docs sends",
    "conv1": "the call that began it was not kept",
    "f-odt": "an odt is shown, but not edited",
    "conv-docx-jpg": "the stand-in makes no pictures",
    "conv-docx-png": "the stand-in makes no pictures",
    "conv-docx-png-all": "the stand-in makes no pictures",
    "conv-docx-odf": "the stand-in writes no OpenDocument files",
    "http/conv-docx-jpg": "the stand-in makes no pictures",
    "http/conv-docx-png": "the stand-in makes no pictures",
    "http/conv-docx-png-all": "the stand-in makes no pictures",
    "http/conv-docx-odf": "the stand-in writes no OpenDocument files",
    "http/meta-formats": "a table of the real one's own, which nobody asks the stand-in for",
    "http/info-json": "figures of the real one's own; here it only answers",
    "http/err-https": "TLS spoken to a plain port hung there; here it fails at once",
    "http/err-corrupt": "the real converter's own slowness (cut after 60 s)",
    "http/err-corrupt-again": "the second half of that",
    "err-corrupt": "the real converter's own slowness (cut after 60 s)",
    "http/fwd-baseurl-direct8000-3": "a list in X-Forwarded-Proto counts only behind the front, where it is dropped",
    **{
        f"http/direct-{name}": "past the front, at the server itself: no one gets there"
        for name in ("badmd5", "expired", "get", "head", "nomd5", "range")
    },
}

_PATTERNS = (
    (re.compile(r"md5=[\w-]{22}"), "md5=MD5"),
    (re.compile(r"expires=\d{10}"), "expires=EXPIRES"),
    (re.compile(r"shardkey=[\w.-]+"), "shardkey=SHARD"),
    (re.compile(r"(/data/[\w.-]+?)_\d+/output\.(docx|xlsx|pptx|odt)/"), r"\1_N/output.\2/"),
    (re.compile(r"(/data/[\w.-]+?)_\d+/changes\.zip/"), r"\1_N/changes.zip/"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "CREATED"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z"), "SAVED"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"), "SAVED-MS"),
    (re.compile(r"[0-9a-f]{64}"), "SHA256"),
    (re.compile(r"^[\w-]{20}$"), "SID"),
)


def shape(value: Any) -> Any:
    """Replace what changes from run to run."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    if isinstance(value, list):
        return [shape(one) for one in value]
    if isinstance(value, str):
        for pattern, name in _PATTERNS:
            value = pattern.sub(name, value)
    return value


def names(folder: str = "") -> list[str]:
    """Return the recordings' names: scenarios, or (`http`) single calls."""
    suffix = "json" if folder else "jsonl"
    return sorted(path.name.removesuffix(f".{suffix}") for path in (ROOT / folder).glob(f"*.{suffix}"))


def call(name: str) -> dict[str, Any]:
    recorded: dict[str, Any] = json.loads((ROOT / "http" / f"{name}.json").read_text())
    return recorded


def lines(name: str) -> list[dict[str, Any]]:
    """Return a scenario's requests in order."""
    rows = [json.loads(line) for line in (ROOT / f"{name}.jsonl").read_text().splitlines()]
    return [row for row in rows if row.get("kind") in {"callback", "doc-download"}]


def again(token: str, storage: str) -> str:
    """Sign a recorded token anew: its claims, its age, its storage's address and its faults kept."""
    claims = jwt.decode(token, options={"verify_signature": False})
    try:
        jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
        secret = SECRET
    except jwt.InvalidSignatureError:
        secret = "another secret, of the same length ..."
    now = int(time.time())
    shifted = {**_moved(claims, storage), "iat": now, "exp": now + claims["exp"] - claims["iat"]}
    return jwt.encode(shifted, secret, algorithm="HS256")


def _moved(value: Any, storage: str) -> Any:
    if isinstance(value, dict):
        return {name: _moved(one, storage) for name, one in value.items()}
    if isinstance(value, str):
        for old in RECORDED_STORAGES:
            value = value.replace(old, storage).replace(old.replace("://", "://user:pass@"), _with_user(storage))
    return value


def _with_user(storage: str) -> str:
    return storage.replace("://", "://user:pass@")


def moved(text: str, storage: str) -> str:
    """Put this run's storage into a recorded text."""
    return str(_moved(text, storage))


@dataclass(frozen=True)
class Request:
    """A recorded call as it is to be sent now."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def request(name: str, storage: str) -> Request:
    """Prepare a recorded call: fresh tokens, this run's storage; the recorded Host."""
    given = call(name)["request"]
    text = None if given["body"] is None else _moved(json.dumps(given["body"], ensure_ascii=False), storage)
    headers = {"Host": "127.0.0.1:8000" if "direct8000" in name else "127.0.0.1:8088", **given["headers"]}

    def refresh(value: str) -> str:
        return _TOKEN.sub(lambda found: again(found.group(), storage), value)

    return Request(
        given["method"],
        refresh(given["path"]),
        {name: refresh(value) for name, value in headers.items()},
        None if text is None else refresh(text).encode(),
    )


FIXED_HEADERS = ("Accept", "Content-Type", "User-Agent", "Connection", "Accept-Encoding", "Range")


def told(row: dict[str, Any], storage: str) -> dict[str, Any]:
    """Return what a recorded request says, in the shape of `said`."""
    headers = dict(row["headers"])
    body = row.get("body")
    line = row["request_line"].rsplit(" ", 1)[0]
    authorization = headers.get("Authorization", "")
    claims = (row.get("jwt_header") or {}).get("payload", authorization)
    return {
        "line": unquote(line),
        "names": sorted(headers),
        "headers": {name: headers[name] for name in FIXED_HEADERS if name in headers},
        "claims": _claims(_moved(claims, storage)),
        "body": shape(_opened(body)) if isinstance(body, dict) else None,
        "order": list(body) if isinstance(body, dict) else None,
    }


def said(call: Call) -> dict[str, Any]:
    """Return what a request of the small Docs says, without what changes from run to run."""
    authorization = call.headers.get("Authorization", "")
    claims = call.token if authorization.startswith("Bearer ") else authorization
    return {
        "line": unquote(f"{call.method} {call.line}"),
        "names": sorted(call.headers),
        "headers": {name: call.headers[name] for name in FIXED_HEADERS if name in call.headers},
        "claims": _claims(claims),
        "body": shape(_opened(call.body)) if call.body is not None else None,
        "order": list(call.body) if call.body is not None else None,
    }


def _claims(claims: Any) -> Any:
    """Keep a token's claims, and of its times only how long it lives."""
    if not isinstance(claims, dict):
        return claims
    rest = {name: shape(value) for name, value in claims.items() if name not in {"iat", "exp"}}
    return {**rest, "lives": claims["exp"] - claims["iat"]}


def _opened(body: dict[str, Any]) -> dict[str, Any]:
    """Put the claims of a body's token in the token's place."""
    claims = jwt.decode(body["token"], SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    return {**body, "token": _claims(claims)}


def same_calls(name: str, calls: list[Call], storage: str) -> None:
    """Assert that the storage got the requests that the recording one got."""
    same_rows(lines(name), calls, storage)


def same_rows(rows: list[dict[str, Any]], calls: list[Call], storage: str) -> None:
    real = [told(row, storage) for row in rows]
    own = [said(call) for call in calls[: len(real)]]
    lines_of = [[one["line"] for one in side] for side in (own, real)]
    assert lines_of[0] == lines_of[1], f"sent {lines_of[0]}, recorded {lines_of[1]}"
    for mine, theirs in zip(own, real, strict=True):
        wrong = [f"{name}: sent {mine[name]}, recorded {theirs[name]}" for name in theirs if mine[name] != theirs[name]]
        assert not wrong, "; ".join(wrong)
