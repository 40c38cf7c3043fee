"""The sweep: what Docs kept because nobody took it is found on every node, and comes home in its place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.saves.steps import Step
from tests.saves.scene import MakeScene, Scene, Track, docx
from tests.store.entries import NOW

FORGOTTEN = "/cache/files/forgotten/{}/output.docx/output.docx"


@pytest.fixture
async def scene(make_scene: MakeScene) -> Scene:
    scene = await make_scene(sweep=0.2)
    assert await scene.join() == 0
    return scene


async def failing(_message: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"error": 1}, status=500)


async def swept(scene: Scene, times: int = 2) -> None:
    """Wait for so many whole rounds of the sweep."""
    done = [step for step, _ in scene.steps].count(Step.LISTED)
    await scene.until(lambda: [step for step, _ in scene.steps].count(Step.LISTED) > done + times)


async def test_a_file_that_nobody_knows_is_taken_and_delivered_and_then_deleted_at_docs(scene: Scene) -> None:
    scene.docs.forget("k1", docx("x"))
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.tracks == [Track("k1", 6, docx("x"))]
    assert scene.query("SELECT forgotten, status, filetype, state FROM entries") == [(1, 2, "docx", "delivered")]
    assert scene.docs.commands[-1] == ("deleteForgotten", "k1")


async def test_what_humhub_has_is_deleted_at_docs(scene: Scene) -> None:
    assert await scene.save(docx("x"), status=2) == 0
    scene.docs.forget("k1", docx("x"))
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.tracks == [Track("k1", 2, docx("x"))]


async def test_an_older_file_than_humhub_has_is_deleted_too(scene: Scene) -> None:
    assert await scene.save(docx("old"), status=6, iat=NOW) == 0
    assert await scene.save(docx("new"), status=2, iat=NOW + 1) == 0
    scene.docs.forget("k1", docx("old"))
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("new")}


async def test_what_waits_is_left_until_humhub_has_it(scene: Scene) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("x"), status=2) == 1
    scene.docs.forget("k1", docx("x"))
    await swept(scene, 4)
    assert scene.docs.forgotten == {"k1": docx("x")}
    assert scene.entries() == [(docx("x"), "waiting")]
    scene.humhub.behave = None
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("x")}


@pytest.mark.parametrize("known", [True, False])
async def test_while_somebody_has_the_document_open_its_file_is_left(scene: Scene, known: bool) -> None:
    if known:
        assert await scene.save(docx("x"), status=6) == 0
    assert await scene.open_session() == 200
    scene.docs.forget("k1", docx("x"))
    await swept(scene, 4)
    assert scene.docs.forgotten == {"k1": docx("x")}
    assert len(scene.humhub.tracks) == known


# --- its place ---


async def test_a_file_from_before_the_newest_save_is_older_than_that(scene: Scene) -> None:
    assert await scene.save(docx("new"), status=6, iat=NOW + 50) == 0
    scene.docs.forget("k1", docx("old"), made=NOW + 40)
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.entries() == [(docx("old"), "superseded"), (docx("new"), "delivered")]
    assert scene.humhub.tracks == [Track("k1", 6, docx("new"))]


async def test_a_file_from_after_the_newest_save_is_newer(scene: Scene) -> None:
    assert await scene.save(docx("old"), status=6, iat=NOW + 50) == 0
    scene.docs.forget("k1", docx("new"), made=NOW + 60)
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.entries() == [(docx("old"), "delivered"), (docx("new"), "delivered")]
    assert [track.pulled for track in scene.humhub.tracks] == [docx("old"), docx("new")]


async def test_a_file_without_a_date_comes_after_what_came_before_the_list(make_scene: MakeScene) -> None:
    scene = await make_scene(sweep=0.05)
    assert await scene.join() == 0
    assert await scene.save(docx("old"), status=6, iat=NOW + 50) == 0
    scene.docs.forget("k1", docx("new"))
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("new")}


async def test_after_a_start_a_file_of_the_newest_saves_own_second_is_not_put_over_it(make_scene: MakeScene) -> None:
    """Both dates count whole seconds: a session that began from the file may have saved, and its people be on their way
    back to it."""
    scene = await make_scene(sweep=300.0)
    assert [await scene.join(key) for key in ("k1", "k2")] == [0, 0]
    assert await scene.save(docx("new"), status=6, iat=NOW + 50) == 0
    await scene.stop()
    scene.docs.forget("k1", docx("old"), made=NOW + 50)
    scene.docs.forget("k2", docx("another"))
    scene.clock.jump(60)
    await scene.start()
    await scene.until(lambda: "k2" in scene.humhub.has)  # its turn comes after that of k1
    assert scene.humhub.has["k1"] == docx("new")
    assert scene.entries() == [(docx("new"), "delivered")]
    assert scene.docs.forgotten["k1"] == docx("old")


async def test_a_file_of_the_newest_saves_own_second_is_newer_when_nobody_can_be_editing(make_scene: MakeScene) -> None:
    scene = await make_scene(sweep=0.05)
    assert await scene.join() == 0
    assert await scene.save(docx("old"), status=6, iat=NOW + 50) == 0
    scene.docs.forget("k1", docx("new"), made=NOW + 50)
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.entries() == [(docx("old"), "delivered"), (docx("new"), "delivered")]
    assert [track.pulled for track in scene.humhub.tracks] == [docx("old"), docx("new")]


async def test_where_docs_signs_nothing_its_clock_says_nothing(make_scene: MakeScene) -> None:
    scene = await make_scene(sweep=0.05, signed=False)
    assert await scene.join() == 0
    assert await scene.save(docx("old"), status=6) == 0
    scene.docs.forget("k1", docx("new"), made=NOW - 900)
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("new")}


async def test_a_save_that_comes_while_the_file_is_fetched_comes_after_it(scene: Scene) -> None:
    go = asyncio.Event()

    async def slowly(path: str) -> None:
        if "forgotten" in path:
            await go.wait()

    scene.docs.before = slowly
    scene.docs.forget("k1", docx("old"), made=NOW + 1)
    await scene.until(lambda: any("forgotten" in seen.target for seen in scene.docs.fake.seen))
    assert await scene.save(docx("new"), status=6) == 0
    go.set()
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("new")}
    assert [track.pulled for track in scene.humhub.tracks] == [docx("new")]


async def test_one_key_has_one_path_for_ever_and_its_files_are_told_by_their_bytes(scene: Scene) -> None:
    for made, word in enumerate(("first", "second")):
        scene.docs.forget("k1", docx(word), made=NOW + made)
        await scene.until(lambda: scene.docs.forgotten == {})
    assert [track.pulled for track in scene.humhub.tracks] == [docx("first"), docx("second")]


# --- what goes wrong ---


async def test_a_file_that_is_no_document_stands_in_no_waiting_saves_way(scene: Scene) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("edit"), status=6) == 1
    scene.docs.forget("k1", b"half a document", made=NOW + 900)
    await scene.until(lambda: len(scene.entries()) == 2)
    scene.humhub.behave = None
    await scene.until(lambda: scene.humhub.has == {"k1": docx("edit")})


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
async def test_a_clock_that_jumps_keeps_no_file_at_docs(scene: Scene, jump: float) -> None:
    assert await scene.save(docx("a"), status=6) == 0
    scene.clock.jump(jump)
    scene.docs.forget("k1", docx("b"), made=NOW + 900)
    await scene.until(lambda: scene.docs.forgotten == {})
    assert scene.humhub.has == {"k1": docx("b")}


@pytest.mark.parametrize("fault", ["the command", "the file", "a page", "cut", "no document"])
async def test_a_file_that_fails_does_not_keep_the_others(scene: Scene, fault: str) -> None:
    assert await scene.join("k2") == 0
    scene.docs.forget("k1", docx("x"))
    path = FORGOTTEN.format("k1")

    async def page(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "9999"})
        await response.prepare(request)
        await response.write(docx())
        assert request.transport is not None
        request.transport.close()
        return response

    match fault:
        case "the command":
            scene.docs.refuses.add("k1")
        case "the file":
            del scene.docs.files[path]
        case "a page":
            scene.docs.files[path] = page
        case "cut":
            scene.docs.files[path] = cut
        case _:
            scene.docs.files[path] = b"half a document"
    scene.docs.forget("k2", docx("y"))
    await scene.until(lambda: list(scene.docs.forgotten) == ["k1"])
    assert scene.humhub.has == {"k2": docx("y")}
    # What is no document is kept and shown, and stays at Docs as well.
    assert scene.entries("k1") == ([(b"half a document", "dead")] if fault == "no document" else [])


async def test_files_of_unknown_documents_are_counted_and_left(scene: Scene) -> None:
    for key in ("strange", "stranger"):
        scene.docs.forget(key, docx(key))
    with capture_logs() as logs:
        await swept(scene)
    found = [line for line in logs if line["event"] == "forgotten files"]
    assert (found[-1]["number"], found[-1]["of_unknown_keys"]) == (2, 2)
    assert (scene.docs.commands, scene.states()) == ([], [])
    async with scene.http.get(scene.leg("admin", "/metrics")) as answer:
        page = await answer.text()
    assert 'bridge_forgotten_unknown{node="docs-0"} 2.0' in page
    # Once its page is opened, a document is known.
    assert await scene.join("strange") == 0
    await scene.until(lambda: list(scene.docs.forgotten) == ["stranger"])
    assert scene.humhub.has == {"strange": docx("strange")}


# --- several nodes ---


async def test_every_node_is_asked_and_one_that_fails_does_not_keep_the_others(make_scene: MakeScene) -> None:
    scene = await make_scene(sweep=0.2, nodes=3)
    for key in ("k1", "k2", "k3"):
        assert await scene.join(key) == 0
    first, second, third = scene.nodes

    async def broken(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=500)

    first.forget("k1", docx("1"))
    first.fake.respond = broken
    second.forget("k2", docx("2"))
    third.forget("k3", docx("3"))
    await scene.until(lambda: second.forgotten == third.forgotten == {})
    assert scene.humhub.has == {"k2": docx("2"), "k3": docx("3")}
    # A file is deleted where it was found.
    assert {name for name, _ in second.commands} == {"getForgotten", "deleteForgotten"}
    assert ("deleteForgotten", "k3") not in second.commands
    first.fake.respond = first.respond
    await scene.until(lambda: first.forgotten == {})
    assert scene.humhub.has["k1"] == docx("1")


async def test_a_start_sweeps_at_once(make_scene: MakeScene) -> None:
    scene = await make_scene(sweep=300.0)
    assert await scene.join() == 0
    await scene.stop()
    scene.docs.forget("k1", docx("x"))
    await scene.start()
    await scene.until(lambda: scene.humhub.has == {"k1": docx("x")}, within=5)
