"""A bridge on real listeners between two fakes that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import jwt
from aiohttp import web
from multidict import CIMultiDictProxy
from yarl import URL

from bridge.config import (
    AdminLegConfig,
    Config,
    DocsConfig,
    DocsJwt,
    KeyRingConfig,
    LegConfig,
    Legs,
    Listen,
    NodeConfig,
    SavesConfig,
    SiteConfig,
    StoreConfig,
    UpstreamConfig,
)
from bridge.protocol.secret import Secret
from bridge.store.sqlite import path_of
from tests.ports import fresh_port

HUMHUB_SECRET = "humhub-secret-0123456789abcdef0123456789"
DOCS_SECRET = "docs-secret-0123456789abcdef0123456789"
INNER_SECRET = "inner-secret-0123456789abcdef0123456789"
NOW = 1_800_000_000.0

_SWEPT = "/coauthoring/CommandService.ashx"

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """A request as a fake got it."""

    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fake:
    """A server that notes what it is asked, and answers as it is told."""

    respond: Respond | None = None
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    swept: bool = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if not self.swept and request.raw_path == _SWEPT and json.loads(body).get("c") == "getForgottenList":
            # The bridge asks this by itself when it starts.
            self.swept = True
            return web.json_response({"error": 0, "keys": []})
        self.seen.append(Seen(request.method, request.raw_path, request.headers, body))
        if self.respond is None:
            return web.Response(status=599, text="nothing was expected here")
        return await self.respond(request)

    async def asked_by_the_bridge(self) -> None:
        """Wait until the bridge has asked what it asks at its start: what comes then is somebody else's."""
        while not self.swept:  # noqa: ASYNC110 - the bridge tells nobody
            await asyncio.sleep(0.005)

    def answers(self, *answers: web.Response | Respond) -> None:
        """Answer with each in turn, and with the last from then on."""
        left = list(answers)

        async def respond(request: web.BaseRequest) -> web.StreamResponse:
            given = left.pop(0) if len(left) > 1 else left[0]
            return copy_of(given) if isinstance(given, web.Response) else await given(request)

        self.respond = respond


def copy_of(answer: web.Response) -> web.Response:
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
    return web.Response(status=answer.status, body=answer.body, headers=headers)


