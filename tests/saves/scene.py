"""A bridge between a HumHub and nodes of Docs that keep what they are given, and do as a test tells them.

scene = await make_scene()
assert await scene.save(b"PK…", status=2) == 0
assert scene.humhub.has["k1"] == b"PK…"
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web
from yarl import URL

from bridge.app import running
from bridge.config import Config, DocsJwt, KeyRingConfig, NodeConfig, UpstreamConfig
from bridge.saves.steps import Observer, Step
from bridge.store.sqlite import path_of
from tests.legs.fakes import DOCS_SECRET, INNER_SECRET, Fake, Respond, claims_of, configuration, doc, serving
from tests.store.entries import NOW, SITE

__all__ = ["MakeScene", "Scene", "Ticking", "Track", "docx"]

_PATIENCE, _LOOK = 15.0, 0.02
CLEARING, NEWS = (2, 3), (1, 4)


def docx(word: str = "") -> bytes:
    """Give a document, as far as its first bytes tell."""
    return b"PK\x03\x04" + word.encode() + bytes(range(256)) * 4


class Ticking:
    """A clock that runs ten times as fast as ours, so that pauses pass, and can be set."""

    def __init__(self) -> None:
        self._start, self._set, self._speed = time.monotonic(), NOW, 10.0

    def __call__(self) -> float:
        return self._set + (time.monotonic() - self._start) * self._speed

    def run(self, speed: float) -> None:
        """Go on so many times as fast as ours."""
        self._set, self._start, self._speed = self(), time.monotonic(), speed

    def jump(self, seconds: float) -> None:
        self._set += seconds


@dataclass(frozen=True)
class Track:
    """A callback as HumHub got it, and what it pulled for it."""

    key: str
    status: int
    pulled: bytes | None


Behave = Callable[[dict[str, Any]], Awaitable[web.StreamResponse | None]]


@dataclass
class HumHub:
    """Stores what it pulls, and clears a key at a 2 or 3, unless ``behave`` answers in its place."""

    fake: Fake
    pull: Callable[[str], Awaitable[tuple[int, bytes]]]
    has: dict[str, bytes] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    tracks: list[Track] = field(default_factory=list)
    open_now: int = 0
    most_open: int = 0
    away: bool = False
    heads: int = 0
    probes: int = 0
    behave: Behave | None = None

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.away:
            return web.Response(status=503, text="<html>maintenance</html>")
        if request.method == "HEAD":
            self.heads += 1
            return web.Response(status=302, headers={"Location": "/dashboard"})
        if request.method == "GET":
            self.probes += 1
            query = parse_qs(urlsplit(request.raw_path).query)
            key = jwt.decode(query["doc"][0], INNER_SECRET, algorithms=["HS256"])["key"]
            if key in self.cleared:
                return web.Response(status=404, text="<html>gone</html>")
            return web.Response(body=self.has.get(key, b"old"), content_type="application/octet-stream")
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            message = self.fake.seen[-1].json()
            answer = await self.behave(message) if self.behave is not None else None
            return answer if answer is not None else await self.store(message)
        finally:
            self.open_now -= 1

    async def store(self, message: dict[str, Any]) -> web.StreamResponse:
        """Do as HumHub does: pull, store, clear."""
        key, status = message["key"], message["status"]
        if status in NEWS:
            return web.json_response({"error": 0})
        if key in self.cleared:
            self.tracks.append(Track(key, status, None))
            return web.Response(status=404, text="<html>gone</html>")
        try:
            code, body = await self.pull(message["url"])
        except aiohttp.ClientError:
            code, body = 0, b""
        whole = code == 200
        self.tracks.append(Track(key, status, body if whole else None))
        if not whole:
            return web.json_response({"error": 1, "message": "could not save"}, status=500)
        self.has[key] = body
        if status in CLEARING:
            self.cleared.add(key)
        return web.json_response({"error": 0})


@dataclass
class Docs:
    """One node: gives the files that it was told of, and its forgotten ones by command."""

    fake: Fake
    files: dict[str, bytes | Respond] = field(default_factory=dict)
    dates: dict[str, dict[str, str]] = field(default_factory=dict)
    forgotten: dict[str, bytes] = field(default_factory=dict)
    commands: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    before: Callable[[str], Awaitable[None]] | None = None

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        path = urlsplit(request.raw_path).path
        if request.method == "GET":
            if self.before is not None:
                await self.before(path)
            found = self.files.get(path)
            if callable(found):
                return await found(request)
            return web.Response(status=404) if found is None else web.Response(body=found, headers=self.dates.get(path))
        said = self.fake.seen[-1].json()
        said = claims_of(said["token"], DOCS_SECRET) if "token" in said else said
        if said["c"] == "getForgottenList":
            return web.json_response({"error": 0, "keys": list(self.forgotten)})
        return web.json_response(self.command(said["c"], said["key"]))

    def command(self, name: str, key: str) -> dict[str, Any]:
        self.commands.append((name, key))
        if key in self.refuses:
            return {"error": 3}
        if key not in self.forgotten:
            return {"error": 1, "key": key}
        if name == "deleteForgotten":
            del self.forgotten[key]
            return {"error": 0, "key": key}
        return {
            "error": 0,
            "key": key,
            "url": f"http://docs.test/cache/files/forgotten/{key}/output.docx/output.docx?md5=x",
        }

    def forget(self, key: str, body: bytes, *, made: float | None = None) -> None:
        """Keep a save that was refused, as a file ``made`` then."""
        self.forgotten[key] = body
        path = f"/cache/files/forgotten/{key}/output.docx/output.docx"
        self.files[path] = body
        if made is not None:
            self.dates[path] = {"Last-Modified": formatdate(made, usegmt=True)}


@dataclass
class Scene:
    """A bridge that can be stopped and started again, and what stands around it."""

    config: Config
    humhub: HumHub
    nodes: list[Docs]
    http: aiohttp.ClientSession
    clock: Ticking = field(default_factory=Ticking)
    steps: list[tuple[Step, str]] = field(default_factory=list)
    on_step: Callable[[Step, str], None] | None = None
    _bridge: AsyncExitStack | None = None
    _paths: int = 0

    @property
    def docs(self) -> Docs:
        return self.nodes[0]

    @property
    def directory(self) -> Path:
        return Path(str(self.config.saves.directory))

    def observe(self, step: Step, site: str, key: str) -> None:
        self.steps.append((step, key))
        if self.on_step is not None:
            self.on_step(step, key)

    async def start(self) -> None:
        stack = AsyncExitStack()
        observe: Observer = self.observe
        await stack.enter_async_context(running(self.config, clock=self.clock, steps=observe))
        self._bridge = stack

    async def stop(self) -> None:
        stack, self._bridge = self._bridge, None
        if stack is not None:
            await stack.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    # What Docs sends

    async def save(
        self,
        body: bytes | Respond | None = None,
        *,
        status: int = 2,
        key: str = "k1",
        iat: float | None = None,
        path: str | None = None,
        **more: Any,
    ) -> int:
        """Send a save as Docs does, of a path of its own where none is given; give the error that Docs hears."""
        if path is None:
            self._paths += 1
            path = f"/cache/files/data/{key}_{self._paths}/output.docx/output.docx"
        if body is not None:
            self.docs.files[path] = body
        url = f"http://browser.bridge.test:8000/ds{path}?md5=a&expires=9&shardkey={key}"
        return await self.call_back(
            {"key": key, "status": status, "url": url, "users": ["u1"], "filetype": "docx", **more}, iat
        )

    async def join(self, key: str = "k1") -> int:
        """Tell that somebody opened a document."""
        return await self.call_back({"key": key, "status": 1, "users": ["u1"]})

    async def call_back(self, fields: dict[str, Any], iat: float | None = None) -> int:
        when = int(self.clock() if iat is None else iat)
        token = jwt.encode({**fields, "iat": when, "exp": when + 300}, DOCS_SECRET)
        target = f"/s/{SITE}/onlyoffice/backend/track?doc={doc(key=fields['key'], userGuid='u1')}"
        url = self.leg("docs", target)
        async with self.http.post(url, json={**fields, "token": token}) as answer:
            assert answer.status == 200, await answer.text()
            return int((await answer.json())["error"])

    async def open_document(self, key: str = "k1") -> bytes:
        """Download a document as Docs does when somebody opens it."""
        target = f"/s/{SITE}/onlyoffice/backend/download?doc={doc(key=key, userGuid='u1')}"
        claims = {"payload": {"url": f"{self.config.legs.docs.url}{target}"}, "iat": int(self.clock())}
        headers = {"X-Docs-Jwt": f"Bearer {jwt.encode(claims, DOCS_SECRET)}"}
        async with self.http.get(self.leg("docs", target), headers=headers) as answer:
            assert answer.status == 200
            return await answer.read()

    def leg(self, name: str, path: str) -> URL:
        return URL(f"http://{getattr(self.config.legs, name).listen}{path}", encoded=True)

    async def open_session(self, key: str = "k1") -> int:
        """Begin a session as an editor's first poll does; give what the browser is answered."""
        query = f"EIO=4&transport=polling&shardkey={key}"
        self.docs.files[f"/doc/{key}/c/"] = b'0{"sid":"s"}'
        async with self.http.get(self.leg("browser", f"/ds/doc/{key}/c/?{query}")) as answer:
            await answer.read()
            return answer.status

    def told_docs(self) -> list[str]:
        """Give what Docs was asked besides files and lists: commands and handshakes, in their order."""
        asked = []
        for seen in self.docs.fake.seen:
            if seen.target.startswith("/doc/"):
                asked.append("handshake")
            elif seen.method == "POST":
                asked.append(claims_of(seen.json()["token"], DOCS_SECRET)["c"])
        return [name for name in asked if name != "getForgottenList"]

    # What came of it

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(path_of(self.config.store.url))) as database:
            return database.execute(sql, values).fetchall()

    def entries(self, key: str = "k1") -> list[tuple[bytes | None, str]]:
        """Give body and state of all entries of a key, in their order."""
        rows = self.query("SELECT id, state FROM entries WHERE key = ? ORDER BY iat, status IN (2, 3), arrival", key)
        return [(self.body(identity), state) for identity, state in rows]

    def body(self, identity: str) -> bytes | None:
        path = self.directory / f"{identity}.body"
        return path.read_bytes() if path.exists() else None

    def lies(self) -> list[str]:
        """Give the kinds of what lies in the save directory."""
        return sorted(path.suffix for path in self.directory.iterdir())

    def states(self) -> list[str]:
        return [state for (state,) in self.query("SELECT state FROM entries ORDER BY kept, arrival")]

    async def until(self, condition: Callable[[], bool], within: float = _PATIENCE) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - the fakes tell nobody
                await asyncio.sleep(_LOOK)


