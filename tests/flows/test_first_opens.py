"""People who open one document for the first time, all at once: each gets a key with which it loads and saves."""

from __future__ import annotations

import asyncio
import dataclasses
import re

import pytest
from yarl import URL

from bridge.config import Config
from bridge.demo.editor import RefusedError
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from bridge.demo.person import Person
from tests.flows.words import words
from tests.houses import MakeHouse

OPENERS = 24
TIMES = 100
AJAX = {"X-Requested-With": "XMLHttpRequest", "Accept-Encoding": "identity"}


async def posted(h: House) -> tuple[Person, str]:
    """Give a document that is on a post, so that everybody in the space may read it, and its author."""
    alice = await h.log_in("alice")
    guid = await alice.create("Minutes")
    await alice.post("For all", guid)
    h.humhub.shares.update({f"5ec7e7{mode}": (guid, mode) for mode in ("view", "edit")})
    return alice, guid


def spellings(h: House, guid: str) -> list[str]:
    """List how browsers may write the address of one file's editor page."""
    base, query = f"{h.browser_url}{h.humhub.settings.base_path}", f"guid={guid}&mode=edit"
    if not h.humhub.settings.pretty_urls:
        route = f"{base}/index.php?r=onlyoffice%2Fopen"
        return [
            f"{route}&{query}",
            f"{base}/?{query}&r=onlyoffice/open/index",
            f"{route}&{query.upper().replace('GUID', 'guid')}&cguid=x",
            f"{route}&share=5ec7e7view",
            f"{route}&share=5ec7e7edit",
        ]
    return [
        f"{base}/onlyoffice/open?{query}",
        f"{base}/onlyoffice/open/?guid=other&anchor=&_=1&{query}",
        f"{base}/onlyoffice/open/index?guid={guid.upper()}",
        f"{base}/index.php/onlyoffice/open?{query}",
        f"{base}/s/team/onlyoffice/open?{query}",
        f"{base}/onlyoffice/open?share=5ec7e7view",
        f"{base}/onlyoffice/open?share=5ec7e7edit",
    ]


def impatient(config: Config) -> Config:
    """Wait for HumHub's answers for a moment only."""
    upstream = dataclasses.replace(config.sites[0].upstream, connect=0.2, first_byte=0.2)
    return dataclasses.replace(config, sites=(dataclasses.replace(config.sites[0], upstream=upstream),))


async def key_of(person: Person, url: str) -> str:
    async with person.http.get(URL(url, encoded=True), headers=AJAX) as answer:
        found = re.search(r'"document":.*?"key":"(\w+)"', await answer.text())
    assert found, (answer.status, url)
    return found[1]


async def keys_of(people: list[Person], urls: list[str]) -> set[str]:
    """Let two dozen open at once, each in a way of their own."""
    openers = ((people[number % len(people)], urls[number % len(urls)]) for number in range(OPENERS))
    return set(await asyncio.gather(*(key_of(person, url) for person, url in openers)))


async def test_two_dozen_first_openers_get_one_key_a_hundred_times(h: House) -> None:
    alice, guid = await posted(h)
    people, file, given = [alice, await h.log_in("admin")], h.humhub.files[guid], set()
    for _ in range(TIMES):
        file.key = None
        keys = await keys_of(people, spellings(h, guid))
        assert keys == {file.key}
        given |= keys
    assert len(given) == TIMES


@pytest.mark.parametrize("humhub", [{"pretty_urls": False}, {"base_path": "/hub"}, {"read_to_write": 0}], ids=str)
async def test_they_do_in_every_kind_of_address(make_house: MakeHouse, humhub: dict[str, str]) -> None:
    h = await make_house(humhub=humhub)
    alice, guid = await posted(h)
    # The second time, the bridge knows which file the share links open.
    for _ in range(2):
        h.humhub.files[guid].key = None
        assert await keys_of([alice], spellings(h, guid)) == {h.humhub.files[guid].key}


async def test_without_the_bridge_they_lose(make_house: MakeHouse) -> None:
    h = await make_house(bridged=False, humhub={"clients": None}, docs={"clients": None})
    alice, guid = await posted(h)
    pages = await asyncio.gather(*(alice.open(guid) for _ in range(OPENERS)))
    assert len({page.key for page in pages}) > 1
    loser = next(page for page in pages if page.key != h.humhub.files[guid].key)
    with pytest.raises(RefusedError):
        await alice.editor(loser).open()
    assert all("404" in str(download.outcome) for download in h.docs.downloads)


async def test_those_who_opened_first_edit_together_and_are_saved(h: House) -> None:
    alice, guid = await posted(h)
    admin = await h.log_in("admin")
    pages = await asyncio.gather(*(person.open(guid) for person in (alice, admin) * 2))
    editors = [person.editor(page) for person, page in zip((alice, admin), pages[:2], strict=True)]
    for editor in editors:
        await editor.open()
    await editors[0].write("One key, ")
    await editors[1].see("One key, ")
    await editors[1].write("one document.")
    for editor in editors:
        await editor.leave()
    assert (await h.told(editors[0].key)).acknowledged
    assert words(h.humhub.files[guid].content()) == "One key, one document."


async def test_openers_and_a_conversion_share_a_key(h: House) -> None:
    """Docs downloads what it converts by that key, and the openers see what was there before."""
    h.humhub.seed_samples()
    guid = next(guid for guid, file in h.humhub.files.items() if file.name == "Minutes.odt")
    admin = await h.log_in("admin")
    url = str(admin.to("onlyoffice/open", guid=guid, mode="view"))
    await asyncio.gather(admin.convert(guid, "Minutes.docx"), *(key_of(admin, url) for _ in range(OPENERS)))
    assert h.humhub.files[guid].name == "Minutes.docx"
    assert not any("404" in str(download.outcome) for download in h.docs.downloads)


async def test_other_pages_and_other_files_do_not_wait(h: House) -> None:
    alice, guid = await posted(h)
    other = await alice.create("Other")
    h.humhub.faults.add("open", Fault(hang=30))
    stuck = asyncio.create_task(key_of(alice, spellings(h, guid)[0]))
    await h.until(lambda: not h.humhub.faults.left("open"))
    behind = asyncio.create_task(key_of(alice, spellings(h, guid)[0]))
    assert await alice.read(guid)
    assert await key_of(alice, spellings(h, other)[0]) == h.humhub.files[other].key
    assert not behind.done()
    for task in (behind, stuck):
        task.cancel()


async def test_openers_of_a_humhub_that_hangs_are_told_so(make_house: MakeHouse) -> None:
    h = await make_house(adjust=impatient)
    alice, guid = await posted(h)
    h.humhub.faults.add("open", Fault(hang=30), times=None)
    url = spellings(h, guid)[0]

    async def status() -> int:
        async with alice.http.get(URL(url, encoded=True), headers=AJAX) as answer:
            return answer.status

    assert set(await asyncio.gather(*(status() for _ in range(4)))) == {504}
    h.humhub.faults.clear()
    assert await key_of(alice, url) == h.humhub.files[guid].key
