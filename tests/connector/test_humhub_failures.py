"""What becomes of a HumHub that fails: each failure is said for what it is, and never taken for a file or a save."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bridge.connector.humhub.storage import HumHubStorage
from bridge.connector.storage import SignedOutError, StoredFile, Visitor
from bridge.protocol.errors import (
    BadAnswerError,
    BadRequestError,
    BridgeError,
    CutError,
    RefusedError,
    StorageError,
    TooLargeError,
    UnreachableError,
    UpstreamError,
    UpstreamTimeoutError,
)
from bridge.transport.upstream import Upstream
from tests.connector.fake_humhub import FOLDER, POST, Answer
from tests.connector.houses import NOW, QUICK, House, gone, house, site_of

OLD, NEW = b"PK\x03\x04 before", b"PK\x03\x04 and after"
PAGE = "<html><body>Please sign in to our network</body></html>"


def page(status: int = 200, text: str = PAGE, **headers: str) -> Answer:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, text=text, content_type="text/html", headers=headers)

    return answer


def data(body: str, status: int = 200) -> Answer:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        return web.Response(status=status, text=body, content_type="application/json")

    return answer


async def hangs(_: web.BaseRequest) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def drops_it(request: web.BaseRequest) -> web.StreamResponse:
    """Answer as HumHub does to what is over post_max_size, and never end."""
    async for _ in request.content.iter_any():
        pass
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"files":[],"fileList":"<table>')
    await asyncio.sleep(30)
    raise AssertionError


async def hangs_up(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def file_that(*, promised: int | None, given: bytes, kind: str = "application/zip", name: str = "plan.docx") -> Answer:
    """Give a file of so many bytes, of which fewer come."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        if promised is not None:
            response.content_length = promised
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        if given:
            await response.write(given)
        if promised is not None and promised != len(given):
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[House]:
    """Give a storage without a key, and without patience."""
    async with house(tmp_path, secret=None, timeouts=QUICK) as made:
        yield made


async def looked(made: House, place: str = FOLDER) -> tuple[Visitor, StoredFile]:
    file = made.humhub.add("plan.docx", OLD, place=place)
    visitor = await made.visitor("alice")
    return visitor, await made.storage.look(visitor, file.guid, place)


# --- uploads ------------------------------------------------------------------------------------------------------

TOO_BIG = '{"files":[{"error":true,"errors":["The file is too big. Its size cannot exceed 2.097 MB."],"name":"a"}]}'
ODD_NAME = '{"files":[{"error":true,"errors":"The name is not allowed.","name":"a"}]}'
UPLOADS: list[tuple[Answer, type[BridgeError], str]] = [
    (page(500), BadAnswerError, "answers with an error"),
    (page(503), BadAnswerError, "answers with an error"),
    (page(200), BadAnswerError, "what became of the file"),
    (page(413), TooLargeError, "larger than HumHub takes"),
    (page(302, Location="http://humhub.test/maintenance"), BadAnswerError, "leads elsewhere"),
    (page(302, **{"X-Redirect": "http://humhub.test/user/auth/login"}), SignedOutError, "not signed in"),
    (data('{"name":"Bad Request","message":"Unable to verify.","status":400}', 400), BadAnswerError, "Unable to"),
    (data('{"name":"Forbidden","message":"Not permitted.","status":403}', 403), RefusedError, "Not permitted"),
    (data(TOO_BIG), TooLargeError, "2.097 MB"),
    (data(ODD_NAME), RefusedError, "not allowed"),
    (drops_it, TooLargeError, "larger than HumHub takes"),
    (data('{"files":[]}'), TooLargeError, "larger than HumHub takes"),
    (data('{"files":[{"error":false}]}'), BadAnswerError, "what became of the file"),
    (data("[" * 200_000), BadAnswerError, "what became of the file"),
    (data("null"), BadAnswerError, "what became of the file"),
    (hangs, UpstreamTimeoutError, "too slow|doesn't answer"),
    (hangs_up, UpstreamError, "."),
]


@pytest.mark.parametrize("place", [FOLDER, POST])
@pytest.mark.parametrize(("answer", "error", "words"), UPLOADS)
async def test_an_upload_that_fails_says_how(
    quick: House, place: str, answer: Answer, error: type[BridgeError], words: str
) -> None:
    visitor, file = await looked(quick, place)
    quick.humhub.instead["cfiles/upload" if place == FOLDER else "file/file/upload"] = answer
    with pytest.raises(error, match=words) as caught:
        await quick.storage.replace(visitor, file, quick.upload(NEW))
    assert caught.value.remedy or isinstance(caught.value, RefusedError)
    assert not isinstance(caught.value, UnreachableError)
    assert [at.content for at in quick.humhub.files.values()] == [OLD]