MakeScene = Callable[..., Awaitable[Scene]]


@pytest.fixture
async def make_scene(tmp_path: Path) -> AsyncIterator[MakeScene]:
    """Start a scene: of so many nodes, with a Docs that signs or doesn't; the rest are fields of the configuration's
    saves, in seconds of its clock."""
    async with AsyncExitStack() as stack:

        async def made(*, nodes: int = 1, signed: bool = True, **saves: Any) -> Scene:
            fakes = [await stack.enter_async_context(serving()) for _ in range(1 + nodes)]
            http = await stack.enter_async_context(aiohttp.ClientSession())
            config = configuration(tmp_path, fakes[0].url, fakes[1].url)
            configs = [
                NodeConfig(name=f"docs-{n}", upstream=UpstreamConfig(url=URL(fake.url)))
                for n, fake in enumerate(fakes[1:])
            ]
            ring = KeyRingConfig()
            rings = config.docs.jwt if signed else DocsJwt(browser=ring, inbox=ring, outbox=ring)
            config = dataclasses.replace(
                config,
                docs=dataclasses.replace(config.docs, nodes=tuple(configs), jwt=rings),
                saves=dataclasses.replace(config.saves, **{"reserve": 0, "storing": 5.0, "attempt": 60.0, **saves}),
            )

            async def pull(url: str) -> tuple[int, bytes]:
                path = url.removeprefix(str(config.legs.humhub.url))
                async with http.get(URL(f"http://{config.legs.humhub.listen}{path}", encoded=True)) as answer:
                    return answer.status, await answer.read()

            humhub, docs = HumHub(fakes[0], pull), [Docs(fake) for fake in fakes[1:]]
            fakes[0].respond = humhub.respond
            for one in docs:
                one.fake.respond = one.respond
            scene = Scene(config, humhub, docs, http)
            stack.push_async_callback(scene.stop)
            await scene.start()
            return scene

        yield made
