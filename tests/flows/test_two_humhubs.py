"""Two HumHubs behind one bridge, each with a secret, a header and addresses of its own: the module's calls of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from yarl import URL

from bridge.config import Config, KeyRingConfig, Listen, SiteConfig, UpstreamConfig
from bridge.demo.house import House
from bridge.demo.humhub import HumHubSettings, SmallHumHub
from bridge.demo.humhub.samples import odt
from bridge.demo.networks import HUMHUB, free_port
from bridge.demo.person import PageError, Person
from bridge.protocol.secret import Secret
from tests.flows import modal
from tests.flows.words import words
from tests.houses import MakeHouse

_SECRET = "other-humhub-secret-0123456789abcdef0123456789"
# What browsers call the two: other names for the same listener.
_HOSTS = ("127.0.0.1", "127.0.0.9")


@dataclass(frozen=True)
class Two:
    """A house, and another HumHub beside its own."""

    h: House
    other: SmallHumHub

    async def log_in(self, humhub: SmallHumHub, username: str) -> Person:
        port = self.h.addresses.browser.port
        host = _HOSTS[humhub is self.other]
        base = f"http://{host}:{port}{humhub.settings.base_path}"
        user = humhub.users[username]
        person = Person(username, user.password, base, pretty_urls=humhub.settings.pretty_urls)
        await person.log_in()
        return person


@asynccontextmanager
async def two(make_house: MakeHouse) -> AsyncIterator[Two]:
    port = free_port(HUMHUB.resident)

    def both(config: Config) -> Config:
        (own,) = config.sites
        upstream = UpstreamConfig(url=URL(f"http://{HUMHUB.resident}:{port}"), source_address=HUMHUB.bridge)
        ring = KeyRingConfig(header="X-Other-Jwt", secrets=(Secret(_SECRET),))
        other = SiteConfig(name="other", upstream=upstream, hosts=(_HOSTS[1],), base_path="/hub", jwt=ring)
        everywhere = replace(config.legs.browser, listen=Listen("0.0.0.0", config.legs.browser.listen.port))
        return replace(
            config,
            sites=(replace(own, hosts=(_HOSTS[0],)), other),
            legs=replace(config.legs, browser=everywhere),
        )

    h = await make_house(adjust=both, without=("bridge",))
    h.humhub.reconfigure(
        server_url="https://docs.one.test/ds",
        internal_server_url=f"http://{h.addresses.humhub_leg}/s/demo",
        storage_url=f"http://{h.addresses.docs_leg}/s/demo",
    )
    settings = HumHubSettings(
        server_url="http://docs.other.test:8080",
        internal_server_url=f"http://{h.addresses.humhub_leg}/s/other",
        storage_url=f"http://{h.addresses.docs_leg}/s/other",
        secret=_SECRET,
        header="X-Other-Jwt",
        base_path="/hub",
        pretty_urls=False,
        clients=HUMHUB.cidr,
        source_address=HUMHUB.resident,
    )
    other = SmallHumHub(settings, h.directory / "other")
    await other.start(HUMHUB.resident, port)
    await h.start_bridge()
    try:
        yield Two(h, other)
    finally:
        await other.stop()


async def test_each_saves_as_renames_converts_and_stores_by_itself(make_house: MakeHouse) -> None:
    async with two(make_house) as t:
        for humhub in (t.h.humhub, t.other, t.h.humhub):
            alice = await t.log_in(humhub, "alice")
            async with alice:
                guid = await alice.create("Minutes")
                page = await alice.open(guid)
                editor = alice.editor(page)
                await editor.open()
                await editor.write("Of one of two.")
                copy = await modal.save_as(alice, page, editor, "Copy", "txt")
                assert humhub.files[copy["guid"]].content().decode("utf-8-sig").strip() == "Of one of two."
                await modal.rename(alice, page, "Renamed")
                await editor.hear_of("Renamed.docx")
                await editor.leave()
                assert (await t.h.told(editor.key)).acknowledged
                assert words(humhub.files[guid].content()) == "Of one of two."
                text = humhub.add_file("to convert.odt", odt("One line."), owner="alice")
                await alice.convert(text.guid, "converted.docx")
                assert words(text.content())


async def test_neither_converts_a_file_of_the_other(make_house: MakeHouse) -> None:
    async with two(make_house) as t:
        file = t.other.add_file("secret.odt", odt("One line."))
        doc = t.other.document_hash(file.document_key(), None)
        url = t.other.settings.storage_url + t.other.links().to("onlyoffice/backend/download", doc=doc)
        asked = await t.h.humhub.outgoing.convert(url, from_ext="odt", to_ext="docx", key="k1", run_async=False)
        assert asked == {"error": "Error document request"}
        assert t.h.docs.downloads == []
        # Nor by the other's own address on the humhub leg: the secret is another one.
        t.h.humhub.reconfigure(internal_server_url=t.other.settings.internal_server_url)
        asked = await t.h.humhub.outgoing.convert(url, from_ext="odt", to_ext="docx", key="k1", run_async=False)
        assert asked == {"error": "Invalid token"}


async def test_neither_saves_as_for_the_other(make_house: MakeHouse) -> None:
    async with two(make_house) as t:
        alice = await t.log_in(t.h.humhub, "alice")
        async with alice:
            page = await alice.open(await alice.create("Minutes"))
            api = URL(page.api["saveasUrl"]).with_host(_HOSTS[1])
            with pytest.raises(PageError):
                await alice.send(api, {"name": "x.docx", "url": "http://x/cache/files/data/k_1/x"})
