"""Each thing that HumHub and Docs may do about a save, and what there is then: at HumHub, in the spool, and at Docs.

The tables are the facts; `docs/saves.md` tells why. Each row is played: a document that HumHub has with the old text is
saved with the new one, by Docs itself where it can, while something goes wrong. Then it stops going wrong, and courier
and sweep have their time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from bridge.demo.docs import Fault as DocsFault
from bridge.demo.editor import RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from tests.flows.plays import Mishap, Play, Played, impatient, played, which
from tests.flows.tables import Table
from tests.houses import MakeHouse
from tests.legs.fakes import serving

# So many houses have their mishap at the same time; more would make each slow.
_AT_A_TIME = 3


@dataclass(frozen=True)
class AtTrack(Mishap):
    """HumHub's track route misbehaves."""

    fault: Fault | None = None

    async def begin(self, h: House) -> None:
        if self.fault is not None:
            h.humhub.faults.add("track", self.fault, times=None)


class Away(Mishap):
    """HumHub is not there."""

    async def begin(self, h: House) -> None:
        await h.stop_humhub()

    async def end(self, h: House) -> None:
        await h.start_humhub()


@dataclass(frozen=True)
class AtFile(Mishap):
    """Docs doesn't give the edited file."""

    fault: DocsFault | None = None

    async def begin(self, h: House) -> None:
        if self.fault is not None:
            h.docs.faults.add("file", self.fault)


OUTCOMES: dict[str, dict[str, Mishap]] = {
    "says that it has it": {"200, error 0": AtTrack()},
    "does not take it": {
        "200, error 1": AtTrack(Fault(status=200, said='{"error":1}')),
        "200, a page": AtTrack(Fault(page=True)),
        "201": AtTrack(Fault(status=201)),
        "204": AtTrack(Fault(status=204, said="")),
        "302": AtTrack(Fault(redirect="http://127.0.20.1/user/auth/login")),
        "429": AtTrack(Fault(status=429)),
        "500 at once": AtTrack(Fault(status=500)),
        "500 after the pull": AtTrack(Fault(after_fetch=True)),
        "503": AtTrack(Fault(status=503)),
        "no answer": AtTrack(Fault(hang=30)),
        "refused": Away(),
        "403": AtTrack(Fault(status=403)),
    },
    "stores it, then fails": {
        "500": AtTrack(Fault(after_store="500")),
        "cut": AtTrack(Fault(after_store="cut")),
    },
    "stores it, and does not say so": {
        "no answer in time": AtTrack(Fault(late=2.5)),
        "200 and no byte": AtTrack(Fault(empty=True)),
    },
    "knows no such key": {"404": AtTrack(Fault(status=404))},
}

OF_HUMHUB = Table.read(
    """
HumHub, told of a save         | save | Docs   | spool                    | HumHub           | kept at | a re-open | in the end: spool        | HumHub           | kept at
                               |      | hears  |                          |                  | Docs    | shows     |                          |                  | Docs
-------------------------------+------+--------+--------------------------+------------------+---------+-----------+--------------------------+------------------+--------
says that it has it            | 2    | 0      | delivered as 2           | new, key cleared | none    | new       | delivered as 2           | new, key cleared | none
                               | 3    | 0      | delivered as 3           | new, key cleared | none    | new       | delivered as 3           | new, key cleared | none
                               | 6, 7 | 0      | delivered as 6           | new, key kept    | none    | new       | delivered as 6           | new, key kept    | none
does not take it               | 2    | 1      | waiting                  | old, key kept    | new     | new       | delivered as 6           | new, key kept    | none
                               | 3    | 1      | waiting                  | old, key kept    | none    | new       | delivered as 6           | new, key kept    | none
                               | 6, 7 | 1      | waiting                  | old, key kept    | none    | new       | delivered as 6           | new, key kept    | none
stores it, then fails          | 2    | 1      | waiting                  | new, key kept    | new     | new       | delivered as 6           | new, key kept    | none
                               | 3    | 1      | waiting                  | new, key kept    | none    | new       | delivered as 6           | new, key kept    | none
                               | 6, 7 | 1      | waiting                  | new, key kept    | none    | new       | delivered as 6           | new, key kept    | none
stores it, and does not say so | 2, 3 | 0      | delivered as 2, inferred | new, key cleared | none    | new       | delivered as 2, inferred | new, key cleared | none
                               | 6, 7 | 1      | waiting                  | new, key kept    | none    | new       | delivered as 6           | new, key kept    | none
knows no such key              | 2    | 1      | dead                     | old, key kept    | new     | new       | dead                     | old, key kept    | new
                               | 3, 7 | 1      | dead                     | old, key kept    | none    | old       | dead                     | old, key kept    | none
                               | 6    | 1      | dead                     | old, key kept    | none    | new       | dead                     | old, key kept    | none
""",
    names=2,
)
"""A 6 leaves its session open: who re-opens joins it. The small Docs keeps nothing of a 3 and a 7, which HumHub or the
spool then have, or a person who reads the list of dead letters."""

