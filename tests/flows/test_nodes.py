"""Several Docs nodes behind one bridge: whatever one made is fetched from that one, and from no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from yarl import URL

from bridge.config import Config, NodeConfig, UpstreamConfig
from bridge.demo.docs import Callback, SmallDocs
from bridge.demo.docs import Fault as DocsFault
from bridge.demo.editor import Editor
from bridge.demo.house import House
from bridge.demo.humhub import Fault
from bridge.demo.networks import DOCS, free_port
from bridge.demo.person import EditorPage, Person
from tests.flows import modal
from tests.flows.test_by_hand import call
from tests.flows.test_module_calls import save_settings
from tests.flows.words import words
from tests.houses import MakeHouse

# So many tries bring both nodes into play, but for one time in a million.
_TRIES = 20


@dataclass(frozen=True)
class Pair:
    """A house with two nodes."""

    h: House
    nodes: tuple[SmallDocs, SmallDocs]

    def of(self, key: str) -> SmallDocs:
        """Give the node that has a session on a key."""
        (found,) = [node for node in self.nodes if key in node.sessions]
        return found

    async def on_both(self, person: Person) -> list[tuple[str, EditorPage, Editor]]:
        """Open documents until each node has one."""
        opened: dict[int, tuple[str, EditorPage, Editor]] = {}
        for number in range(_TRIES):
            guid = await person.create(f"Minutes {number}")
            page = await person.open(guid)
            editor = person.editor(page)
            await editor.open()
            if opened.setdefault(id(self.of(page.key)), (guid, page, editor))[2] is not editor:
                await editor.leave()
            if len(opened) == len(self.nodes):
                return list(opened.values())
        raise AssertionError("one node gets everything")

    async def told(self, key: str, status: int = 2) -> Callback:
        """Wait until a node has heard the answer to its callback."""

        def settled() -> list[Callback]:
            known = [one for node in self.nodes for one in node.callbacks]
            return [one for one in known if (one.key, one.status) == (key, status) and one.acknowledged is not None]

        await self.h.until(lambda: bool(settled()))
        return settled()[0]


@asynccontextmanager
async def pair(make_house: MakeHouse) -> AsyncIterator[Pair]:
    port = free_port(DOCS.resident)
    upstream = UpstreamConfig(url=URL(f"http://{DOCS.resident}:{port}"), source_address=DOCS.bridge)

    def two(config: Config) -> Config:
        nodes = (*config.docs.nodes, NodeConfig(name="docs-2", upstream=upstream))
        saves = replace(config.saves, deadline=0.2, attempt=1.5, sweep=0.2)
        return replace(config, docs=replace(config.docs, nodes=nodes), saves=saves)

    h = await make_house(adjust=two)
    second = SmallDocs(h.docs.settings, h.directory / "docs-2")
    await second.start(DOCS.resident, port)
    try:
        yield Pair(h, (h.docs, second))
    finally:
        await second.stop()


async def test_documents_are_edited_saved_and_saved_as_on_their_own_nodes(make_house: MakeHouse) -> None:
    async with pair(make_house) as p:
        alice = await p.h.log_in("alice")
        for number, (guid, page, editor) in enumerate(await p.on_both(alice)):
            await editor.write(f"Text {number}")
            told = await modal.save_as(alice, page, editor, f"Copy {number}", "txt")
            copy = p.h.humhub.files[told["guid"]].content().decode("utf-8-sig")
            assert copy.strip() == f"Text {number}"
            assert await editor.force_save()
            await editor.write(", and more")
            await editor.leave()
            assert (await p.told(page.key)).acknowledged
            assert words(p.h.humhub.files[guid].content()) == f"Text {number}, and more"
        assert all(node.callbacks for node in p.nodes)


async def test_what_no_node_could_deliver_is_delivered_from_each(make_house: MakeHouse) -> None:
    async with pair(make_house) as p:
        alice = await p.h.log_in("alice")
        opened = await p.on_both(alice)
        p.h.humhub.faults.add("track", Fault(status=503), times=None)
        for _, _, editor in opened:
            await editor.write("Kept by Docs.")
            await editor.leave()
        for _, page, _ in opened:
            assert not (await p.told(page.key)).acknowledged
        assert all(len(node.forgotten) == 1 for node in p.nodes)
        p.h.humhub.faults.clear()
        for entry in (await call(p.h, "GET", "?state=waiting"))["saves"]:
            await call(p.h, "POST", f"/{entry['id']}/deliver")
        files = [p.h.humhub.files[guid] for guid, _, _ in opened]
        await p.h.until(lambda: all(words(file.content()) == "Kept by Docs." for file in files))
        await p.h.until(lambda: not any(node.forgotten for node in p.nodes))


async def test_conversions_are_fetched_from_the_node_that_made_them(make_house: MakeHouse) -> None:
    async with pair(make_house) as p:
        p.h.humhub.seed_samples()
        original = modal.named(p.h.humhub.files, "Minutes.odt")
        admin = await p.h.log_in("admin")
        for number in range(_TRIES):
            copy = p.h.humhub.add_file(f"{number}.odt", original.content())
            await admin.convert(copy.guid, f"{number}.docx")
            assert words(p.h.humhub.files[copy.guid].content())
            if all(node._conversions.works for node in p.nodes):
                break
        else:
            raise AssertionError("one node converts everything")


async def test_what_one_node_made_is_converted_further_by_another(make_house: MakeHouse) -> None:
    async with pair(make_house) as p:
        p.h.humhub.seed_samples()
        file = modal.named(p.h.humhub.files, "Minutes.odt")
        out, admin = p.h.humhub.outgoing, p.h.humhub.users["admin"]
        doc = p.h.humhub.document_hash(file.new_key(), admin.guid)
        url = p.h.humhub.settings.storage_url + p.h.humhub.links().to("onlyoffice/backend/download", doc=doc)
        first = await out.convert(url, from_ext="odt", to_ext="docx", key="first", run_async=False)
        (maker,) = [node for node in p.nodes if node._conversions.works]
        made = await out.fetch(first["fileUrl"])
        for number in range(_TRIES):
            key = f"next_{number}x"
            result = await out.convert(first["fileUrl"], from_ext="docx", to_ext="txt", key=key, run_async=False)
            text = (await out.text(result["fileUrl"])).removeprefix("\ufeff")
            assert text.splitlines() == words(made.path.read_bytes()).splitlines()
            if any(node._conversions.works for node in p.nodes if node is not maker):
                break
        else:
            raise AssertionError("one node converts everything")


async def test_one_sick_node_is_no_healthy_docs(make_house: MakeHouse) -> None:
    async with pair(make_house) as p:
        admin = await p.h.log_in("admin")
        assert (await save_settings(p.h.humhub, admin))[0] == "success"
        for node in p.nodes:
            node.faults.add("health", DocsFault("status", status=502), times=1)
            kind, text = await save_settings(p.h.humhub, admin)
            assert (kind, "Bad healthcheck status" in text) == ("danger", True), text
        assert (await save_settings(p.h.humhub, admin))[0] == "success"
