"""Time: clocks that jump, forward and back, and a HumHub that stores long after nobody waits for it any more."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from aiohttp import web

from bridge.config import Config
from bridge.demo.editor import RefusedError
from bridge.demo.humhub import Fault
from tests.flows.words import words
from tests.houses import MakeHouse
from tests.saves.scene import MakeScene, Scene, Track, docx
from tests.store.entries import NOW

HOUR = 3600.0
JUMPS = [6 * HOUR, -600.0, -30 * 24 * HOUR]
BODY = docx("edit")


async def arrives(scene: Scene) -> None:
    """See that HumHub has the body, and that the bridge knows it; pauses of minutes pass quickly."""
    scene.clock.run(120.0)
    await scene.until(lambda: scene.humhub.has.get("k1") == BODY and scene.states() == ["delivered"])
    assert {track.pulled for track in scene.humhub.tracks} <= {BODY, None}
    # Inside the callback as it came, afterwards as a forced save.
    assert {track.status for track in scene.humhub.tracks[1:]} <= {6}


@pytest.mark.parametrize(("jump", "status"), [(6 * HOUR, 2), (-600.0, 6), (-30 * 24 * HOUR, 2)])
async def test_a_clock_that_jumps_before_the_body_is_pulled(make_scene: MakeScene, jump: float, status: int) -> None:
    scene = await make_scene()

    async def behave(message: dict[str, Any]) -> None:
        scene.humhub.behave = None
        scene.clock.jump(jump)

    scene.humhub.behave = behave
    error = await scene.save(BODY, status=status)
    assert (error == 0) is (scene.humhub.tracks[0].pulled == BODY), "Docs hears 0 only for what HumHub has"
    await arrives(scene)


@pytest.mark.parametrize(("jump", "status"), [(6 * HOUR, 2), (6 * HOUR, 6), (-30 * 24 * HOUR, 2)])
async def test_a_clock_that_jumps_while_humhub_stores(make_scene: MakeScene, jump: float, status: int) -> None:
    scene = await make_scene()

    async def behave(message: dict[str, Any]) -> web.StreamResponse:
        scene.humhub.behave = None
        answer = await scene.humhub.store(message)
        scene.clock.jump(jump)
        await asyncio.sleep(0.2)
        return answer

    scene.humhub.behave = behave
    assert await scene.save(BODY, status=status) == 0
    await arrives(scene)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_clock_that_jumps_between_two_tries(make_scene: MakeScene, jump: float) -> None:
    scene = await make_scene()

    async def failing(_message: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"error": 1}, status=500)

    scene.humhub.behave = failing
    assert await scene.save(BODY) == 1
    scene.clock.jump(jump)
    scene.humhub.behave = None
    await arrives(scene)


async def test_a_clock_that_jumps_back_while_humhub_may_be_storing(make_scene: MakeScene) -> None:
    scene = await make_scene(attempt=0.3, storing=20.0)
    scene.humhub.behave = Slow(scene, 60)
    assert await scene.save(BODY, status=6) == 1
    scene.clock.jump(-2 * HOUR)
    await arrives(scene)


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_clock_that_jumped_while_the_bridge_was_away(make_scene: MakeScene, jump: float) -> None:
    scene = await make_scene()
    scene.humhub.away = True
    assert await scene.save(BODY) == 1
    await scene.stop()
    scene.clock.jump(jump)
    scene.humhub.away = False
    await scene.start()
    await arrives(scene)


# --- a HumHub that stores late ---


class Slow:
    """Stores what it pulled ``seconds`` later, whoever still waits; once. A proxy before it may say so, with a status."""

    def __init__(self, scene: Scene, seconds: float, status: int | None = None) -> None:
        self._scene, self._seconds, self._status = scene, seconds, status
        self.stored = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    async def __call__(self, message: dict[str, Any]) -> web.StreamResponse:
        self._scene.humhub.behave = None
        _, body = await self._scene.humhub.pull(message["url"])
        self._work = asyncio.create_task(self._later(message, body))
        if self._status is not None:
            return web.Response(status=self._status, text="<html>Gateway Time-out</html>", content_type="text/html")
        await asyncio.sleep(60)
        return web.Response()

    async def _later(self, message: dict[str, Any], body: bytes) -> None:
        await asyncio.sleep(self._seconds)
        humhub = self._scene.humhub
        humhub.has[message["key"]] = body
        if message["status"] == 2:
            humhub.cleared.add(message["key"])
        self.stored.set()


# How the bridge learns that nobody waits for HumHub any more: by its own limit, or by a proxy's word.
GIVEN_UP = [None, 502, 503, 504, 524]


@pytest.mark.parametrize("status", GIVEN_UP)
async def test_a_two_that_humhub_stores_late_is_found_out_and_not_sent_again(
    make_scene: MakeScene, status: int | None
) -> None:
    scene = await make_scene(attempt=0.3, storing=2.0)
    scene.clock.run(1.0)
    slow = scene.humhub.behave = Slow(scene, 0.8, status)
    assert await scene.save(BODY) == 1
    assert not slow.stored.is_set()
    await scene.until(lambda: scene.states() == ["delivered"])
    assert scene.query("SELECT delivered_as, inferred FROM entries") == [(2, 1)]
    assert (scene.humhub.has, scene.humhub.tracks) == ({"k1": BODY}, [])


@pytest.mark.parametrize("status", GIVEN_UP)
async def test_a_six_that_humhub_stores_late_never_replaces_a_newer_save(
    make_scene: MakeScene, status: int | None
) -> None:
    scene = await make_scene(attempt=0.3, storing=1.0, deadline=20.0)
    scene.clock.run(1.0)
    slow = scene.humhub.behave = Slow(scene, 0.8, status)
    assert await scene.save(docx("old"), status=6, iat=NOW) == 1
    assert not slow.stored.is_set()
    assert await scene.save(BODY, status=2, iat=NOW + 5) == 0
    # The newer one waited until the older was stored, or could not be any more.
    assert slow.stored.is_set()
    assert scene.humhub.has == {"k1": BODY}
    assert scene.humhub.tracks == [Track("k1", 2, BODY)]


async def test_a_two_that_humhub_does_not_store_is_sent_again_when_it_cannot_come_any_more(
    make_scene: MakeScene,
) -> None:
    scene = await make_scene(attempt=0.3, storing=5.0)
    scene.humhub.behave = Slow(scene, 60)
    assert await scene.save(BODY) == 1
    when = scene.clock()
    await scene.until(lambda: scene.humhub.has == {"k1": BODY})
    assert scene.clock() - when > 4
    assert scene.humhub.tracks == [Track("k1", 6, BODY)]


async def test_who_reopens_while_humhub_may_still_be_storing_loses_nothing(make_house: MakeHouse) -> None:
    def short(config: Config) -> Config:
        saves = dataclasses.replace(config.saves, attempt=0.5, storing=2.0, deadline=0.3, sweep=0.5)
        return dataclasses.replace(config, saves=saves)

    h = await make_house(adjust=short)
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    editor = await alice.edit(guid)
    await editor.write("One. ")
    h.humhub.faults.add("track", Fault(slow=1.0, late=1.0), times=1)
    await editor.leave()
    told = await h.told(editor.key)
    first = json.loads(told.attempts[0].body)["error"]
    assert first == 1
    try:
        again = await alice.edit(guid)
    except RefusedError:
        # HumHub has stored it and cleared the key meanwhile: the page is stale, and a new one has a new key.
        again = await alice.edit(guid)
    assert again.text == "One. "
    await again.write("Two. ")
    await again.leave()
    await h.until(lambda: words(h.humhub.files[guid].content()) == "One. Two. ", within=15)
    await h.until(lambda: h.saves == [])
