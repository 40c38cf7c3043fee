"""The connector's documents on the docs leg: capabilities that are narrow, and end; and what the humhub leg refuses."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from bridge.app import running
from bridge.config import Config, Mode
from bridge.connector.links import Link, Purpose
from bridge.store.documents import Document, Visit
from bridge.store.sqlite import SqliteIndex, path_of
from tests.legs.fakes import DOCS_SECRET, NOW, configuration

KEY = "0123456789abcdef0123"
CONTENT = b"PK\x03\x04 a document"


@dataclasses.dataclass(slots=True)
class Desk:
    """A bridge over a directory with one document, which Alice has open."""

    config: Config
    link: Link
    http: aiohttp.ClientSession

    @property
    def base(self) -> str:
        listen = self.config.legs.docs.listen
        return f"http://{listen.host}:{listen.port}"

    def doc(self, purpose: Purpose, *, now: float = NOW, **changes: Any) -> str:
        return dataclasses.replace(self.link, **changes).mint(self.config.secret, purpose, now=now)

    async def download(self, doc: str) -> tuple[int, bytes]:
        path = f"/s/social/onlyoffice/backend/download?doc={doc}"
        url = f"{str(self.config.legs.docs.url).rstrip('/')}{path}"
        async with self.http.get(f"{self.base}{path}", headers=token({"payload": {"url": url}})) as answer:
            return answer.status, await answer.read()

    async def call_back(self, doc: str, key: str = KEY, status: int = 4) -> tuple[int, dict[str, Any]]:
        fields = {"key": key, "status": status}
        body = {**fields, "token": signed(fields)}
        async with self.http.post(f"{self.base}/s/social/onlyoffice/backend/track?doc={doc}", json=body) as answer:
            return answer.status, json.loads(await answer.read() or b"{}")


def signed(claims: dict[str, Any]) -> str:
    return jwt.encode({**claims, "iat": int(NOW), "exp": int(NOW) + 300}, DOCS_SECRET, algorithm="HS256")


def token(claims: dict[str, Any]) -> dict[str, str]:
    return {"X-Docs-Jwt": f"Bearer {signed(claims)}"}


@contextlib.asynccontextmanager
async def opened(tmp_path: Path) -> AsyncIterator[Desk]:
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "Plan.docx").write_bytes(CONTENT)
    config = configuration(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:2")
    site = dataclasses.replace(config.sites[0], mode=Mode.CONNECTOR, directory=documents)
    config = dataclasses.replace(config, sites=(site,))
    status = (documents / "Plan.docx").stat()
    version = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    document = Document(site="social", key=KEY, guid="Plan.docx", place="", name="Plan.docx", version=version)
    link = Link(site="social", key=KEY, guid="Plan.docx", place="", version=version, visitor="alice", writes=True)
    index = await SqliteIndex.open(path_of(config.store.url), clock=lambda: NOW)
    await index.documents.claim(document)
    await index.documents.opened(document, Visit(site="social", id="alice", name="Alice", language="en"), writes=True)
    await index.close()
    async with running(config, clock=lambda: NOW), aiohttp.ClientSession() as http:
        yield Desk(config, link, http)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as made:
        yield made


async def test_docs_downloads_a_document_by_its_capability(desk: Desk) -> None:
    assert await desk.download(desk.doc(Purpose.DOWNLOAD)) == (200, CONTENT)


@pytest.mark.parametrize(
    ("purpose", "changes"),
    [
        (Purpose.CALLBACK, {}),
        (Purpose.PAGE, {}),
        (Purpose.DOWNLOAD, {"site": "other"}),
        (Purpose.DOWNLOAD, {"now": NOW - 86_401}),
    ],
    ids=["a callback's", "a page's", "another site's", "an expired one"],
)
async def test_a_download_takes_no_other_capability(desk: Desk, purpose: Purpose, changes: dict[str, Any]) -> None:
    assert await desk.download(desk.doc(purpose, **changes)) == (403, b"")


async def test_a_download_of_another_content_is_refused(desk: Desk) -> None:
    directory = desk.config.sites[0].directory
    assert directory is not None
    (directory / "Plan.docx").write_bytes(CONTENT + b"!")
    assert await desk.download(desk.doc(Purpose.DOWNLOAD)) == (409, b"")


async def test_a_download_for_somebody_unknown_is_refused(desk: Desk) -> None:
    assert await desk.download(desk.doc(Purpose.DOWNLOAD, visitor="mallory")) == (404, b"")


async def test_a_capability_that_somebody_else_signed_is_refused(desk: Desk) -> None:
    claims = {**dataclasses.asdict(desk.link), "aud": "document", "exp": int(NOW) + 300}
    forged = jwt.encode(claims, "somebody-elses-secret-0123456789abcdef", algorithm="HS256")
    assert await desk.download(forged) == (403, b"")


async def test_a_callback_is_heard_by_its_capability(desk: Desk) -> None:
    assert await desk.call_back(desk.doc(Purpose.CALLBACK)) == (200, {"error": 0})


async def test_a_callback_for_another_key_than_its_capability_is_refused(desk: Desk) -> None:
    status, said = await desk.call_back(desk.doc(Purpose.CALLBACK), key="f" * 20)
    assert (status, said["error"]) == (403, 1)


@pytest.mark.parametrize(
    ("purpose", "changes"),
    [(Purpose.DOWNLOAD, {}), (Purpose.CALLBACK, {"now": NOW - 31 * 86_400}), (Purpose.CALLBACK, {"site": "other"})],
    ids=["a download's", "an expired one", "another site's"],
)
async def test_a_callback_takes_no_other_capability(desk: Desk, purpose: Purpose, changes: dict[str, Any]) -> None:
    status, said = await desk.call_back(desk.doc(purpose, **changes))
    assert (status, said["error"]) == (403, 1)


@pytest.mark.parametrize("path", ["/converter", "/coauthoring/CommandService.ashx"])
async def test_the_humhub_leg_takes_no_call_of_a_module_that_is_not_there(desk: Desk, path: str) -> None:
    listen = desk.config.legs.humhub.listen
    message = {"c": "version", "key": KEY, "url": "http://x/y", "outputtype": "docx"}
    async with desk.http.post(f"http://{listen.host}:{listen.port}/s/social{path}", json=message) as answer:
        assert answer.status == 200
        assert json.loads(await answer.read())["error"] != 0


async def test_a_directory_that_can_be_written_is_ready(desk: Desk) -> None:
    listen = desk.config.legs.admin.listen
    async with desk.http.get(f"http://{listen.host}:{listen.port}/readyz") as answer:
        said = await answer.json()
    assert said["checks"]["site social"] == {"ok": True, "detail": "can be written"}
