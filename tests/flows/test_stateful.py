"""Stories that nobody thought of, made up by Hypothesis: whatever happens, nothing that was saved is missing in the end.

`EXAMPLES=200 pytest tests/flows/test_stateful.py` tells so many, another lot each time, and looks for the shortest that
goes wrong.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from bridge.demo.docs import Fault as DocsFault
from bridge.demo.humhub import Fault
from tests.flows.life import DOCUMENTS, WRITERS, Life

# More often than not it is the same document: what happens to one alone isn't what breaks.
WHO, WHAT = st.sampled_from(WRITERS), st.sampled_from((DOCUMENTS[0], *DOCUMENTS))

HUMHUB = {
    "fail": Fault(status=500),
    "refuse": Fault(status=403),
    "answer a page": Fault(page=True),
    "say nothing": Fault(hang=1.2),
    "fail after the pull": Fault(after_fetch=True),
    "store and fail": Fault(after_store="500"),
    "store and hang up": Fault(after_store="cut"),
    "store and say nothing": Fault(empty=True),
    "store and answer too late": Fault(late=1.2),
}
DEATHS = {
    "die while it stores": Fault(dies="writing"),
    "store and die": Fault(dies="stored"),
    "store, clear the key and die": Fault(dies="cleared"),
}
DOCS = {
    "404": DocsFault("status", status=404),
    "500": DocsFault("status", status=500),
    "a page": DocsFault("page"),
    "a cut": DocsFault("cut"),
    "a byte less": DocsFault("lie"),
}


class Stories(RuleBasedStateMachine):
    """Each rule is something that happens in a house."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.life = Life(directory)
        self.runner = asyncio.Runner()
        self.is_whole = True
        self.patient = False
        self.running = {*Life.RUNNING}

    def happens(self, happening: Awaitable[None]) -> None:
        async def play() -> None:
            await happening
            await self.life.look()

        try:
            self.runner.run(play())
        except BaseException as error:
            self.is_whole = False
            error.add_note("\n".join(["The story:", *self.life.story]))
            raise

    @initialize(patient=st.booleans())
    def it_begins(self, *, patient: bool) -> None:
        self.patient = patient
        self.happens(self.life.begin())

    @rule(who=WHO, what=WHAT)
    def someone_writes(self, who: str, what: str) -> None:
        self.happens(self.life.write(who, what))

    @rule(who=WHO, what=WHAT)
    def someone_writes_and_saves(self, who: str, what: str) -> None:
        self.happens(self.life.write(who, what))
        self.happens(self.life.save(who, what))

    @rule(who=WHO, what=WHAT, how=st.none() | st.sampled_from([*HUMHUB]), once=st.booleans(), back=st.none() | WHO)
    def someone_writes_and_all_leave(
        self, who: str, what: str, how: str | None, *, once: bool, back: str | None
    ) -> None:
        """Save for good; more often than not while HumHub does something else, and someone comes back for more."""
        if how is not None:
            self.happens(self.life.humhub_fails(how, HUMHUB[how], 1 if once else None))
        self.happens(self.life.write(who, what))
        self.happens(self.life.all_leave(what))
        if back is not None:
            self.happens(self.life.write(back, what))

    @rule(who=WHO, what=WHAT, how=st.sampled_from(("leave", "vanish", "read")))
    def someone_does_something_else(self, who: str, what: str, how: str) -> None:
        match how:
            case "leave":
                self.happens(self.life.leave(who, what))
            case "vanish":
                self.happens(self.life.vanish(who, what))
            case "read":
                self.happens(self.life.read(what))

    @rule(seconds=st.sampled_from((0.1, 0.6, 10)))
    def time_passes(self, seconds: float) -> None:
        self.happens(self.life.wait(seconds) if seconds < 1 else self.life.time_flies())

    @rule(how=st.sampled_from([*HUMHUB, *DEATHS]), once=st.booleans())
    def humhub_fails(self, how: str, *, once: bool) -> None:
        self.happens(self.life.humhub_fails(how, {**HUMHUB, **DEATHS}[how], 1 if once or how in DEATHS else None))

    @rule(how=st.sampled_from([*DOCS]))
    def docs_gives_files_badly(self, how: str) -> None:
        self.happens(self.life.docs_fails(how, DOCS[how]))

    @rule(who=st.sampled_from(Life.RUNNING))
    def one_goes_or_comes_back(self, who: str) -> None:
        self.happens(self.life.goes(who) if who in self.running else self.life.comes(who))
        self.running ^= {who}

    @rule(who=st.sampled_from(Life.RUNNING))
    def one_restarts(self, who: str) -> None:
        if who in self.running:
            self.happens(self.life.goes(who))
            self.happens(self.life.comes(who))

    @rule()
    def docs_loses_copies(self) -> None:
        self.happens(self.life.docs_loses_copies())

    @rule(seconds=st.sampled_from((0, 10)))
    def all_is_well(self, seconds: int) -> None:
        self.happens(self.life.all_is_well())
        if seconds:
            self.happens(self.life.time_flies())

    def teardown(self) -> None:
        try:
            if self.is_whole:
                self.it_ends()
        finally:
            self.runner.run(self.life.close())
            self.runner.close()

    def it_ends(self) -> None:
        for who in Life.RUNNING:
            if who not in self.running:
                self.happens(self.life.comes(who))
        self.happens(self.life.end(patient=self.patient))


def lot() -> settings:
    """Choose how many stories: in the suite always the same ones, as many as fit in some 40 s."""
    wanted = os.environ.get("EXAMPLES")
    usual = settings(
        max_examples=20,
        stateful_step_count=15,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    if wanted is None:
        return usual
    return settings(usual, max_examples=int(wanted), derandomize=False, phases=[Phase.generate, Phase.shrink])


@pytest.mark.timeout(0)
def test_whatever_happens_nothing_that_was_saved_is_missing_in_the_end(tmp_path: Path) -> None:
    number = itertools.count(1)

    def begun() -> Stories:
        return Stories(tmp_path / f"house{next(number)}")

    run_state_machine_as_test(begun, settings=lot())  # type: ignore[arg-type]  # any factory will do