@dataclass
class Bridge:
    """A running bridge, and what stands around it."""

    config: Config
    humhub: Fake
    docs: Fake
    http: aiohttp.ClientSession

    def leg(self, name: str, path: str = "") -> URL:
        listen: Listen = getattr(self.config.legs, name).listen
        return URL(f"http://{listen}{path}", encoded=True)

    async def ask(self, leg: str, path: str, method: str = "GET", **options: Any) -> tuple[int, bytes, Any]:
        async with self.http.request(method, self.leg(leg, path), allow_redirects=False, **options) as answer:
            try:
                return answer.status, await answer.read(), answer.headers
            except aiohttp.ClientPayloadError:
                if answer.ok:
                    raise
                # An error whose body was cut off before its first byte, as `promised` has it.
                return answer.status, b"", answer.headers

    # What the parties send

    def download_token(self, path: str, **claims: Any) -> dict[str, str]:
        """Give the header that Docs sends with a download from the docs leg."""
        url = f"{self.config.legs.docs.url}{path}"
        return self.docs_header({"payload": {"url": url}, "iat": int(NOW), "exp": int(NOW) + 300, **claims})

    def docs_header(self, claims: dict[str, Any], secret: str = DOCS_SECRET) -> dict[str, str]:
        return {"X-Docs-Jwt": f"Bearer {jwt.encode(claims, secret)}"}

    async def call_back(self, path: str, fields: dict[str, Any], secret: str = DOCS_SECRET) -> tuple[int, Any]:
        """Post a callback as Docs does."""
        claims = {**fields, "iat": int(NOW), "exp": int(NOW) + 300}
        body = {**fields, "token": jwt.encode(claims, secret)}
        status, raw, _ = await self.ask("docs", path, "POST", json=body)
        return status, json.loads(raw)

    async def call(self, path: str, fields: dict[str, Any], secret: str = HUMHUB_SECRET) -> tuple[int, Any]:
        """Post a conversion or command as HumHub's module does: JSON under another label, signed twice."""
        body = json.dumps({**fields, "token": jwt.encode(fields, secret)})
        headers = {"Authorization": f"Bearer {jwt.encode({'payload': fields}, secret)}"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        status, raw, _ = await self.ask("humhub", path, "POST", data=body, headers=headers)
        return status, json.loads(raw)

    @property
    def saved(self) -> list[Kept]:
        """Give the saves that HumHub doesn't have, from the bridge's own index."""
        directory = self.config.saves.directory
        assert isinstance(directory, Path)
        with contextlib.closing(sqlite3.connect(path_of(self.config.store.url))) as sql:
            query = "SELECT id, site, key, status, size, state, why FROM entries WHERE state IN ('waiting', 'dead')"
            return [Kept(directory / f"{row[0]}.body", *row[1:]) for row in sql.execute(query)]

    def remembered(self, key: str) -> list[tuple[str, str]]:
        """Give which sites a key is known of, and HumHub's track route for it."""
        with contextlib.closing(sqlite3.connect(path_of(self.config.store.url))) as sql:
            return sql.execute("SELECT site, target FROM keys WHERE key = ?", (key,)).fetchall()


@dataclass(frozen=True)
class Kept:
    """A save as the bridge keeps it."""

    body: Path
    site: str
    key: str
    status: int
    size: int
    state: str
    why: str


def doc(**claims: Any) -> str:
    """Give HumHub's doc= of a document."""
    return jwt.encode(claims or {"key": "k1", "userGuid": "u1"}, INNER_SECRET)


def claims_of(header: str | None, secret: str) -> dict[str, Any]:
    assert header is not None
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    found: dict[str, Any] = jwt.decode(header.removeprefix("Bearer "), secret, algorithms=["HS256"], options=options)
    return found


def configuration(directory: Path, humhub: str, docs: str) -> Config:
    ports = {name: Listen("127.0.0.1", fresh_port()) for name in ("browser", "docs", "humhub", "admin")}

    def leg(name: str) -> LegConfig:
        return LegConfig(listen=ports[name], url=URL(f"http://{name}.bridge.test:8000"))

    ring = KeyRingConfig(header="X-Docs-Jwt", secrets=(Secret(DOCS_SECRET),))
    return Config(
        secret=Secret("bridge-secret-0123456789abcdef0123456789"),
        legs=Legs(
            browser=leg("browser"),
            docs=leg("docs"),
            humhub=leg("humhub"),
            admin=AdminLegConfig(listen=ports["admin"]),
        ),
        sites=(
            SiteConfig(
                name="social",
                upstream=UpstreamConfig(url=URL(humhub)),
                hosts=("social.test",),
                jwt=KeyRingConfig(secrets=(Secret(HUMHUB_SECRET),)),
            ),
        ),
        docs=DocsConfig(
            nodes=(NodeConfig(name="docs-1", upstream=UpstreamConfig(url=URL(docs))),),
            jwt=DocsJwt(browser=ring, inbox=ring, outbox=ring),
        ),
        saves=SavesConfig(directory=directory / "saves", deadline=0.0, attempt=5.0),
        store=StoreConfig(url=f"sqlite:///{directory / 'bridge.db'}"),
    )


Start = Callable[..., Awaitable[Bridge]]


class serving:  # noqa: N801 - reads as a verb: async with serving() as fake
    """Run a fake."""

    async def __aenter__(self) -> Fake:
        fake = Fake()
        self._runner = web.ServerRunner(
            web.Server(fake.handle, auto_decompress=False, handler_cancellation=True), shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        fake.url = f"http://{host}:{port}"
        return fake

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def with_site(**changes: Any) -> Callable[[Config], Config]:
    """Change the first site."""
    return lambda config: dataclasses.replace(
        config, sites=(dataclasses.replace(config.sites[0], **changes), *config.sites[1:])
    )


def yaml_of(ports: dict[str, int], humhub: str, docs: str, more: str = "") -> str:
    """Write a bridge.yaml for a bridge of its own process; both sides have the secret in ``$SOME_JWT``."""
    legs = "\n".join(
        f'  {name}: {{listen: "127.0.0.1:{ports[name]}", url: "http://127.0.0.1:{ports[name]}"}}'
        for name in ("browser", "docs", "humhub")
    )
    ring = 'jwt: {secrets: ["${SOME_JWT}"]}'
    return f"""
secret: "file:./secret"
legs:
{legs}
  admin: {{listen: "127.0.0.1:{ports["admin"]}"}}
sites: [{{name: social, upstream: "{humhub}", {ring}}}]
docs: {{nodes: [{{name: docs-1, upstream: "{docs}"}}], {ring}}}
saves: {{directory: ./saves}}
store: {{url: "sqlite:///./bridge.db"}}
{more}
"""
