"""What the real Docs sent to a storage, and what the small one sends when its users do the same."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web

from bridge.demo.docs import Fault, SmallDocs
from bridge.demo.docs.changes import Splice
from tests.demo.docs import recorded
from tests.demo.docs.rig import MakeDocs, Reply, Storage, breaks, document, says, signed
from tests.demo.docs.storing import Modes, sample_files
from tests.demo.docs.typist import RefusedError, Typist

# Recorded while another download hung in the one converter worker: users left before their document came.
HELD_UP = {"fs-cmd": "fs-cmd-k2", "ws-both": "ws-both-k2", "ws-polling": "ws-polling-k2", "fs-button": "fs-button-k2"}
CONVERSIONS = ("conv", "dl-", "err-")

SCENARIOS = [
    name for name in recorded.names() if not name.startswith(CONVERSIONS) and name not in {*recorded.NOT_COVERED, "dlf"}
]

REPLIES: dict[str, Reply] = {
    "ok": says('{"error":0}'),
    "err1": says('{"error":1}'),
    "err0s": says('{"error":"0"}'),
    "err0text": says('{"error":0}', content_type="text/html"),
    "ok201": says('{"error":0}', 201),
    "empty": says(""),
    "text": says("fine", content_type="text/plain"),
    "close": breaks,
}


async def _hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(5)
    return web.Response()


def _redirect(status: int) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        target = request.rel_url.with_query({"t": request.query["t"], "redirected": "1"})
        return web.Response(status=status, headers={"Location": str(target)})

    return reply


def reply_of(row: dict[str, Any]) -> Reply:
    mode = row["reply_mode"]
    if mode == "hang":
        return _hang
    if mode in {"302", "307"}:
        return _redirect(int(mode))
    if mode.isdigit():
        return says("", int(mode))
    return REPLIES.get(mode.split(":")[0].replace("slow", "ok"), says('{"error":0}'))


@dataclass
class Play:
    """Plays a recording's users: each recorded request tells what one of them did before it."""

    docs: SmallDocs
    storage: Storage
    http: ClientSession
    rows: list[dict[str, Any]]
    here: dict[str, list[Typist]] = field(default_factory=dict)
    typed: bool = False
    seen: set[str] = field(default_factory=set)

    async def run(self) -> None:
        for row in self.rows:
            if row["kind"] == "callback" and row["request_line"].startswith("POST"):
                self.storage.replies.setdefault(row["body"]["status"], []).append(reply_of(row))
        viewers = not any(row["kind"] == "callback" for row in self.rows)
        for at, row in enumerate(self.rows):
            if viewers:
                await self.join(f"view-{at}", "v1", row["request_line"].split()[1], mode="view")
            elif isinstance(row.get("body"), dict) and self._is_new(row):
                await self.act(row, self.rows[at + 1 :])
            await self.arrived(at + 1)

    def _is_new(self, row: dict[str, Any]) -> bool:
        """Tell a request from the repeat of one."""
        path = row["body"].get("url", "").split("?")[0] or str(id(row))
        known = path in self.seen
        self.seen.add(path)
        return not known

    async def arrived(self, count: int) -> None:
        await self.storage.when(lambda: len(self.storage.calls) >= count)

    async def act(self, row: dict[str, Any], coming: list[dict[str, Any]]) -> None:
        body = row["body"]
        action = (body.get("actions") or [{}])[0]
        user = action.get("userid", "")
        match body["status"], action.get("type"):
            case 1, 1:
                if self._leaves_silently(user, coming):
                    await self.type(user)
                    await self.here[user].pop().leave()
                await self.join(body["key"], user, row["request_line"].split()[1])
            case ((1 | 4), 0):
                if body["status"] == 1 and self._author_of_save(coming) == user:
                    await self.type(user)
                await self.here[user].pop().leave()
            case ((1 | 4), None):
                await self.command({"c": "info", "key": body["key"], **_only(body, "userdata")})
            case ((6 | 7), _):
                await self.force(body)
            case ((2 | 3), _):
                await self.leave_for_a_save(row, user)

    def _leaves_silently(self, user: str, coming: list[dict[str, Any]]) -> bool:
        """Say whether a user who joins again must have left meanwhile: fewer leaves than joins are to come."""
        leaves = [one for one in coming if {"type": 0, "userid": user} in (one.get("body") or {}).get("actions", [])]
        return bool(self.here.get(user)) and len(leaves) <= len(self.here[user])

    def _author_of_save(self, coming: list[dict[str, Any]]) -> str | None:
        return next((one["body"]["users"][0] for one in coming if (one.get("body") or {}).get("status") == 2), None)

    async def join(self, key: str, user: str, path: str, mode: str = "edit") -> None:
        downloads = [row["request_line"].split()[1] for row in self.rows if row["kind"] == "doc-download"]
        file = path if mode == "view" else (downloads or ["/file/base.docx"])[0]
        if claimed := next((row for row in self.rows if row["kind"] == "doc-download"), None):
            url = claimed["jwt_header"]["payload"]["payload"]["url"] if claimed.get("jwt_header") else ""
            file = file if mode == "view" or not url else f"/{url.split('/', 3)[3]}"
        config: dict[str, Any] = {
            "document": {
                "key": key,
                "fileType": urlsplit(file).path.rsplit(".", 1)[1],
                "title": "x",
                "url": self.storage.url + file,
                "permissions": {"edit": mode == "edit"},
            },
            "editorConfig": {"mode": mode, "callbackUrl": self.storage.url + path, "user": self._user(user)},
        }
        typist = Typist(self.http, self.docs.url, {**config, "token": signed(config)}, headers=self._address())
        self.here.setdefault(user, []).append(typist)
        try:
            await typist.open()
        except RefusedError:
            if "mode=" not in file and "garbage" not in file:
                raise

    def _user(self, user: str) -> dict[str, str]:
        """Return a user with the name that the recording's history gives."""
        found = re.search(rf'"id": "{user}", "name": "([^"]+)"', json.dumps(self.rows))
        return {"id": user, "name": found[1] if found else "User One"}

    def _address(self) -> dict[str, str]:
        """Return the headers of a browser to whom Docs is where the recording says."""
        url = next((row["body"]["url"] for row in self.rows if "url" in (row.get("body") or {})), None)
        if url is None:
            return {}
        parts = urlsplit(url)
        prefix = parts.path.split("/cache/")[0]
        headers = {"X-Forwarded-Proto": parts.scheme, "X-Forwarded-Host": parts.netloc}
        return {**headers, "X-Forwarded-Prefix": prefix} if prefix else headers

    async def type(self, user: str, text: str = "x") -> None:
        self.typed = True
        await self.here[user][-1].write("0!A1" if self._cells() else "0/0/0" if self._slides() else "p0", text)

    def _cells(self) -> bool:
        return any("base.xlsx" in row["request_line"] for row in self.rows)

    def _slides(self) -> bool:
        return any("base.pptx" in row["request_line"] for row in self.rows)

    async def force(self, body: dict[str, Any]) -> None:
        user = body["users"][0]
        await self.type(user)
        if body["status"] == 7:
            self.docs.faults.add("assemble", Fault("fail"))
        if body["forcesavetype"] == 1:
            await self.here[user][-1].force_save()
        else:
            await self.command({"c": "forcesave", "key": body["key"], **_only(body, "userdata")})
            await asyncio.sleep(0.02)

    async def command(self, wanted: dict[str, Any]) -> None:
        async with self.http.post(f"{self.docs.url}/command", json={"token": signed(wanted)}) as answer:
            assert (await answer.json(content_type=None))["error"] == 0

    async def leave_for_a_save(self, row: dict[str, Any], user: str) -> None:
        body = row["body"]
        history = row["jwt_body"]["payload"].get("history", {}).get("changes", [])
        if len(history) > 1:
            await self.type_in_turns(history, body["key"])
        elif not self.typed and body["notmodified"] is False:
            await self.type(user)
        if body["status"] == 3:
            self.docs.faults.add("assemble", Fault("fail"))
        await self.here[user].pop().leave()

    async def type_in_turns(self, history: list[dict[str, Any]], key: str) -> None:
        """Let many users type in turns: the recorded key's blocks get their changes as if from them."""
        blocks = self.docs.sessions[key].blocks
        assert blocks is not None
        for at, entry in enumerate(history):
            user = entry["user"]
            blocks.accept(f"turn-{at}", at, Splice("p0", 0, 0, "x"), user=user["id"], name=user["name"], now=0)