async def test_humhub_s_own_limit_is_told_in_its_own_words(keyless: House) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.limit = len(NEW) - 1
    with pytest.raises(TooLargeError, match=r"zu groß.*2\.097 MB") as caught:
        await keyless.storage.replace(visitor, file, keyless.upload(NEW))
    assert "upload_max_filesize" in str(caught.value.remedy)


async def test_a_web_server_that_refuses_at_the_head_is_heard(keyless: House) -> None:
    visitor, file = await looked(keyless)

    async def refuses(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=413, text="<h1>413 Request Entity Too Large</h1>", headers={"Connection": "close"})

    keyless.humhub.instead["cfiles/upload"] = refuses
    with pytest.raises(BridgeError) as caught:
        await keyless.storage.replace(visitor, file, keyless.upload(NEW * 500_000))
    assert isinstance(caught.value, TooLargeError | UpstreamError)


async def test_the_last_byte_waits_for_what_must_be_noted_before(keyless: House) -> None:
    visitor, file = await looked(keyless)
    seen: list[int] = []

    async def count(request: web.BaseRequest) -> web.StreamResponse:
        got = 0
        async for chunk in request.content.iter_any():
            got += len(chunk)
            seen.append(got)
        return web.json_response({"files": [{"error": False, "guid": file.guid}]})

    async def note() -> None:
        while not seen or seen[-1] < len(NEW):  # noqa: ASYNC110 - HumHub tells nobody
            await asyncio.sleep(0.01)
        before.append(seen[-1])

    before: list[int] = []
    keyless.humhub.instead["cfiles/upload"] = count
    await keyless.storage.replace(visitor, file, keyless.upload(NEW, before_end=note))
    assert before
    assert before[0] < seen[-1]


async def test_a_large_file_is_uploaded_in_little_memory(keyless: House) -> None:
    visitor, file = await looked(keyless)
    upload = keyless.upload(NEW * 2_000_000)

    async def discard(request: web.BaseRequest) -> web.StreamResponse:
        async for _ in request.content.iter_any():
            pass
        return web.json_response({"files": [{"error": False, "guid": file.guid}]})

    keyless.humhub.instead["cfiles/upload"] = discard
    tracemalloc.start()
    try:
        stored = await keyless.storage.replace(visitor, file, upload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (upload.size, stored.version) == (len(NEW) * 2_000_000, "")
    assert peak < 8 << 20


async def test_a_note_that_fails_keeps_the_save_from_arriving(keyless: House) -> None:
    visitor, file = await looked(keyless)

    async def fail() -> None:
        raise StorageError("The disk is full.")

    with pytest.raises(StorageError, match="disk is full"):
        await keyless.storage.replace(visitor, file, keyless.upload(NEW, before_end=fail))
    assert [at.content for at in keyless.humhub.files.values()] == [OLD]


async def test_a_saved_file_that_is_gone_from_our_disk_is_said(keyless: House) -> None:
    visitor, file = await looked(keyless)
    upload = keyless.upload(NEW)
    upload.path.unlink()
    for call in (keyless.storage.replace, keyless.storage.find):
        with pytest.raises(StorageError, match="can't be read"):
            await call(visitor, file, upload)


async def test_a_saved_file_that_became_shorter_never_arrives(keyless: House) -> None:
    visitor, file = await looked(keyless)
    upload = keyless.upload(NEW)
    upload.path.write_bytes(NEW[:-1])
    with pytest.raises(StorageError, match="not as long"):
        await keyless.storage.replace(visitor, file, upload)
    assert [at.content for at in keyless.humhub.files.values()] == [OLD]


# --- looks and pages ----------------------------------------------------------------------------------------------

PAGES: list[tuple[Answer, type[BridgeError], str]] = [
    (page(500), BadAnswerError, "answers with an error"),
    (page(302, Location="https://humhub.test/s/team/"), BadAnswerError, "leads elsewhere"),
    (page(302, Location="http://humhub.test/user/auth/login"), SignedOutError, "not signed in"),
    (page(200), SignedOutError, "not signed in"),
    (page(200, "x" * (16 << 20) + "x"), BadAnswerError, "too much"),
    (hangs, UpstreamTimeoutError, "doesn't answer"),
]


@pytest.mark.parametrize(("answer", "error", "words"), PAGES)
async def test_a_folder_that_can_t_be_listed_says_why(
    quick: House, answer: Answer, error: type[BridgeError], words: str
) -> None:
    visitor, file = await looked(quick)
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: quick.storage.look(visitor, file.guid, FOLDER),
        lambda: quick.storage.replace(visitor, file, quick.upload(NEW)),
        lambda: quick.storage.find(visitor, file, quick.upload(NEW)),
        lambda: quick.storage.add(visitor, FOLDER, "new.docx", quick.upload(NEW)),
    ]
    for call in calls if answer is not hangs else calls[:1]:
        quick.humhub.instead["cfiles/browse/index"] = answer
        with pytest.raises(error, match=words):
            await call()
    assert [at.content for at in quick.humhub.files.values()] == [OLD]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_folder_that_may_not_be_listed_gives_no_right(keyless: House, status: int) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.instead["cfiles/browse/index"] = page(status)
    assert not (await keyless.storage.look(visitor, file.guid, FOLDER)).may_write


