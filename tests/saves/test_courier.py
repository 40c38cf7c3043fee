"""The courier: carries what waits, few at a time, over restarts, and soon after HumHub is back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web

from bridge.saves.steps import Step
from tests.saves.scene import MakeScene, Scene, Track, docx

HOUR = 3600.0


async def failing(_message: dict[str, Any]) -> web.StreamResponse:
    return web.json_response({"error": 1}, status=500)


async def waiting(scene: Scene, count: int, *, status: int = 2) -> dict[str, bytes]:
    """Let saves of so many documents wait: HumHub is away."""
    scene.humhub.away = True
    bodies = {f"k{number}": docx(f"{number}") for number in range(count)}
    errors = await asyncio.gather(*(scene.save(body, key=key, status=status) for key, body in bodies.items()))
    assert errors == [1] * count
    return bodies


@pytest.mark.parametrize("status", [2, 3, 6, 7])
async def test_what_waits_is_delivered_as_a_forced_save_whatever_it_was(make_scene: MakeScene, status: int) -> None:
    scene = await make_scene()
    scene.humhub.behave = failing
    assert await scene.save(docx("x"), status=status, userdata="mine", lastsave="2026-01-01", changesurl=None) == 1
    scene.humhub.behave = None
    await scene.until(lambda: scene.states() == ["delivered"])
    assert scene.humhub.tracks[-1] == Track("k1", 6, docx("x"))
    message = scene.humhub.fake.seen[-1].json()
    told = {name: message[name] for name in ("key", "filetype", "users", "userdata", "lastsave", "forcesavetype")}
    assert told == {
        "key": "k1",
        "filetype": "docx",
        "users": ["u1"],
        "userdata": "mine",
        "lastsave": "2026-01-01",
        "forcesavetype": 0,
    }
    # The key is still HumHub's: who has it open goes on, and saves.
    assert scene.humhub.cleared == set()


async def test_a_save_that_its_callback_failed_to_deliver_is_left_to_the_courier_and_to_its_repeat(
    make_scene: MakeScene,
) -> None:
    scene = await make_scene()
    scene.humhub.behave = failing
    path = "/cache/files/data/k1_1/output.docx/output.docx"
    assert await scene.save(docx("x"), path=path) == 1
    scene.humhub.behave = None
    await scene.until(lambda: scene.states() == ["delivered"])
    # HumHub has the content and keeps the key; once Docs says again that the session is over, HumHub hears that.
    assert await scene.save(docx("x"), path=path) == 0
    assert [track.status for track in scene.humhub.tracks] == [6, 2]


async def test_while_its_callback_is_open_a_save_is_its_callbacks(make_scene: MakeScene) -> None:
    scene = await make_scene()
    go = asyncio.Event()

    async def held(_message: dict[str, Any]) -> None:
        await go.wait()

    scene.humhub.behave = held
    saving = asyncio.create_task(scene.save(docx("x")))
    await scene.until(lambda: scene.humhub.open_now == 1)
    # It is long due, as the courier sees it.
    scene.clock.jump(20.0)
    await asyncio.sleep(1.3)
    assert [step for step, _ in scene.steps].count(Step.NUMBERED) == 1
    go.set()
    assert await saving == 0
    assert (scene.humhub.most_open, scene.humhub.tracks) == (1, [Track("k1", 2, docx("x"))])


# --- few at a time ---


async def test_it_begins_with_one_and_takes_more_as_humhub_bears_it_but_never_more_than_four(
    make_scene: MakeScene,
) -> None:
    scene = await make_scene()
    bodies = await waiting(scene, 20)
    open_at_start: list[int] = []

    async def slowly(_message: dict[str, Any]) -> None:
        open_at_start.append(scene.humhub.open_now)
        await asyncio.sleep(0.05)

    scene.humhub.behave, scene.humhub.away = slowly, False
    await scene.until(lambda: scene.states() == ["delivered"] * 20)
    assert scene.humhub.has == bodies
    assert open_at_start[0] == 1
    assert max(open_at_start[:3]) <= 2
    assert max(open_at_start) == 4
    assert len(open_at_start) == 20


async def test_after_a_failure_it_is_one_again(make_scene: MakeScene) -> None:
    scene = await make_scene()
    await waiting(scene, 16)
    company: list[int] = []  # how many were open at most while each attempt was
    alive: set[int] = set()
    broken, alone = False, -1

    async def failing_for_a_while(_message: dict[str, Any]) -> web.StreamResponse | None:
        nonlocal broken, alone
        number = len(company)
        broken = broken or (number == 8 and alone < 0)
        alive.add(number)
        company.append(0)
        for one in alive:
            company[one] = max(company[one], len(alive))
        await asyncio.sleep(0.05)
        alive.remove(number)
        if broken and not alive:
            # All that were open have failed: from now on it works again.
            broken, alone = False, len(company)
            return web.json_response({"error": 1}, status=500)
        return web.json_response({"error": 1}, status=500) if broken else None

    scene.humhub.behave, scene.humhub.away = failing_for_a_while, False
    await scene.until(lambda: scene.states() == ["delivered"] * 16)
    assert max(company) == 4
    assert company[alone] == 1


async def test_a_humhub_that_comes_back_is_not_stampeded(make_scene: MakeScene) -> None:
    scene = await make_scene()
    bodies = await waiting(scene, 40)
    scene.humhub.most_open = 0

    async def slowly(_message: dict[str, Any]) -> None:
        await asyncio.sleep(0.02)

    scene.humhub.behave, scene.humhub.away = slowly, False
    await scene.until(lambda: scene.states() == ["delivered"] * 40)
    assert (scene.humhub.most_open, scene.humhub.has) == (4, bodies)
    assert len(scene.humhub.tracks) == 40


async def test_a_humhub_that_comes_back_is_noticed_within_seconds(make_scene: MakeScene) -> None:
    scene = await make_scene()
    await waiting(scene, 3)
    # As after hours: the next attempt would be minutes away.
    scene.clock.run(1.0)
    scene.clock.jump(5 * HOUR)
    await scene.until(lambda: min(due for (due,) in scene.query("SELECT due FROM entries")) > scene.clock() + 100)
    heads = scene.humhub.heads
    scene.humhub.away = False
    back = time.monotonic()
    await scene.until(lambda: scene.states() == ["delivered"] * 3)
    assert time.monotonic() - back < 5
    assert scene.humhub.heads - heads <= 2, "asking costs it next to nothing"


# --- over restarts ---


async def test_a_start_delivers_what_waits_at_once(make_scene: MakeScene) -> None:
    scene = await make_scene()
    bodies = await waiting(scene, 5)
    await scene.stop()
    scene.humhub.away = False
    scene.clock.run(1.0)
    await scene.start()
    await scene.until(lambda: scene.states() == ["delivered"] * 5, within=4)
    assert scene.humhub.has == bodies
    assert {track.status for track in scene.humhub.tracks} == {6}


async def test_a_delivery_that_is_under_way_ends_before_the_bridge_does(make_scene: MakeScene) -> None:
    scene = await make_scene()
    await waiting(scene, 1)

    async def slowly(_message: dict[str, Any]) -> None:
        await asyncio.sleep(0.4)

    scene.humhub.behave, scene.humhub.away = slowly, False
    await scene.until(lambda: scene.humhub.open_now == 1)
    await scene.stop()
    assert scene.states() == ["delivered"]
    await scene.start()
    assert [track.pulled for track in scene.humhub.tracks] == [docx("0")]


async def test_a_dead_letter_is_not_tried_again_and_does_not_keep_the_others(make_scene: MakeScene) -> None:
    scene = await make_scene()
    await waiting(scene, 2)
    scene.humhub.cleared.add("k0")
    scene.humhub.away = False
    await scene.until(lambda: sorted(scene.states()) == ["dead", "delivered"])
    scene.clock.jump(HOUR)
    await asyncio.sleep(1.2)
    assert [track.key for track in scene.humhub.tracks].count("k0") == 1
    (body,) = [body for body, _ in scene.entries("k0")]
    assert body == docx("0")


async def test_a_refused_token_waits_and_is_delivered_when_the_secrets_fit(make_scene: MakeScene) -> None:
    scene = await make_scene()

    async def refusing(_message: dict[str, Any]) -> web.StreamResponse:
        return web.json_response({"message": "Invalid JWT signature"}, status=403)

    scene.humhub.behave = refusing
    assert await scene.save(docx("x")) == 1
    assert scene.states() == ["waiting"]
    ((why,),) = scene.query("SELECT why FROM entries")
    assert "secrets and clocks" in why
    scene.humhub.behave = None
    await scene.until(lambda: scene.humhub.has == {"k1": docx("x")})
