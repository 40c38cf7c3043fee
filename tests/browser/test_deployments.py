"""The spine's story as people see it, wherever browsers reach HumHub, however it writes its URLs, plain and with TLS."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.desk import Desk
from tests.chromium import needs_chromium
from tests.deployments import Deployment, pairwise
from tests.flows.words import words

pytestmark = needs_chromium


@pytest.fixture
def layout(deployment: Deployment) -> dict[str, Any]:
    return deployment.options


@pytest.mark.parametrize("deployment", pairwise(), ids=str)
async def test_two_people_create_edit_save_and_open_again(desk: Desk, deployment: Deployment) -> None:
    for site in range(deployment.sites):
        alice, admin = [await desk.log_in(name, site) for name in ("alice", "admin")]
        await alice.create("docx", "Minutes")
        await alice.type("Alice begins. ")
        await alice.post("Our minutes")
        await alice.preview("Minutes.docx", "Alice begins.")
        await alice.open("Minutes.docx")
        await admin.page.reload()
        await admin.open("Minutes.docx")
        await admin.type("The admin goes on.")
        await alice.shows("The admin goes on.")
        await admin.frame.locator("#save").click()
        await expect(admin.frame.locator("#notice")).to_have_text("Saved.")
        await alice.type(" Alice ends.")
        await admin.shows("Alice ends.")
        name = re.sub(r"\W+", "-", f"10-{deployment}-{site}")
        await desk.picture(alice, name)
        for window in (alice, admin):
            await window.settled()
            await window.close_editor()
        await admin.preview("Minutes.docx", "Alice begins. The admin goes on. Alice ends.")
        await admin.open("Minutes.docx")
        await admin.shows("Alice begins. The admin goes on. Alice ends.")
        await admin.close_editor()
        assert set(alice.transports + admin.transports) == {"websocket"}
    assert desk.complaints() == []
    assert desk.house.saves == []


@pytest.mark.parametrize("deployment", [Deployment("three settings", "pretty", 1, "plain")], ids=str)
async def test_the_editors_address_is_the_bridges_and_the_pages_is_humhubs(desk: Desk, deployment: Deployment) -> None:
    assert deployment.options["direct"]
    admin = await desk.log_in("admin")
    asked: list[str] = []
    admin.page.on("request", lambda request: asked.append(request.url))
    admin.page.on("websocket", lambda socket: asked.append(socket.url))
    await admin.open("Team handbook.docx")
    await desk.picture(admin, "10-three-settings")
    humhub, bridge = (str(listen) for listen in (desk.house.addresses.humhub, desk.house.addresses.browser))
    hosts = {(url.split("/")[2], "/ds/" in url) for url in asked}
    assert hosts == {(humhub, False), (bridge, True)}
    await admin.close_editor()


@pytest.mark.parametrize(
    "deployment",
    [Deployment("front door", "pretty", 2, "TLS"), Deployment("three settings", "sub-directory", 1, "plain")],
    ids=str,
)
async def test_a_document_is_saved_as_another_one(desk: Desk, deployment: Deployment) -> None:
    site = deployment.sites - 1
    admin = await desk.log_in("admin", site)
    await admin.open("Team handbook.docx")
    await admin.type(" Copied.")
    await admin.settled()
    files = desk.house.humhubs[site].files
    before = set(files)
    async with admin.page.expect_response(lambda answer: "saveas" in answer.url) as answered:
        await admin.frame.locator("#download").click()
    assert (await answered.value).status == 200
    (guid,) = set(files) - before
    assert words(files[guid].content()).startswith("Team handbook Copied.")
    await admin.close_editor()
    assert desk.complaints() == []