OTHERWISE = Table.read(
    """
HumHub                         | status | Docs hears
-------------------------------+--------+-----------
says that it has it            | 1, 4   | 0
does not take it               | 1, 4   | 0
stores it, then fails          | 1, 4   | 0
stores it, and does not say so | 1, 4   | 0
knows no such key              | 1, 4   | 1
""",
    names=2,
)
"""News is passed on, and what HumHub says of it counts only where it won't pass: a 404, and a 403. Without a file the
rest isn't passed on: Docs hears 0 to a 0, 5 and 7, and 1 to a 2, 3 and 6, since nothing was saved."""

FILES: dict[str, dict[str, Mishap]] = {
    "does not give it": {
        "403": AtFile(DocsFault("status", status=403)),
        "404": AtFile(DocsFault("status", status=404)),
        "500": AtFile(DocsFault("status", status=500)),
        "a page": AtFile(DocsFault("page")),
        "a redirect": AtFile(DocsFault("redirect")),
        "no byte": AtFile(DocsFault("empty")),
        "a cut": AtFile(DocsFault("cut")),
        "a byte less than promised": AtFile(DocsFault("lie")),
        "no answer": AtFile(DocsFault("hang", seconds=2.5)),
    },
    "gives what is no document": {"a text": AtFile()},
}

OF_DOCS = Table.read(
    """
Docs, asked for the file  | save | Docs   | spool | HumHub        | kept at | a re-open | in the end: spool | HumHub        | kept at
                          |      | hears  |       |               | Docs    | shows     |                   |               | Docs
--------------------------+------+--------+-------+---------------+---------+-----------+-------------------+---------------+--------
does not give it          | 2    | 1      | none  | old, key kept | new     | new       | delivered as 6    | new, key kept | none
                          | 3, 7 | 1      | none  | old, key kept | none    | old       | none              | old, key kept | none
                          | 6    | 1      | none  | old, key kept | none    | new       | none              | old, key kept | none
gives what is no document | 2, 6 | 1      | none  | old, key kept | none    | old       | none              | old, key kept | none
                          | 3, 7 | 1      | dead  | old, key kept | none    | old       | dead              | old, key kept | none
""",
    names=2,
)
"""What Docs keeps of a 2 is taken by the sweep as soon as Docs gives it."""

NO_DOCUMENT = b"Neither old nor new."


class Stories:
    """All the houses of a table, played at the same time when the first of them is asked for."""

    def __init__(
        self, directory: Path, mishaps: dict[str, dict[str, Mishap]], file: Callable[[str], bytes | None]
    ) -> None:
        self._directory = directory
        self._mishaps = {(does, how): mishap for does, hows in mishaps.items() for how, mishap in hows.items()}
        self._file = file
        self._played: dict[tuple[str, str], Played | BaseException] = {}

    def told(self, does: str, how: str) -> Played:
        if not self._played:
            self._played = asyncio.run(self._play())
        story = self._played[does, how]
        if isinstance(story, BaseException):
            raise story
        return story

    async def _play(self) -> dict[tuple[str, str], Played | BaseException]:
        busy = asyncio.Semaphore(_AT_A_TIME)
        stories = [
            played(self._directory / f"house{number}", mishap, busy, file=self._file(does))
            for number, ((does, _), mishap) in enumerate(self._mishaps.items())
        ]
        found = await asyncio.gather(*stories, return_exceptions=True)
        return dict(zip(self._mishaps, found, strict=True))


@pytest.fixture(scope="module")
def of_humhub(tmp_path_factory: pytest.TempPathFactory) -> Stories:
    return Stories(tmp_path_factory.mktemp("humhub"), OUTCOMES, lambda _: None)


@pytest.fixture(scope="module")
def of_docs(tmp_path_factory: pytest.TempPathFactory) -> Stories:
    return Stories(tmp_path_factory.mktemp("docs"), FILES, lambda does: NO_DOCUMENT if "no document" in does else None)


def rows(table: Table, mishaps: dict[str, dict[str, Mishap]]) -> list[tuple[str, str, str]]:
    return [(does, how, kind) for does, kind in table.rows for how in mishaps[does]]


@pytest.mark.parametrize(("does", "how", "kind"), rows(OF_HUMHUB, OUTCOMES))
def test_each_outcome_of_humhub_leaves_every_edit_somewhere(of_humhub: Stories, does: str, how: str, kind: str) -> None:
    assert of_humhub.told(does, how).fates[kind].cells == OF_HUMHUB.rows[does, kind]


@pytest.mark.parametrize(("does", "how"), [(does, how) for does, hows in OUTCOMES.items() for how in hows])
def test_a_session_goes_on_after_a_forced_save_and_ends_well(of_humhub: Stories, does: str, how: str) -> None:
    assert of_humhub.told(does, how).fates["6"].left == "0"


@pytest.mark.parametrize(("does", "how", "status"), rows(OTHERWISE, OUTCOMES))
def test_news_fails_only_where_it_will_not_pass(of_humhub: Stories, does: str, how: str, status: str) -> None:
    (heard,) = OTHERWISE.rows[does, status]
    assert of_humhub.told(does, how).news[status] == ("1" if how == "403" else heard)


