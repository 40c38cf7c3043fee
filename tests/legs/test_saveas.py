"""Save as on the front door: the address that the module wants is learnt from its pages."""

from __future__ import annotations

import dataclasses
import html as entities
import json
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from aiohttp import web

from bridge.config import Config
from tests.legs.fakes import Bridge, Start, with_site
from tests.legs.pages import OPEN, config_of, html, page, signed

ROUTE = "/onlyoffice/api/saveas"
FILE = "/cache/files/data/k1_12/output.docx/a.docx?md5=x&expires=9&shardkey=k1&filename=a.docx"
URL = f"http://social.test/ds{FILE}"
ASKED = "http://browser.bridge.test:8000/ds"
AJAX = {"X-Requested-With": "XMLHttpRequest", "X-CSRF-Token": "abc==", "Cookie": "PHPSESSID=x"}


async def open_page(bridge: Bridge, server: str, host: str = "social.test") -> None:
    """Let somebody open an editor; the module's serverUrl is such."""
    source = entities.escape(server).encode()
    bridge.humhub.answers(html(page(signed(config_of())).replace(b"http://ds.test", source)))
    status, body, _ = await bridge.ask("browser", OPEN, headers={"Host": host})
    assert status == 200
    assert b'<script src="/ds/web-apps/' in body
    bridge.humhub.seen.clear()


async def save_as(bridge: Bridge, url: str = URL, route: str = ROUTE, host: str = "social.test") -> tuple[int, Any]:
    bridge.humhub.answers(web.json_response({"file": {"name": "a.docx"}}))
    form = urlencode({"_csrf": "ab+c==", "url": url, "name": "ü b.docx"})
    headers = {**AJAX, "Host": host, "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    status, raw, _ = await bridge.ask("browser", route, "POST", data=form, headers=headers)
    return status, json.loads(raw)


def sent(bridge: Bridge) -> str:
    """Give the file that HumHub was asked to save, once the rest of that form has been looked at."""
    seen = bridge.humhub.seen[-1]
    found = parse_qs(seen.body.decode())
    assert found.pop("_csrf") == ["ab+c=="]
    assert found.pop("name") == ["ü b.docx"]
    assert int(seen.headers["Content-Length"]) == len(seen.body)
    assert {name: seen.headers[name] for name in AJAX} == AJAX
    (url,) = found.pop("url")
    assert not found
    return url


@pytest.mark.parametrize(
    "server",
    ["http://docs.public.test:8701/ds", "https://office.example.com", "http://a.test/x/y", "http://a.test/x&y/ds"],
)
async def test_the_file_is_put_where_the_module_looks_for_it(bridge: Bridge, server: str) -> None:
    await open_page(bridge, server)
    assert await save_as(bridge) == (200, {"file": {"name": "a.docx"}})
    assert sent(bridge) == server + FILE


@pytest.mark.parametrize(
    ("base_path", "route"),
    [
        ("", "/onlyoffice/api/saveas"),
        ("", "/index.php?r=onlyoffice%2Fapi%2Fsaveas"),
        ("", "/s/team/onlyoffice/api/saveas"),
        ("/hub", "/hub/onlyoffice/api/saveas"),
        ("/hub", "/hub/index.php?r=onlyoffice%2Fapi%2Fsaveas"),
    ],
)
async def test_every_url_style_is_understood(start: Start, base_path: str, route: str) -> None:
    bridge = await start(with_site(base_path=base_path))
    assert (await save_as(bridge, route=route))[0] == 200
    assert bridge.humhub.seen[-1].target == route
    assert sent(bridge) == ASKED + FILE


async def test_before_any_page_it_is_the_address_that_the_set_up_asks_for(bridge: Bridge) -> None:
    await save_as(bridge)
    assert sent(bridge) == ASKED + FILE


async def test_what_was_learnt_survives_a_restart_and_changes_with_the_settings(start: Start) -> None:
    first = await start()
    await open_page(first, "http://old.test/ds")
    await open_page(first, "http://new.test/ds")
    second = await start()
    await save_as(second)
    assert sent(second) == "http://new.test/ds" + FILE
    await open_page(first, "http://old.test/ds")
    await save_as(second)
    assert sent(second) == "http://old.test/ds" + FILE


async def test_each_site_has_its_own(start: Start) -> None:
    def two(config: Config) -> Config:
        other = dataclasses.replace(config.sites[0], name="other", hosts=("other.test",))
        return dataclasses.replace(config, sites=(config.sites[0], other))

    bridge = await start(two)
    for host in ("social.test", "other.test"):
        await open_page(bridge, f"http://docs.{host}", host)
    for host in ("other.test", "social.test"):
        await save_as(bridge, host=host)
        assert sent(bridge) == f"http://docs.{host}" + FILE


@pytest.mark.parametrize(
    "url",
    [
        "http://social.test/ds/coauthoring/CommandService.ashx",
        "http://social.test/ds/cache/files/data/k_1/../../../info",
        "http://docs.public.test:8701/ds/info/info.json",
        "http://169.254.169.254/latest/meta-data",
        "",
    ],
)
async def test_humhub_is_sent_nowhere_else(bridge: Bridge, url: str) -> None:
    await open_page(bridge, "http://docs.public.test:8701/ds")
    status, said = await save_as(bridge, url)
    assert status in (400, 403)
    assert said["error"] is True, "the shape of HumHub's own AJAX errors"
    assert said["message"]
    assert bridge.humhub.seen == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET"])
@pytest.mark.parametrize("label", ["application/json", "multipart/form-data; boundary=x", "text/plain", None])
async def test_what_is_no_form_is_refused(bridge: Bridge, method: str, label: str | None) -> None:
    """PHP reads a form out of more than that: HumHub would take an address that nobody looked at."""
    headers = {**AJAX, **({"Content-Type": label} if label else {})}
    body = urlencode({"url": "http://169.254.169.254/"}).encode()
    status, raw, _ = await bridge.ask("browser", ROUTE, method, data=body, headers=headers)
    assert (status, json.loads(raw)["error"]) == (400, True)
    assert bridge.humhub.seen == []


async def test_a_form_by_another_method_is_looked_at_as_well(bridge: Bridge) -> None:
    headers = {**AJAX, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"url": "http://169.254.169.254/"})
    for method in ("PUT", "GET", "DELETE"):
        status, _, _ = await bridge.ask("browser", ROUTE, method, data=body, headers=headers)
        assert status == 403
    assert bridge.humhub.seen == []


async def test_a_module_that_has_docs_at_a_bare_path_is_told_on(bridge: Bridge) -> None:
    await open_page(bridge, "/ds")
    status, said = await save_as(bridge)
    assert status == 502
    assert "address" in said["message"]
    assert bridge.humhub.seen == []
