"""What Docs downloads from the small HumHub, and how that can go wrong."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from yarl import URL

from bridge.demo.humhub import Fault, HumHubFile, SmallHumHub

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def file(hub: SmallHumHub) -> HumHubFile:
    made = hub.add_file("plan.docx", CONTENT)
    hub.add_post("admin", "a plan", [made])
    return made


@pytest.fixture
def download(hub: SmallHumHub, file: HumHubFile, http: aiohttp.ClientSession) -> Callable[..., Any]:
    """Return a function that opens a download with a token of these claims."""

    def get(headers: dict[str, str] | None = None, **claims: Any) -> Any:
        doc = hub.document_hash(file.key or file.new_key(), None)
        token = jwt.encode({"payload": {}, **claims}, hub.settings.secret, algorithm="HS256")
        url = URL(hub.url + hub.links().to("onlyoffice/backend/download", doc=doc), encoded=True)
        return http.get(url, headers={hub.settings.header: f"Bearer {token}", **(headers or {})})

    return get


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"exp": 10}, 200),
        ({"exp": -1}, 403),
        ({"iat": 0}, 200),
        ({"iat": 2}, 403),
        ({"nbf": 2}, 403),
        ({}, 200),
    ],
)
async def test_times_have_no_leeway(claims: dict[str, int], status: int, download: Callable[..., Any]) -> None:
    async with download(**{name: int(time.time()) + offset for name, offset in claims.items()}) as answer:
        assert answer.status == status


async def test_the_token_is_looked_for_in_the_configured_header_only(
    hub: SmallHumHub, download: Callable[..., Any]
) -> None:
    hub.reconfigure(header="X-Office")
    async with download() as answer:
        assert answer.status == 200
    async with download({"X-Office": "", "Authorization": "Bearer x.y.z"}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=100-", "bytes=-5"])
async def test_one_range_is_served(asked: str, download: Callable[..., Any]) -> None:
    start, _, end = asked.removeprefix("bytes=").partition("-")
    wanted = CONTENT[-int(end) :] if not start else CONTENT[int(start) : int(end) + 1 if end else None]
    async with download({"Range": asked}) as answer:
        assert (answer.status, await answer.read()) == (206, wanted)


async def test_a_body_can_be_cut(hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(cut_after=1000))
    async with download() as answer:
        assert answer.content_length == len(CONTENT)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.parametrize(("lie", "read"), [(100, None), (-100, len(CONTENT) - 100)])
async def test_a_length_can_lie(lie: int, read: int | None, hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(lie=lie))
    async with download() as answer:
        assert answer.content_length == len(CONTENT) + lie
        if read is None:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        else:
            assert len(await answer.read()) == read


async def test_a_body_can_be_empty(hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(empty=True))
    async with download() as answer:
        assert (answer.status, answer.content_type, await answer.read()) == (200, "application/octet-stream", b"")


async def test_a_body_can_trickle(hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(trickle=(4096, 0.02)))
    async with download() as answer:
        chunks = [chunk async for chunk in answer.content.iter_any()]
    assert len(chunks) >= 3
    assert b"".join(chunks) == CONTENT


async def test_a_call_can_hang_and_then_break(hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(hang=0.05), times=None)
    with pytest.raises(aiohttp.ClientError):
        async with download():
            pass


async def test_a_fault_lasts_as_often_as_planned(hub: SmallHumHub, download: Callable[..., Any]) -> None:
    hub.faults.add("download", Fault(status=500), times=2)
    hub.faults.add("*", Fault(page=True), times=None)
    seen = []
    for _ in range(4):
        async with download() as answer:
            seen.append((answer.status, answer.content_type))
    assert seen == [(500, "text/html")] * 2 + [(200, "text/html")] * 2
    hub.faults.clear()
    async with download() as answer:
        assert answer.content_type == "application/octet-stream"


async def test_a_large_body_never_lies_whole_in_memory(
    hub: SmallHumHub, file: HumHubFile, tmp_path: Path, download: Callable[..., Any]
) -> None:
    size = 64 * 1024 * 1024
    big = tmp_path / "big"
    with big.open("wb") as out:
        out.truncate(size)
    file.path, file.size = big, size
    tracemalloc.start()
    async with download() as answer:
        received = sum([len(chunk) async for chunk in answer.content.iter_chunked(65536)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert received == size
    assert peak < 8 * 1024 * 1024
