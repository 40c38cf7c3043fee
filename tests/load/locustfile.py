"""Load: users who edit, Docs that downloads and calls back, HumHub that converts. `make load` runs it against the demo.

Every user logs in, creates a document of its own, and works with that, round after round. A round fails where an
answer isn't what it should be, or where HumHub doesn't have the edit in time. At its end a user looks once more whether
every edit that Docs ever acknowledged is in HumHub's document, and deletes the document.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import sys
import threading
import time
from abc import abstractmethod
from typing import Any, ClassVar

from locust import HttpUser, between, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import RescheduleTask, StopUser

from bridge.demo.person import EditorPage
from tests.load.aim import Aim, AimError, add_options, take_aim
from tests.load.measuring import FailedError, measured
from tests.load.pages import Pages, words_of
from tests.load.servers import DocsCalls, HumHubCalls, session
from tests.load.window import Window

_POLL = 0.25
_WORDS = 6
_FORMATS = ("pdf", "txt")
_numbers = itertools.count(1)


def _add_options(parser: LocustArgumentParser) -> None:
    add_options(parser)


def _take_aim(environment: Environment, **_: Any) -> None:
    """See that everything is there before anyone starts."""
    assert environment.parsed_options is not None
    needs = [leg for user in environment.user_classes if issubclass(user, Visitor) for leg in user.needs]
    try:
        Visitor.aim = take_aim(environment.parsed_options, needs)
    except AimError as error:
        sys.exit(f"The load can't run:\n{error}")


class Visitor(HttpUser):
    """Someone with a browser, logged in, with a document of one's own."""

    abstract = True
    needs: ClassVar[tuple[str, ...]] = ()
    """The legs, besides the browsers', that this user calls."""
    aim: ClassVar[Aim]
    wait_time = between(0.5, 2.0)
    _done: ClassVar[int] = 0

    def on_start(self) -> None:
        number = next(_numbers)
        name, password = self.aim.accounts[number % len(self.aim.accounts)]
        self.name = f"load-{secrets.token_hex(4)}"
        self.client.verify = self.aim.verify
        self.pages = Pages(self.client, self.aim.base, self.aim.pretty)
        self.rounds = 0
        self.guid = ""
        with contextlib.suppress(RescheduleTask):  # it is in the report
            self.pages.log_in(name, password)
            self.guid = self.pages.create(self.name)

    @task
    def round(self) -> None:
        """Play one round, and stop after the last; without a document there is nothing to do."""
        if not self.guid:
            self._stop()
        self.rounds += 1
        try:
            self.play()
        finally:
            if self.rounds == self.aim.rounds:
                self._stop()

    @abstractmethod
    def play(self) -> None:
        """Play one round."""

    def on_stop(self) -> None:
        if not self.guid:
            return
        with contextlib.suppress(RescheduleTask):  # it is in the report
            self.check()
            if not self.aim.keep:
                self.pages.delete(self.guid)

    def check(self) -> None:
        """Look at the document a last time."""

    def _stop(self) -> None:
        """Stop this user, and with the last one the run."""
        Visitor._done += 1
        runner = self.environment.runner
        if runner is not None and Visitor._done >= runner.target_user_count:
            # In a greenlet of its own, which is what a thread is here: the runner waits for its users, and this is one.
            threading.Thread(target=runner.quit).start()
        raise StopUser


class Writer(Visitor):
    """Opens its document in two windows, types in both, leaves, and waits until HumHub has it."""

    weight = 8

    def on_start(self) -> None:
        self.acknowledged: list[str] = []
        super().on_start()

    def play(self) -> None:
        if self.aim.replay:
            # What was recorded fits a new document alone.
            self.pages.delete(self.guid)
            self.guid, self.acknowledged = self.pages.create(self.name), []
        windows: list[Window] = []
        try:
            self._edit(windows)
        finally:
            for window in windows:
                window.leave()
        with measured(self.environment, "EDIT", "in HumHub after leaving"):
            self._wait_for_edits()

    def _edit(self, windows: list[Window]) -> None:
        for _ in range(1 if self.aim.replay else 2):
            window = Window(self.pages.open(self.guid), self.aim.verify, self.aim.open_within)
            windows.append(window)
            with measured(self.environment, "WS", "connect"):
                window.connect()
            with measured(self.environment, "WS", "document open"):
                window.load()
        if self.aim.replay:
            with measured(self.environment, "WS", "changes acknowledged"):
                windows[0].replay(self.aim.replay)
            self.acknowledged.append(self.aim.replay_shows)
            return
        for number in range(_WORDS):
            window, other = windows[number % 2], windows[(number + 1) % 2]
            word = f"{self.name}-{self.rounds}-{number} "
            with measured(self.environment, "WS", "change acknowledged"):
                window.write(word)
            self.acknowledged.append(word)
            with measured(self.environment, "WS", "change in the other window"):
                other.see(word)

    def check(self) -> None:
        with measured(self.environment, "EDIT", "all in HumHub at the end"):
            self._wait_for_edits()

    def _wait_for_edits(self) -> None:
        """Wait until HumHub's document has everything that Docs ever acknowledged."""
        deadline = time.monotonic() + self.aim.saved_within
        while missing := self._missing():
            if time.monotonic() > deadline:
                raise FailedError(f"{self.name} lacks {missing} after {self.aim.saved_within:g} s")
            time.sleep(_POLL)

    def _missing(self) -> list[str]:
        text = words_of(self.pages.read(self.guid))
        return [word for word in self.acknowledged if word not in text]


class Docs(Visitor):
    """ONLYOFFICE Docs with a document that was opened: downloads it, calls back, and saves what a conversion made."""

    weight = 1
    needs = ("docs", "humhub")

    def play(self) -> None:
        page = self.pages.open(self.guid)
        docs = DocsCalls(self.aim.docs, session(self.aim.docs, self, self.aim.verify), page)
        humhub = HumHubCalls(self.aim.humhub, session(self.aim.humhub, self, self.aim.verify))
        docs.joined()
        docs.download()
        # Docs must really have a file that it says it has saved: a conversion's result is one.
        file = _converted(self, humhub, page, "docx")
        body = humhub.fetch(file)
        docs.saved(file)
        docs.left()
        with measured(self.environment, "EDIT", "a forced save is in HumHub"):
            if self.pages.read(self.guid) != body:
                raise FailedError("HumHub's document is not what was saved")


class HumHub(Visitor):
    """HumHub with a document to convert: asks, asks again until it is done, and fetches the result."""

    weight = 1
    needs = ("humhub",)

    def play(self) -> None:
        page = self.pages.open(self.guid)
        humhub = HumHubCalls(self.aim.humhub, session(self.aim.humhub, self, self.aim.verify))
        humhub.fetch(_converted(self, humhub, page, _FORMATS[self.rounds % len(_FORMATS)]))


def _converted(user: Visitor, humhub: HumHubCalls, page: EditorPage, to: str) -> str:
    """Convert under a key of its own: Docs keeps results by key."""
    with measured(user.environment, "CONVERSION", f"to {to}, until it is done"):
        return humhub.convert(page, to, f"{page.key}_{secrets.token_hex(4)}")
    raise AssertionError


events.init_command_line_parser.add_listener(_add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(_take_aim)  # type: ignore[no-untyped-call]
