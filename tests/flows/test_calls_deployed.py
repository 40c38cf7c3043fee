"""The module's other calls in every way to set the bridge up: each site by itself, and none with another's."""

from __future__ import annotations

import pytest
from yarl import URL

from bridge.demo.house import House
from bridge.demo.humhub.samples import odt
from bridge.demo.person import PageError, Person
from tests.deployments import Deployment, pairwise
from tests.flows import modal
from tests.flows.test_module_calls import save_settings
from tests.flows.words import words
from tests.houses import MakeHouse


async def shares(h: House, alice: Person, guid: str) -> None:
    """Let a guest write by a shared link."""
    settings = h.humhub.settings
    base = str(alice.base)
    async with Person("", "", base, pretty_urls=settings.pretty_urls, trust=alice.trust) as stranger:
        editor = stranger.editor(await stranger.open_at(await modal.share(alice, guid, "edit")))
        await editor.open()
        await editor.write(" And a guest's.")
        await editor.leave()


@pytest.mark.parametrize("deployment", pairwise(), ids=str)
async def test_the_modules_calls_go_well_for_each_site(make_house: MakeHouse, deployment: Deployment) -> None:
    h = await make_house(**deployment.options)
    for site, humhub in enumerate(h.humhubs):
        if deployment.door == "front door":
            humhub.reconfigure(server_url=f"https://docs-{site}.public.test/office")
        alice, admin = await h.log_in("alice", site), await h.log_in("admin", site)
        guid = await alice.create("Minutes")
        page = await alice.open(guid)
        editor = alice.editor(page)
        await editor.open()
        await editor.write(f"Of site {site}.")
        copy = await modal.save_as(alice, page, editor, "Copy", "txt")
        assert humhub.files[copy["guid"]].content().decode("utf-8-sig").strip() == f"Of site {site}."
        await modal.rename(alice, page, "Renamed")
        await editor.hear_of("Renamed.docx")
        await shares(h, alice, guid)
        await editor.see("guest's.")
        await editor.leave()
        assert (await h.told(editor.key)).acknowledged
        assert words(humhub.files[guid].content()) == f"Of site {site}. And a guest's."
        old = humhub.add_file("old.odt", odt("One line."), owner="alice")
        await alice.convert(old.guid, "new.docx")
        assert words(old.content()) == "One line."
        assert (await save_settings(humhub, admin))[0] == "success"
    assert h.saves == []


async def test_no_site_converts_a_file_of_another(make_house: MakeHouse) -> None:
    h = await make_house(sites=2)
    own, other = h.humhubs
    file = other.add_file("secret.odt", odt("Nobody's business."))
    doc = other.document_hash(file.key or file.new_key(), None)
    url = other.settings.storage_url + other.links().to("onlyoffice/backend/download", doc=doc)
    asked = await own.outgoing.convert(url, from_ext="odt", to_ext="docx", key="k1", run_async=False)
    assert asked == {"error": "Error document request"}
    # Nor by the other's address on the humhub leg: there is another secret.
    own.reconfigure(internal_server_url=other.settings.internal_server_url)
    asked = await own.outgoing.convert(url, from_ext="odt", to_ext="docx", key="k1", run_async=False)
    assert asked == {"error": "Invalid token"}
    assert h.docs.downloads == []


async def test_a_session_of_one_site_saves_nothing_at_another(make_house: MakeHouse) -> None:
    h = await make_house(sites=2)
    alice = await h.log_in("alice")
    page = await alice.open(await alice.create("Minutes"))
    api = URL(page.api["saveasUrl"]).with_host(URL(h.front(1)).host or "")
    before = set(h.humhubs[1].files)
    with pytest.raises(PageError):
        await alice.send(api, {"name": "x.docx", "url": "http://x/cache/files/data/k_1/x"})
    assert set(h.humhubs[1].files) == before
