"""A small Docs, a storage and users with editors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.demo.docs import DocsSettings, SmallDocs
from tests.chromium import browser
from tests.demo.docs.rig import FAST, SECRET, Enter, MakeDocs, Storage, document, signed
from tests.demo.docs.typist import Typist

__all__ = ["browser"]


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    made = Storage()
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    made.files["/file/base.docx"] = document("First line", "Second line")
    yield made
    await runner.cleanup()


@pytest.fixture
async def make_docs(tmp_path: Path) -> AsyncIterator[MakeDocs]:
    running: list[SmallDocs] = []

    async def make(**settings: Any) -> SmallDocs:
        made = SmallDocs(DocsSettings(secret=SECRET, **{**FAST, **settings}), tmp_path / f"docs{len(running)}")
        await made.start()
        running.append(made)
        return made

    yield make
    for one in running:
        await one.stop()


@pytest.fixture
async def docs(make_docs: MakeDocs) -> SmallDocs:
    return await make_docs()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


@pytest.fixture
async def enter(docs: SmallDocs, storage: Storage, http: aiohttp.ClientSession) -> AsyncIterator[Enter]:
    """Make a user's editor of a document (not opened yet)."""
    made: list[Typist] = []

    def make(
        key: str = "k1",
        user: str = "u1",
        *,
        file: str = "/file/base.docx",
        mode: str = "edit",
        where: SmallDocs | None = None,
        callback: str = "/cb?t=x",
        **typist: Any,
    ) -> Typist:
        config: dict[str, Any] = {
            "document": {
                "key": key,
                "fileType": file.split("?", maxsplit=1)[0].rsplit(".", 1)[1],
                "title": file.split("?", maxsplit=1)[0].rsplit("/", 1)[1],
                "url": storage.url + file,
                "permissions": {"edit": mode == "edit"},
            },
            "editorConfig": {
                "mode": mode,
                "callbackUrl": storage.url + callback,
                "user": {"id": user, "name": f"User {user}"},
            },
        }
        config["token"] = signed(config)
        made.append(Typist(http, (where or docs).url, config, **typist))
        return made[-1]

    yield make
    for one in made:
        await one.drop()
