"""No recording is left out: each of the kinds that a bridge has to do with has an expectation, and each of those one."""

from __future__ import annotations

import re

import pytest

from tests.flows.expected import Ledger
from tests.flows.recorded import FOUND, IS_COMPLETE, KINDS, NOT_SERVED, OTHERS, PAGES, REST, unexplained
from tests.legs.fakes import DOCS_SECRET, claims_of

# By hand, so that a reader that finds nothing is found out.
COUNTS = {
    "callbacks": 160,
    "commands": 30,
    "conversions": 130,
    "converts": 10,
    "download-answers": 18,
    "downloads": 276,
    "files": 19,
    "pages": 24,
    "track-answers": 46,
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_recording_has_an_expectation_and_each_expectation_a_recording(
    kind: str, ledgers: dict[str, Ledger]
) -> None:
    if ledgers[kind].writing:
        pytest.skip("expectations are being written")
    expected = ledgers[kind].stored().keys()
    assert not FOUND[kind].keys() - expected, "recordings of which nothing is expected"
    assert not expected - FOUND[kind].keys(), "expectations without a recording"


def test_all_are_there() -> None:
    assert {kind: len(found) for kind, found in FOUND.items()} == COUNTS


def test_what_is_of_no_kind_is_so_for_a_reason() -> None:
    assert not unexplained(REST)
    if IS_COMPLETE:
        idle = [pattern for pattern in OTHERS if not any(re.match(pattern, name) for name in REST)]
        assert not idle, "reasons for nothing"


def test_what_is_not_served_was_recorded() -> None:
    known = {name for kind in ("conversions", "commands", "files") for name in FOUND[kind]}
    assert len(NOT_SERVED) == 7
    assert known >= NOT_SERVED.keys()


def test_each_opened_editor_page_is_there_whole() -> None:
    opened = {
        name
        for name, one in FOUND["pages"].items()
        if one["response"]["status"] == 200 and "html" in dict(one["response"]["headers"])["Content-Type"]
    }
    assert opened == PAGES.keys()


def test_the_recorded_tokens_are_what_docs_signs_with() -> None:
    for row in FOUND["callbacks"].values():
        if isinstance(row.get("body"), dict):
            assert claims_of(row["body"]["token"], DOCS_SECRET)["key"] == row["body"]["key"]