def _only(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {name: body[name]} if name in body else {}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario(name: str, make_docs: MakeDocs, storage: Storage, http: ClientSession) -> None:
    docs = await make_docs(download_limit=300_000, callback_timeout=0.1, rejoin=0.0)
    storage.files.update(sample_files())
    storage.downloads = Modes(storage).handle
    rows = recorded.lines(name)
    if name in HELD_UP:
        rows = _from_key(rows, HELD_UP[name])
    if name.startswith("forg"):
        docs._shelf.forget(rows[0]["body"]["key"], "docx", document("kept"))
    play = Play(docs, storage, http, rows)
    try:
        await play.run()
        recorded.same_rows(rows, storage.calls, storage.url)
    finally:
        for typists in play.here.values():
            for typist in typists:
                await typist.drop()


def _from_key(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Leave out what belongs to the document before this key."""
    first = next(at for at, row in enumerate(rows) if (row.get("body") or {}).get("key") == key)
    return rows[first:]


async def test_a_pdf_viewer_reads_a_part(docs: SmallDocs, storage: Storage, http: ClientSession) -> None:
    claims = {"document": {"key": "k", "url": f"{storage.url}/file/base.docx?t=dlf"}}
    headers = {"Authorization": f"Bearer {signed(claims)}", "x-url": claims["document"]["url"], "Range": "bytes=0-9"}
    async with http.get(f"{docs.url}/downloadfile/k", headers=headers) as answer:
        assert answer.status == 200
    recorded.same_calls("dlf", storage.calls, storage.url)


def test_every_scenario_is_covered_or_has_its_reason() -> None:
    conversions = [name for name in recorded.names() if name in recorded.names("http")]
    covered = {*SCENARIOS, *conversions, "dlf"} - set(recorded.NOT_COVERED)
    assert {*covered, *recorded.NOT_COVERED} >= set(recorded.names())


def test_what_is_not_covered_has_a_reason() -> None:
    assert all(len(reason.split()) > 2 for reason in recorded.NOT_COVERED.values())