@pytest.mark.parametrize("status", [403, 404])
async def test_a_right_that_was_taken_away_meanwhile_takes_effect(keyless: House, status: int) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.instead["cfiles/edit/file"] = page(status)
    with pytest.raises((RefusedError, BridgeError)):
        await keyless.storage.replace(visitor, file, keyless.upload(NEW))
    assert "POST cfiles/upload" not in keyless.humhub.calls


async def test_another_form_than_a_file_s_is_no_right(keyless: House) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.instead["cfiles/edit/file"] = page(200)
    with pytest.raises(BadAnswerError, match="another page"):
        await keyless.storage.look(visitor, file.guid, FOLDER)


async def test_a_session_that_ends_is_told_from_a_right_that_is_missing(keyless: House) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.signed_in.clear()
    for call in (keyless.storage.look(visitor, file.guid, FOLDER), keyless.content(visitor, file.guid)):
        with pytest.raises(SignedOutError):
            await call


# --- reading ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (page(200), BadAnswerError),
        (page(500), BadAnswerError),
        (page(302, Location="http://humhub.test/s/team/"), BadAnswerError),
        (file_that(promised=len(OLD), given=OLD, kind="text/html"), BadAnswerError),
        (file_that(promised=len(OLD), given=OLD[:-1]), CutError),
        (file_that(promised=0, given=b""), BadAnswerError),
        (file_that(promised=None, given=b""), BadAnswerError),
        (hangs, UpstreamTimeoutError),
    ],
)
async def test_what_is_not_the_whole_file_is_never_given_as_one(
    quick: House, answer: Answer, error: type[BridgeError]
) -> None:
    visitor, file = await looked(quick)
    quick.humhub.instead["file/file/download"] = answer
    with pytest.raises(error):
        await quick.content(visitor, file.guid)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (file_that(promised=3, given=b"<a>", kind="text/html", name="page.html"), b"<a>"),
        (file_that(promised=3, given=b"<a>", kind="text/html", name="notes.txt"), b"<a>"),
        (file_that(promised=2, given=b"{}", kind="application/json", name="rows.csv"), b"{}"),
        (file_that(promised=0, given=b"", kind="text/plain", name="empty.txt"), b""),
        (file_that(promised=None, given=OLD), OLD),
    ],
)
async def test_a_file_may_be_anything_that_its_name_says(keyless: House, answer: Answer, content: bytes) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.instead["file/file/download"] = answer
    assert await keyless.content(visitor, file.guid) == content


async def test_a_file_that_nobody_goes_on_reading_is_let_go(keyless: House) -> None:
    visitor, file = await looked(keyless)
    keyless.humhub.files[file.guid].content = OLD * 1_000_000
    async with keyless.storage.read(visitor, file.guid) as content:
        assert await anext(content.chunks)
    assert await keyless.storage.is_there()


# --- is it there --------------------------------------------------------------------------------------------------


async def test_a_humhub_that_is_away_is_said_to_be(tmp_path: Path, unused_tcp_port: int) -> None:
    async with Upstream(f"http://127.0.0.1:{unused_tcp_port}", name="social", timeouts=QUICK) as upstream:
        storage = HumHubStorage(site_of("http://127.0.0.1", upstream), lambda: NOW, None)
        assert not await storage.is_there()
        with pytest.raises(UnreachableError):
            await storage.visitor({"Cookie": "PHPSESSID=alice"})
        with pytest.raises(SignedOutError):
            await storage.look(gone("alice"), "a60f5ed2-6497-4316-850a-294588b08b05", "")


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, True), (500, True), (502, False), (503, False)])
async def test_a_humhub_is_there_that_answers(keyless: House, status: int, there: bool) -> None:
    keyless.humhub.instead[""] = page(status)
    assert await keyless.storage.is_there() is there


async def test_a_name_can_t_break_out_of_the_form(keyless: House) -> None:
    visitor = await keyless.visitor("alice")
    odd = 'a"\r\nContent-Type: text/html\r\n\r\nx.docx'
    made = await keyless.storage.add(visitor, FOLDER, odd, keyless.upload(NEW))
    assert (keyless.humhub.files[made.guid].content, "\r" in made.name, '"' in made.name) == (NEW, False, False)


@pytest.mark.parametrize("cookie", ["PHPSESSID=a\r\nX: y", "PHPSESSID=\u00e4", "PHPSESSID=a\x00"])
async def test_odd_cookies_are_left_out(keyless: House, cookie: str) -> None:
    with pytest.raises((SignedOutError, BadRequestError)):
        await keyless.storage.visitor({"Cookie": cookie})
    assert not keyless.humhub.calls
