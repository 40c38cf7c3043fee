"""Sessions: before one begins, its document's key is settled; a session that could not be saved never begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from bridge.saves.steps import Step
from tests.saves.scene import MakeScene, Scene, docx


@pytest.fixture
async def scene(make_scene: MakeScene) -> Scene:
    return await make_scene()


async def failing(_message: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"error": 1}, status=500)


async def test_of_a_document_that_nothing_is_known_of_a_session_begins(scene: Scene) -> None:
    assert await scene.open_session() == 200
    assert scene.told_docs() == ["handshake"]


async def test_where_humhub_has_cleared_the_key_docs_forgets_its_copy_first(scene: Scene) -> None:
    assert await scene.save(docx("x"), status=2) == 0
    scene.docs.forget("k1", docx("x"))
    assert await scene.open_session() == 200
    assert scene.told_docs() == ["getForgotten", "deleteForgotten", "handshake"]
    assert scene.docs.forgotten == {}


async def test_a_copy_that_humhub_does_not_have_is_never_deleted_for_a_session(scene: Scene) -> None:
    assert await scene.save(docx("x"), status=2) == 0
    scene.docs.forget("k1", docx("somebody's edit"))
    assert await scene.open_session() == 200
    assert scene.told_docs() == ["getForgotten", "handshake"]
    assert scene.docs.forgotten == {"k1": docx("somebody's edit")}


@pytest.mark.parametrize("status", [6, 7])
async def test_where_humhub_has_kept_the_key_nothing_is_deleted(scene: Scene, status: int) -> None:
    assert await scene.save(docx("x"), status=status) == 0
    scene.docs.forget("k1", docx("y"))
    assert await scene.open_session() == 200
    assert scene.told_docs() == ["handshake"]
    assert scene.docs.forgotten == {"k1": docx("y")}


async def test_while_a_save_waits_a_session_begins_from_it(scene: Scene) -> None:
    scene.humhub.behave = failing
    assert await scene.save(docx("x"), status=2) == 1
    assert await scene.open_session() == 200
    assert await scene.open_document() == docx("x")
    assert scene.told_docs() == ["handshake"]


async def test_an_attempt_that_may_clear_the_key_is_awaited(scene: Scene) -> None:
    go = asyncio.Event()

    async def held(_message: dict[str, Any]) -> None:
        await go.wait()

    scene.humhub.behave = held
    saving = asyncio.create_task(scene.save(docx("x"), status=2))
    await scene.until(lambda: scene.humhub.open_now == 1)
    session = asyncio.create_task(scene.open_session())
    await asyncio.sleep(0.5)
    assert (session.done(), scene.told_docs()) == (False, [])
    go.set()
    assert (await saving, await session) == (0, 200)
    assert scene.told_docs() == ["getForgotten", "handshake"]


async def test_an_attempt_that_keeps_the_key_keeps_nobody_waiting(scene: Scene) -> None:
    go = asyncio.Event()

    async def held(_message: dict[str, Any]) -> None:
        await go.wait()

    scene.humhub.behave = held
    saving = asyncio.create_task(scene.save(docx("x"), status=6))
    await scene.until(lambda: scene.humhub.open_now == 1)
    async with asyncio.timeout(3):
        assert await scene.open_session() == 200
    go.set()
    assert await saving == 0


async def test_a_session_is_not_ended_by_a_save_that_came_before_it(scene: Scene) -> None:
    go = asyncio.Event()

    async def slowly(path: str) -> None:
        if path.startswith("/cache"):
            await go.wait()

    scene.docs.before = slowly
    saving = asyncio.create_task(scene.save(docx("x"), status=2))
    await scene.until(lambda: len(scene.docs.fake.seen) > 0)
    assert await scene.open_session() == 200
    go.set()
    # Docs is told that it failed; it reaches HumHub all the same, and the key stays the session's.
    assert await saving == 1
    await scene.until(lambda: scene.states() == ["delivered"])
    assert [track.status for track in scene.humhub.tracks] == [6]
    assert (scene.humhub.has, scene.humhub.cleared) == ({"k1": docx("x")}, set())
    # What the session saves in its end clears it.
    assert await scene.save(docx("y"), status=2) == 0
    assert scene.humhub.cleared == {"k1"}


async def pulled_and_failed(scene: Scene, *, store: bool) -> None:
    """Let HumHub pull a 2 whole and answer 500, having stored it and cleared the key or not; and be silent then."""

    async def behave(message: dict[str, Any]) -> web.StreamResponse:
        scene.humhub.behave = None
        if store:
            await scene.humhub.store(message)
        else:
            await scene.humhub.pull(message["url"])
        scene.humhub.away = True
        return web.json_response({"error": 1}, status=500)

    scene.humhub.behave = behave
    assert await scene.save(docx("x"), status=2) == 1
    assert scene.query("SELECT COUNT(*) FROM keys WHERE flight IS NOT NULL") == [(1,)]


@pytest.mark.parametrize("stored", [False, True])
async def test_an_attempt_without_an_end_is_settled_first(scene: Scene, stored: bool) -> None:
    await pulled_and_failed(scene, store=stored)
    scene.docs.forget("k1", docx("x"))
    session = asyncio.create_task(scene.open_session())
    await asyncio.sleep(0.5)
    # HumHub doesn't say whether it knows the key.
    assert (session.done(), scene.told_docs()) == (False, [])
    scene.humhub.away = False
    assert await session == 200
    assert scene.humhub.probes >= 1
    if stored:
        assert scene.told_docs() == ["getForgotten", "deleteForgotten", "handshake"]
        assert scene.query("SELECT state, delivered_as, inferred FROM entries") == [("delivered", 2, 1)]
    else:
        assert scene.told_docs() == ["handshake"]
        assert scene.entries()[0][0] == docx("x")


@pytest.mark.parametrize("stored", [False, True])
async def test_what_a_killed_bridge_left_is_settled_by_the_next(scene: Scene, stored: bool) -> None:
    await pulled_and_failed(scene, store=stored)
    await scene.stop()
    scene.humhub.away = False
    await scene.start()
    await scene.until(lambda: scene.states() == ["delivered"])
    assert scene.humhub.has == {"k1": docx("x")}
    assert [track.status for track in scene.humhub.tracks] == ([2] if stored else [6])


async def test_a_docs_that_does_not_forget_gets_no_session(scene: Scene) -> None:
    assert await scene.save(docx("x"), status=2) == 0
    scene.docs.forget("k1", docx("x"))
    scene.docs.refuses.add("k1")
    assert await scene.open_session() == 503
    assert "handshake" not in scene.told_docs()
    # It is the editor that tries again, and by then it works.
    scene.docs.refuses.clear()
    assert await scene.open_session() == 200
    assert scene.docs.forgotten == {}


async def test_other_documents_are_not_kept_waiting(scene: Scene) -> None:
    await pulled_and_failed(scene, store=False)
    async with asyncio.timeout(3):
        assert await scene.open_session("k2") == 200
    assert (Step.PROBING, "k2") not in scene.steps
