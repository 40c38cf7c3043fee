"""Saves as they come: twice, out of order, changed, cut, unsound, too large; each is delivered once, or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from tests.saves.scene import MakeScene, Scene, Track, docx
from tests.store.entries import NOW

PATH = "/cache/files/data/k1_1/output.docx/output.docx"


@pytest.fixture
async def scene(make_scene: MakeScene) -> Scene:
    return await make_scene()


async def failing(_message: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"error": 1}, status=500)


# --- twice ---


@pytest.mark.parametrize("status", [2, 6])
async def test_the_same_callback_twice_at_once_is_one_entry_and_one_delivery(scene: Scene, status: int) -> None:
    errors = await asyncio.gather(*(scene.save(docx("x"), status=status, path=PATH) for _ in range(2)))
    assert errors == [0, 0]
    assert scene.humhub.tracks == [Track("k1", status, docx("x"))]
    assert scene.entries() == [(docx("x"), "delivered")]
    assert scene.lies() == [".body", ".json"]


@pytest.mark.parametrize("status", [2, 3, 6])
async def test_the_same_callback_once_more_is_answered_from_what_is_known(scene: Scene, status: int) -> None:
    assert [await scene.save(docx("x"), status=status, path=PATH) for _ in range(3)] == [0, 0, 0]
    assert scene.humhub.tracks == [Track("k1", status, docx("x"))]
    assert [seen.method for seen in scene.docs.fake.seen] == ["GET"]


async def test_many_saves_of_many_documents_at_once_are_each_delivered_once(make_scene: MakeScene) -> None:
    scene = await make_scene(deadline=30.0)
    keys = [f"k{number}" for number in range(25)]
    assert await asyncio.gather(*(scene.save(docx(key), key=key) for key in keys)) == [0] * 25
    assert {track.key: track.pulled for track in scene.humhub.tracks} == {key: docx(key) for key in keys}
    assert len(scene.humhub.tracks) == 25
    assert scene.humhub.most_open <= 16


async def test_a_save_of_the_same_bytes_is_the_one_that_is_there(scene: Scene) -> None:
    assert await scene.save(docx("x"), status=6) == 0
    assert await scene.save(docx("x"), status=6, iat=NOW + 9) == 0
    assert scene.humhub.tracks == [Track("k1", 6, docx("x"))]
    # But HumHub still has to hear that the session is over.
    assert await scene.save(docx("x"), status=2, iat=NOW + 10) == 0
    assert [track.status for track in scene.humhub.tracks] == [6, 2]
    assert scene.entries() == [(docx("x"), "delivered")]


# --- changed between tries ---


async def test_a_path_names_a_save_whatever_lies_there_later(scene: Scene) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("first"), path=PATH) == 1
    scene.humhub.behave = None
    assert await scene.save(docx("changed"), path=PATH) == 0
    assert scene.humhub.has == {"k1": docx("first")}
    assert scene.entries() == [(docx("first"), "delivered")]


async def test_a_body_that_shrank_on_the_disk_is_not_given_out_and_is_when_it_is_whole_again(scene: Scene) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("x")) == 1
    (body,) = scene.directory.glob("*.body")
    body.write_bytes(docx("x")[:-1])
    scene.humhub.behave = None
    await scene.until(lambda: len(scene.humhub.tracks) >= 1)
    assert scene.humhub.tracks[0] == Track("k1", 6, None)
    assert scene.humhub.has == {}
    body.write_bytes(docx("x"))
    await scene.until(lambda: scene.humhub.has == {"k1": docx("x")})


# --- out of order ---


async def test_a_two_that_is_durable_before_an_older_six_is_the_newest(scene: Scene) -> None:
    go = asyncio.Event()

    async def slowly(path: str) -> None:
        if "slow" in path:
            await go.wait()

    scene.docs.before = slowly
    older = asyncio.create_task(scene.save(docx("old"), status=6, iat=NOW, path="/cache/files/data/slow/output.docx"))
    await scene.until(lambda: len(scene.docs.fake.seen) == 1)
    assert await scene.save(docx("new"), status=2, iat=NOW + 3) == 0
    go.set()
    assert await older == 1
    assert scene.humhub.tracks == [Track("k1", 2, docx("new"))]
    assert scene.entries() == [(docx("old"), "superseded"), (docx("new"), "delivered")]


@pytest.mark.parametrize("iat", [NOW - 5, NOW], ids=["sent before", "sent in the same second"])
async def test_a_six_that_arrives_after_the_two_that_followed_it_is_never_sent(scene: Scene, iat: float) -> None:
    assert await scene.save(docx("new"), status=2, iat=NOW) == 0
    assert await scene.save(docx("old"), status=6, iat=iat) == 1
    assert scene.humhub.tracks == [Track("k1", 2, docx("new"))]
    assert scene.entries() == [(docx("old"), "superseded"), (docx("new"), "delivered")]


async def test_while_humhub_fails_only_the_newest_waits_and_is_sent(scene: Scene) -> None:
    scene.humhub.behave = failing
    for number, word in enumerate(["a", "b", "c"]):
        assert await scene.save(docx(word), status=6, iat=NOW + number) == 1
    assert await scene.save(docx("late"), status=6, iat=NOW - 1) == 1
    assert await scene.open_document() == docx("c")
    scene.humhub.behave = None
    await scene.until(lambda: "delivered" in scene.states())
    assert scene.humhub.has == {"k1": docx("c")}
    assert {track.pulled for track in scene.humhub.tracks} == {docx("c")}
    assert [state for _, state in scene.entries()] == ["superseded"] * 3 + ["delivered"]
    assert await scene.open_document() == docx("c")


async def test_what_waits_is_what_a_download_gets(scene: Scene) -> None:
    assert await scene.open_document() == b"old"
    scene.humhub.behave = failing
    assert await scene.save(docx("x"), status=6) == 1
    assert await scene.open_document() == docx("x")
    assert await scene.open_document("k2") == b"old"


# --- what can't be kept ---


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(len(docx()))})
    await response.prepare(request)
    await response.write(docx()[:-1])
    assert request.transport is not None
    request.transport.close()
    return response


async def page(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="<html>log in</html>", content_type="text/html")


async def large(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(body=docx() * 4)


async def long(request: web.BaseRequest) -> web.StreamResponse:
    """Send what is too large without saying how large."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for _ in range(4):
        await response.write(docx())
    return response


