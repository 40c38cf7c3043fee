"""HumHub's pages without the module: what they say of who looks at them, how they change, where who left is led."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from bridge.demo.humhub import SmallHumHub
from tests.demo.humhub.rig import Browser

Browsers = Callable[[str | None], Browser]
PJAX = {"X-PJAX": "true", "X-PJAX-Container": "#layout-content"}


@pytest.fixture
def hub(hub: SmallHumHub) -> SmallHumHub:
    hub.reconfigure(onlyoffice=False)
    return hub


async def test_a_page_says_who_looks_at_it(hub: SmallHumHub, browser: Browsers) -> None:
    page = (await browser("alice").get("/dashboard", ajax=False)).text
    told = re.search(r'"user":(\{[^}]*\})', page)
    assert told
    user, alice = json.loads(told[1]), hub.users["alice"]
    assert (user["id"], user["guid"], user["text"], user["email"]) == (
        alice.number,
        alice.guid,
        alice.name,
        alice.email,
    )
    assert (user["isGuest"], user["locale"]) == (False, "en-US")
    assert '"user":{"isGuest":true,' in (await browser(None).get("/user/auth/login", ajax=False)).text


LANGUAGES = {("", "en-US"): "en-US", ("de", "en-US"): "de", ("", "de"): "de"}


@pytest.mark.parametrize(("own", "site"), LANGUAGES)
async def test_a_page_is_in_its_readers_language_or_the_sites(
    own: str, site: str, hub: SmallHumHub, browser: Browsers
) -> None:
    hub.users["alice"].language = own
    hub.reconfigure(language=site)
    page = (await browser("alice").get("/s/team/cfiles/browse", ajax=False)).text
    assert f'<html lang="{LANGUAGES[own, site]}">' in page
    assert ("Dateien" in page) is (LANGUAGES[own, site] == "de")


@pytest.mark.parametrize("path", ["/dashboard", "/s/team/", "/s/team/cfiles/browse", "/s/team/post/post/view?id=1"])
async def test_a_page_change_brings_the_content_alone(path: str, hub: SmallHumHub, browser: Browsers) -> None:
    hub.reconfigure(tracking_code="<script src=/track.js></script>")
    hub.add_post("alice", "look")
    whole, part = [(await browser("alice").get(path, ajax=ajax, headers=PJAX)).text for ajax in (False, True)]
    assert ["<html" in whole, "track.js" in whole, "<title>" in whole] == [True, True, True]
    assert ["<html" in part, "track.js" in part, "<title>" in part] == [False, False, True]
    (content,) = re.findall(r'<div id="layout-content">(<main.*</main>)</div>', whole, re.DOTALL)
    assert shape(content) == shape(part[part.index("<main") :])


def shape(text: str) -> list[str]:
    return re.findall(r"<(\w+)", text)


async def test_the_nonce_is_put_into_the_tracking_code(hub: SmallHumHub, browser: Browsers) -> None:
    hub.reconfigure(tracking_code="<script nonce={{ nonce }}>1</script><script nonce={{nonce}}>2</script>")
    reply = await browser("alice").get("/dashboard", ajax=False)
    nonce = re.search(r"'nonce-([^']+)'", reply.headers["Content-Security-Policy"])
    assert nonce
    assert f"<script nonce={nonce[1]}>1</script><script nonce={nonce[1]}>2</script>" in reply.text


LEAD = [
    ("GET", "/dashboard", b""),
    ("GET", "/s/team/cfiles/edit/file?id=file_1", b""),
    ("POST", "/s/team/cfiles/upload?fid=1", b"null"),
    ("POST", "/file/file/upload", b"null"),
    ("POST", "/file/file/delete", b""),
    ("GET", "/s/team/post/post/edit?id=1", b""),
]


@pytest.mark.parametrize(("method", "path", "body"), LEAD)
async def test_who_is_logged_out_is_led_to_the_login(
    method: str, path: str, body: bytes, hub: SmallHumHub, browser: Browsers
) -> None:
    client = browser("alice")
    hub.sessions.end(client.session)
    told = await client.send(method, path)
    target = f"{hub.url}/user/auth/login"
    assert (told.status, told.headers.get("X-Redirect"), told.headers.get("Location")) == (302, target, None)
    assert told.body == body
    led = await client.send(method, path, ajax=False)
    assert (led.status, led.headers["Location"]) == (302, target)


async def test_a_post_is_edited_and_takes_files(hub: SmallHumHub, browser: Browsers) -> None:
    post, file = hub.add_post("alice", "look"), hub.add_file("plan.docx", b"x", owner="alice")
    form = {"Post[message]": "look again", "fileList[]": file.guid}
    path = f"/s/team/post/post/edit?id={post.number}"
    assert (await browser("carol").post(path, data=form)).status == 403
    assert file.guid in (await browser("alice").post(path, data=form)).text
    assert (post.text, post.guids) == ("look again", [file.guid])
    assert file.guid in (await browser("alice").get(path)).text
