"""Every fault of HumHub and Docs on every route: what the client gets, what the log says, and what is never done."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.failures.asking import GOOD, ROUTES
from tests.failures.expected import HOW, expected, is_passed_on, said, shape_of
from tests.failures.faults import FAULTS
from tests.failures.playing import Played, Scene

# What is played once is looked at by many tests: one process does it.
pytestmark = pytest.mark.asyncio(loop_scope="module")

All = dict[tuple[str, str], Played]


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


TOLD: Final = {
    ("page", "hangs"): "raise this upstream's first_byte",
    ("page", "hangs-in-body"): "raise this upstream's idle",
    ("convert", "hangs"): "raise limits.conversion",
    ("page", "has-a-large-header"): "Its answer's head is too large",
    ("page", "promises-less"): "as long as its Content-Length says",
    ("page", "closes"): "does it want https",
    ("page", "cuts-its-body"): "Was it restarted",
    ("page", "503"): "passed on as it is",
    ("editor", "gzip-that-is-none"): "See what HumHub answers there",
    ("websocket", "page"): "keeps Upgrade to itself",
    ("download", "redirects"): "is it in maintenance mode",
    ("download", "403"): "compare secret and header of this site's jwt",
    ("download", "404"): "reload the page",
    ("download", "page"): "does a proxy ask people to sign in",
    ("download", "is-empty"): "its disk full",
    ("download", "trickles"): "limits.download",
    ("result", "promises-nothing"): "drop Content-Length",
    ("converted", "403"): "ask for the file anew",
    ("save", "page"): "a sign-in page before it",
    ("save", "404"): "the bridge asks for it again",
    ("delivery", "500"): "See HumHub's log",
    ("delivery", "redirects"): "End the maintenance mode",
    ("delivery", "404"): "humhub-bridge saves list",
    ("convert", "504"): "raise its read time-out",
    ("command", "page"): "A proxy between may have answered",
    ("health", "500"): "See whether all services of ONLYOFFICE Docs run",
    ("health", "closes"): "does it want https",
}
"""What to do about it, in a few words of what the line says."""


async def test_the_line_says_what_to_do(everything: All) -> None:
    found = {name: everything[name].line["remedy"] for name in TOLD}
    assert {name: remedy for name, remedy in found.items() if TOLD[name] not in remedy} == {}


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


# The page for admins


def told_on_the_page() -> dict[str, list[tuple[str, str]]]:
    """Give the rows of each table of docs/failures.md: outcome, and how why begins."""
    page = (Path(__file__).parents[2] / "docs" / "failures.md").read_text()
    tables: dict[str, list[tuple[str, str]]] = {}
    title = ""
    for line in page.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("| `"):
            outcome, why = [cell.strip().strip("`") for cell in line.split("|")[1:3]]
            tables.setdefault(title, []).append((outcome.replace("http-5xx", "http-5"), why))
    return tables


async def test_the_page_knows_every_line(everything: All) -> None:
    rows = [row for table in told_on_the_page().values() for row in table]
    lines = {(str(played.line["outcome"]), played.line.get("why", "")) for played in everything.values() if played.loud}
    unknown = [
        line
        for line in lines
        if not any(line[0].startswith(outcome) and line[1].startswith(why) for outcome, why in rows)
    ]
    assert unknown == []


async def test_the_page_tells_nothing_that_is_never_said() -> None:
    source = "".join(path.read_text() for path in (Path(__file__).parents[2] / "bridge").rglob("*.py"))
    for table in told_on_the_page().values():
        for outcome, why in table:
            assert f'"{outcome}' in source or outcome.startswith("http-"), outcome
            assert why in source, why