NOT_KEPT = {
    "a page": page,
    "cut": cut,
    "too large": large,
    "too long": long,
    "not there": None,
    "no document": b"<html>an error</html>",
    "nothing": b"",
}


@pytest.mark.parametrize("status", [2, 6])
@pytest.mark.parametrize("answer", NOT_KEPT)
async def test_what_is_not_kept_docs_keeps(make_scene: MakeScene, answer: str, status: int) -> None:
    scene = await make_scene(max_size=3000)
    given = NOT_KEPT[answer]
    assert await scene.save(given, status=status) == 1
    assert (scene.humhub.tracks, scene.entries(), scene.lies()) == ([], [], [])
    # Nothing of it is in the way of what comes next.
    assert await scene.save(docx("x"), status=status) == 0
    assert scene.humhub.has == {"k1": docx("x")}


async def test_below_the_reserve_docs_keeps_it(make_scene: MakeScene) -> None:
    scene = await make_scene(reserve=2**60)
    assert await scene.save(docx("x")) == 1
    assert (scene.humhub.tracks, scene.entries(), scene.lies()) == ([], [], [])


# --- saves with an error ---


@pytest.mark.parametrize(("status", "sent"), [(3, 3), (7, 6)])
async def test_a_sound_body_of_a_failed_save_is_delivered_as_the_module_would(
    scene: Scene, status: int, sent: int
) -> None:
    assert await scene.save(docx("x"), status=status) == 0
    assert scene.humhub.tracks == [Track("k1", sent, docx("x"))]
    assert scene.query("SELECT status, delivered_as, state FROM entries") == [(status, sent, "delivered")]


@pytest.mark.parametrize("status", [3, 7])
async def test_an_unsound_body_of_a_failed_save_is_a_dead_letter(scene: Scene, status: int) -> None:
    assert await scene.save(b"half a document", status=status) == 1
    assert scene.humhub.tracks == []
    assert scene.entries() == [(b"half a document", "dead")]
    assert scene.query("SELECT why FROM entries") == [("what ONLYOFFICE Docs gave is no docx",)]


@pytest.mark.parametrize("status", [3, 7])
async def test_an_unsound_body_stands_in_no_other_ones_way(scene: Scene, status: int) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("edit"), status=6, iat=NOW) == 1
    assert await scene.save(b"half a document", status=status, iat=NOW + 5) == 1
    assert await scene.open_document() == docx("edit")
    scene.humhub.behave = None
    await scene.until(lambda: scene.entries() == [(docx("edit"), "delivered"), (b"half a document", "dead")])
    assert scene.humhub.has == {"k1": docx("edit")}


@pytest.mark.parametrize(("status", "error"), [(7, 0), (3, 1), (2, 1), (6, 1)])
async def test_without_a_file_there_is_nothing_to_keep(scene: Scene, status: int, error: int) -> None:
    assert await scene.call_back({"key": "k1", "status": status}) == error
    assert (scene.humhub.tracks, scene.entries()) == ([], [])
