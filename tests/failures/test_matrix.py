"""Every fault of HumHub and Docs on every route: what the client gets, what the log says, and what is never done."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.failures.asking import GOOD, ROUTES
from tests.failures.expected import HOW, expected, is_passed_on, said, shape_of
from tests.failures.faults import FAULTS
from tests.failures.playing import Played, Scene

# What is played once is looked at by many tests: one process does it.
pytestmark = [pytest.mark.xdist_group("failures"), pytest.mark.asyncio(loop_scope="module")]

All = dict[tuple[str, str], Played]
_REPEATED = frozenset(("GET",))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everything(on_stage: Scene) -> All:
    return await on_stage.play_everything()


def of(everything: All, route: str) -> dict[str, Played]:
    return {fault: everything[route, fault] for fault in FAULTS}


@pytest.mark.parametrize("route", ROUTES)
async def test_each_fault_ends_in_the_named_answer(everything: All, route: str) -> None:
    found = {fault: played.cell for fault, played in of(everything, route).items()}
    assert found == {fault: expected(route, fault) for fault in FAULTS}


@pytest.mark.parametrize("route", ROUTES)
async def test_an_answer_of_the_bridges_own_has_the_shape_that_its_client_expects(everything: All, route: str) -> None:
    own = {fault: played for fault, played in of(everything, route).items() if not is_passed_on(expected(route, fault))}
    assert {fault: shape_of(route, played.got) for fault, played in own.items()} == {
        fault: said(route, expected(route, fault)) for fault in own
    }


@pytest.mark.parametrize("route", ROUTES)
async def test_every_answer_has_an_id(everything: All, route: str) -> None:
    assert [fault for fault, played in of(everything, route).items() if "x-request-id" not in played.got.headers] == []


@pytest.mark.parametrize("route", ROUTES)
async def test_what_is_cut_is_a_beginning_and_never_looks_whole(everything: All, route: str) -> None:
    for fault, played in of(everything, route).items():
        if "cut: " in expected(route, fault):
            assert not played.got.whole, fault
            of_it = GOOD[route].body if played.got.status == 200 else b""
            assert of_it.startswith(played.got.body), fault


@pytest.mark.parametrize("route", [route for kind in ("relayed", "a file") for route in HOW[kind]])
async def test_what_is_whole_comes_as_it_was_sent(everything: All, route: str) -> None:
    for fault in ("whole", "chunked", "trailers", "in-pieces", "http-1-0", "continue-first", "hints-first"):
        assert everything[route, fault].got.body == GOOD[route].body, fault


@pytest.mark.parametrize("route", ROUTES)
async def test_one_line_says_what_and_why(everything: All, route: str) -> None:
    for fault, played in of(everything, route).items():
        line = played.line  # exactly one
        well = line["outcome"] in ("ok", "delivered") or (400 <= (line["status"] or 0) < 500)
        loud = [it for it in played.loud if it["event"] != "a save is a dead letter"]
        assert loud == ([] if well else [line]), fault
        if not well:
            missing = [name for name in ("why", "remedy", "upstream") if not line.get(name)]
            assert not missing, f"{fault}: no {missing} in {line}"
            assert played.got.status is None or line["status"] in (played.got.status, None), fault


async def test_nothing_else_is_said(on_stage: Scene, everything: All) -> None:
    assert everything
    assert on_stage.log.foreign == [], "a library has something to add, such as a traceback"


async def test_no_line_holds_what_only_the_server_and_the_client_may_know(everything: All) -> None:
    for name, played in everything.items():
        text = str(played.line)
        assert "Sign in" not in text, name
        assert "<p>x</p>" not in text, name


async def test_what_changes_something_is_asked_once(everything: All) -> None:
    for route in ("upload", "download-as", "push", "convert", "command", "news"):
        assert {len(played.asked) for played in of(everything, route).values()} == {1}, route


async def test_only_what_was_asked_is_answered(on_stage: Scene, everything: All) -> None:
    """After all of that no connection to a server has anything left on it that another client would get."""
    assert everything
    for route in ("page", "asset"):
        played = await on_stage.play_all([(route, "whole")] * 30, 1)
        assert {it.got.body for it in played.values()} == {GOOD[route].body}