@pytest.mark.parametrize(("does", "how"), [(does, how) for does, hows in OUTCOMES.items() for how in hows])
def test_without_a_file_nothing_is_said_to_be_saved(of_humhub: Stories, does: str, how: str) -> None:
    news = of_humhub.told(does, how).news
    assert {status: news[status] for status in "023567"} == {"0": "0", "2": "1", "3": "1", "5": "0", "6": "1", "7": "0"}


@pytest.mark.parametrize(("does", "how", "kind"), rows(OF_DOCS, FILES))
def test_what_docs_does_not_give_reaches_nobody_until_it_gives_it(
    of_docs: Stories, does: str, how: str, kind: str
) -> None:
    assert of_docs.told(does, how).fates[kind].cells == OF_DOCS.rows[does, kind]


@pytest.mark.parametrize("how", FILES["does not give it"])
def test_a_session_goes_on_after_a_forced_save_whose_file_never_came(of_docs: Stories, how: str) -> None:
    assert of_docs.told("does not give it", how).fates["6"].left == "0"


async def test_the_sweep_outlives_a_docs_that_was_away(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    play = await Play.begin(h, await h.log_in("alice"), "2")
    h.docs.faults.add("file", DocsFault("status", status=404))
    await play.save()
    await h.kill_docs()
    await asyncio.sleep(1.2)  # two sweeps find nobody there
    await h.start_docs()
    await h.until(lambda: play.content() == "new" and not h.docs.forgotten, within=15)


# What Docs makes of an answer: the facts about the real one that the rules stand on, as the small one shows them.

ANSWERS: dict[str, Fault] = {
    "200, error 0": Fault(status=200, said='{"error":0}'),
    "200, error 1": Fault(status=200, said='{"error":1}'),
    "200, a text": Fault(page=True),
    "200, nothing": Fault(status=200, said=""),
    "201": Fault(status=201, said='{"error":0}'),
    "204": Fault(status=204, said=""),
    "400": Fault(status=400),
    "404": Fault(status=404),
    "429": Fault(status=429),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "a reset": Fault(hang=0),
}

OF_ANSWERS = Table.read(
    """
answer to a 2, 6 | save | tries | Docs keeps | an editor who re-opens | a viewer sees
-----------------+------+-------+------------+------------------------+--------------
200, error 0     | 2    | 1     | none       | is told to reload      | old
302              | 2    | 1     | none       | is told to reload      | old
200, error 1     | 2    | 1     | new        | new                    | new
200, a text      | 2    | 1     | new        | new                    | new
200, nothing     | 2    | 1     | new        | new                    | new
201              | 2    | 1     | new        | new                    | new
204              | 2    | 1     | new        | new                    | new
400              | 2    | 1     | new        | new                    | new
404              | 2    | 1     | new        | new                    | new
429              | 2    | 4     | new        | new                    | new
500              | 2    | 4     | new        | new                    | new
503              | 2    | 4     | new        | new                    | new
a reset          | 2    | 4     | new        | new                    | new
200, error 0     | 6    | 1     | none       | new                    | new
302              | 6    | 1     | none       | new                    | new
200, error 1     | 6    | 1     | none       | new                    | new
404              | 6    | 1     | none       | new                    | new
503              | 6    | 1     | none       | new                    | new
a reset          | 6    | 1     | none       | new                    | new
""",
    names=2,
)
"""Nobody stored anything here: the first two rows are lost edits. So Docs hears 0 only for what HumHub has, and never a
redirect."""


async def house_without_bridge(make_house: MakeHouse) -> House:
    both = {"secret": "one-secret-0123456789abcdef0123456789", "header": "Authorization", "clients": None}
    return await make_house(bridged=False, humhub=both, docs={**both, "retry_delays": (0, 0, 0)})


async def shown(play: Play, mode: str) -> str:
    try:
        again = await play.person.edit(play.guid, mode)
    except RefusedError as error:
        return "is told to reload" if error.code == "updateversion" else f"{error}"
    assert again.key == play.page.key
    assert again.warnings == ([-201] if play.at_docs() != "none" else [])
    return which(again.text)


@pytest.mark.parametrize(("answer", "kind"), OF_ANSWERS.rows)
async def test_what_docs_makes_of_an_answer(make_house: MakeHouse, answer: str, kind: str) -> None:
    h = await house_without_bridge(make_house)
    play = await Play.begin(h, await h.log_in("alice"), kind)
    async with serving() as elsewhere:
        elsewhere.answers(web.json_response({"error": 0}))
        h.humhub.faults.add("track", ANSWERS.get(answer, Fault(redirect=f"{elsewhere.url}/ok")), times=None)
        await play.save()
        callback = await h.told(play.page.key, int(kind))
        assert [(seen.method, seen.body) for seen in elsewhere.seen] == ([("GET", b"")] if answer == "302" else [])
    h.humhub.faults.clear()
    assert play.content() == "old"
    found = (str(len(callback.attempts)), play.at_docs(), await shown(play, "edit"), await shown(play, "view"))
    assert found == OF_ANSWERS.rows[answer, kind]
