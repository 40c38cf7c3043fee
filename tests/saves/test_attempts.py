"""The link of an attempt: pulls the body for that attempt alone, whole, and dies with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from bridge.protocol.capabilities import mint
from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret
from bridge.saves import flights
from bridge.saves.attempts import Attempts
from bridge.saves.rules import Send
from bridge.saves.spool import Spool
from bridge.saves.steps import Step
from bridge.store.records import Flight, Record
from tests.saves.keeping import DOCX, Steps, keep
from tests.saves.scene import MakeScene, Scene, docx
from tests.store.conftest import Clock
from tests.store.entries import NOW, SITE, put

SECRET = Secret("bridge-secret-0123456789abcdef0123456789")


@pytest.fixture
def attempts(spool: Spool, clock: Clock, steps: Steps) -> Attempts:
    return Attempts(SECRET, spool.index, spool.bodies, clock, steps, lifetime=300)


@pytest.fixture
async def flight(spool: Spool) -> Flight:
    """Begin an attempt for a save that waits."""
    entry = await keep(spool)
    begin = partial(flights.begin, send=Send(entry, 2), owner=spool.index.worker, until=NOW + 300)
    return await spool.index.change(SITE, "k1", begin)


def capability(attempts: Attempts, flight: Flight, site: str = SITE) -> str:
    return attempts.link(site, "k1", flight).removeprefix("/file/")


async def test_a_link_pulls_the_body_of_its_attempt(attempts: Attempts, flight: Flight) -> None:
    pull = await attempts.pull(SITE, capability(attempts, flight))
    assert (pull.path.read_bytes(), pull.entry.id, pull.number) == (DOCX, flight.entry, 1)


async def landed(spool: Spool) -> None:
    await spool.index.change(SITE, "k1", put(flight=None))


async def followed(spool: Spool) -> None:
    record = await spool.index.read(SITE, "k1")
    assert record.newest is not None
    await landed(spool)
    begin = partial(flights.begin, send=Send(record.newest, 6), owner=spool.index.worker, until=NOW + 300)
    await spool.index.change(SITE, "k1", begin)


async def taken_over(spool: Spool) -> None:
    def adopt(record: Record) -> tuple[Record, None]:
        assert record.flight is not None
        return flights.adopt(record, record.flight, owner="other", until=NOW + 9, now=NOW, storing=60), None

    await spool.index.change(SITE, "k1", adopt)


async def given_up(spool: Spool) -> None:
    """Leave it without an answer: only HumHub knows what became of it."""
    flight = (await spool.index.read(SITE, "k1")).flight
    assert flight is not None
    await spool.index.change(SITE, "k1", put(flight=replace(flight, over=True)))


@pytest.mark.parametrize("end", [landed, followed, taken_over, given_up])
async def test_a_link_dies_with_its_attempt(
    spool: Spool, attempts: Attempts, flight: Flight, end: Callable[[Spool], Awaitable[None]]
) -> None:
    link = capability(attempts, flight)
    pull = await attempts.pull(SITE, link)
    await end(spool)
    with pytest.raises(RefusedError, match="over"):
        await attempts.pull(SITE, link)
    # Nor does the last byte of what had begun to leave.
    with pytest.raises(RefusedError, match="over"):
        await attempts.pulled(pull)


async def test_a_link_ends_with_its_time_too(attempts: Attempts, flight: Flight, clock: Clock) -> None:
    link = capability(attempts, flight)
    clock.now = NOW + 301
    with pytest.raises(RefusedError):
        await attempts.pull(SITE, link)


async def test_a_link_is_for_its_site(attempts: Attempts, flight: Flight) -> None:
    with pytest.raises(RefusedError, match="another site"):
        await attempts.pull("other", capability(attempts, flight))
    with pytest.raises(RefusedError, match="over"):
        await attempts.pull("other", capability(attempts, flight, "other"))


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"site": SITE},
        {"site": SITE, "key": "k1"},
        {"site": SITE, "key": 1, "attempt": 1},
        {"site": SITE, "key": "k1", "attempt": "1"},
    ],
)
async def test_a_link_with_other_claims_is_refused(attempts: Attempts, flight: Flight, claims: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        await attempts.pull(SITE, mint(SECRET, "saved-body", claims, expires=NOW + 60))


async def test_a_link_of_another_kind_or_hand_is_refused(attempts: Attempts, flight: Flight) -> None:
    claims = {"site": SITE, "key": "k1", "attempt": flight.number}
    other = Secret("another-secret-0123456789abcdef012345678")
    for link in (
        mint(SECRET, "other", claims, expires=NOW + 60),
        mint(other, "saved-body", claims, expires=NOW + 60),
        "x",
    ):
        with pytest.raises(RefusedError):
            await attempts.pull(SITE, link)


async def test_that_a_body_was_pulled_is_known_before_its_last_byte_leaves(
    spool: Spool, attempts: Attempts, flight: Flight, steps: Steps
) -> None:
    steps.seen.clear()
    pull = await attempts.pull(SITE, capability(attempts, flight))
    record = await spool.index.read(SITE, "k1")
    assert (record.flight, steps.seen) == (flight, [Step.PULLING])
    await attempts.pulled(pull)
    record = await spool.index.read(SITE, "k1")
    assert record.flight is not None
    assert record.flight.pulled
    attempts.given(pull)
    assert steps.seen == [Step.PULLING, Step.PULLED, Step.GIVEN]


# --- over HTTP ---


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", {}, (200, 1032, True)),
        ("HEAD", {}, (200, 0, False)),
        ("GET", {"Range": "bytes=0-9"}, (206, 10, False)),
        ("GET", {"Range": "bytes=1000-"}, (206, 32, True)),
        ("GET", {"Range": "bytes=-1"}, (206, 1, True)),
        ("GET", {"Range": "bytes=5000-"}, (416, 0, False)),
        ("GET", {"Range": "bytes=0-1,3-4"}, (416, 0, False)),
    ],
)
async def test_only_who_gets_the_last_byte_has_pulled_a_body(
    make_scene: MakeScene, method: str, headers: dict[str, str], expected: tuple[int, int, bool]
) -> None:
    scene = await make_scene()
    assert len(docx("0123")) == 1032
    seen: list[tuple[int, int, bool]] = []

    async def behave(message: dict[str, Any]) -> web.StreamResponse:
        scene.humhub.behave = None
        async with scene.http.request(method, _inside(scene, message["url"]), headers=headers) as answer:
            size = len(await answer.read())
            if answer.status == 416:
                assert answer.headers["Content-Range"] == "bytes */1032"
        seen.append((answer.status, size, Step.PULLED in [step for step, _ in scene.steps]))
        return web.json_response({"error": 1}, status=500)

    scene.humhub.behave = behave
    await scene.save(docx("0123"), status=6)
    assert seen == [expected]


async def test_a_dead_link_is_refused_without_a_body(make_scene: MakeScene) -> None:
    scene, urls = await make_scene(), list[str]()

    async def behave(message: dict[str, Any]) -> None:
        urls.append(message["url"])

    scene.humhub.behave = behave
    assert await scene.save(docx()) == 0
    async with scene.http.get(_inside(scene, urls[0])) as answer:
        assert (answer.status, await answer.read()) == (403, b"")


def _inside(scene: Scene, url: str) -> URL:
    return scene.leg("humhub", url.removeprefix(str(scene.config.legs.humhub.url)))
