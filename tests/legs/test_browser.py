"""The browser leg: HumHub as it is, but for the editor page and the backend routes."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import ipaddress
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from bridge.config import Config, KeyRingConfig, SiteConfig, UpstreamConfig
from bridge.protocol.secret import Secret
from tests.legs.fakes import DOCS_SECRET, NOW, Bridge, Start, claims_of, doc, with_site
from tests.legs.pages import OPEN, config_of, found_in, html, page, signed
from tests.ports import fresh_port

AJAX = {"X-Requested-With": "XMLHttpRequest"}


async def test_the_editor_page_is_signed_for_docs_and_nothing_else_changes(bridge: Bridge) -> None:
    bridge.humhub.answers(html(page(signed(config_of()))))
    status, body, headers = await bridge.ask("browser", OPEN, headers={"Host": "social.test"})
    assert status == 200
    assert headers["Set-Cookie"] == "a=b"
    config, api = found_in(body)
    token = claims_of(config.pop("token"), DOCS_SECRET)
    assert token.pop("exp") == NOW + 200
    expected = config_of()
    base = "http://docs.bridge.test:8000/s/social/onlyoffice/backend"
    expected["document"]["url"] = f"{base}/download?doc={doc()}"
    expected["editorConfig"]["callbackUrl"] = f"{base}/track?doc={doc()}"
    assert config == token == expected
    assert api == {"saveasUrl": "http://social.test/onlyoffice/api/saveas", "other": "/relative"}
    assert b'<script src="/ds/web-apps/apps/api/documents/api.js?shardKey=k1" nonce="n">' in body
    assert body.startswith(b"\xe4\xf6 <script")
    assert body.endswith(b"</div>\xe4\xf6 ")


async def test_humhub_sees_the_browsers_host_and_who_it_is(bridge: Bridge) -> None:
    bridge.humhub.answers(html(b"<p>"))
    sent = {
        "Host": "social.test:8080",
        "Cookie": "PHPSESSID=x",
        "X-Forwarded-For": "6.6.6.6",
        "X_Forwarded_Host": "evil",
    }
    await bridge.ask("browser", "/dashboard?a=%2f", headers=sent)
    (seen,) = bridge.humhub.seen
    assert (seen.target, seen.headers["Host"], seen.headers["Cookie"]) == (
        "/dashboard?a=%2f",
        "social.test:8080",
        "PHPSESSID=x",
    )
    assert seen.headers["X-Forwarded-For"] == "127.0.0.1"
    assert seen.headers["X-Forwarded-Proto"] == "http"
    assert seen.headers["X-Forwarded-Host"] == "social.test:8080"
    assert "X_Forwarded_Host" not in seen.headers


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_packed_page_stays_packed(bridge: Bridge, coding: str) -> None:
    pack = gzip.compress if coding == "gzip" else zlib.compress
    unpack = gzip.decompress if coding == "gzip" else zlib.decompress
    bridge.humhub.answers(html(pack(page(signed(config_of()))), **{"Content-Encoding": coding}))
    status, body, headers = await bridge.ask("browser", OPEN, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert status == 200
    assert headers["Content-Encoding"] == coding
    config, _ = found_in(unpack(body))
    assert claims_of(config["token"], DOCS_SECRET)["document"]["key"] == "k1"
    assert bridge.humhub.seen[0].headers["Accept-Encoding"] == "gzip"


LARGE = b"<p>" + b"x" * 5000


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<html>no editor here</html>", {}),
        (page(signed(config_of())) + LARGE * 3, {}),
        (gzip.compress(page(signed(config_of())) + LARGE * 3), {"Content-Encoding": "gzip"}),
        (b"\x0b\x02\x80br", {"Content-Encoding": "br"}),
        (b"not gzip at all", {"Content-Encoding": "gzip"}),
        (gzip.compress(page(signed(config_of())))[:-9], {"Content-Encoding": "gzip"}),
        ("<div data-config='{}'>".encode("utf-16"), {"Content-Type": "text/html; charset=utf-16"}),
        (page(signed(config_of())), {"Content-Type": "application/json"}),
        (b"", {}),
    ],
    ids=["plain", "large", "large unpacked", "br", "no gzip", "cut gzip", "utf-16", "json", "empty"],
)
async def test_no_page_is_broken_by_the_rewriter(start: Start, body: bytes, headers: dict[str, str]) -> None:
    bridge = await start(
        lambda config: dataclasses.replace(config, limits=dataclasses.replace(config.limits, page=12_000))
    )
    bridge.humhub.answers(html(body, **headers))
    status, given, got = await bridge.ask("browser", OPEN)
    assert (status, given) == (200, body)
    assert got.get("Content-Encoding") == headers.get("Content-Encoding")


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (302, {"Location": "http://social.test/s/space/post"}),
        (302, {"X-Redirect": "/x"}),
        (403, {}),
        (404, {}),
        (500, {}),
    ],
)
async def test_other_answers_to_an_open_pass(bridge: Bridge, status: int, headers: dict[str, str]) -> None:
    bridge.humhub.answers(web.Response(status=status, text='{"error":true}', headers=headers))
    found, body, got = await bridge.ask("browser", OPEN)
    assert (found, body) == (status, b'{"error":true}')
    assert {name: got[name] for name in headers} == headers


@pytest.mark.parametrize(
    ("config", "status"),
    [
        (signed(config_of(), DOCS_SECRET), 403),
        (signed(config_of(), exp=NOW - 100), 403),
        (config_of(), 403),
        (signed({"type": "desktop"}), 502),
        (signed({**config_of(), "document": {"url": "http://evil.test/x", "key": "k1"}}), 502),
    ],
    ids=["wrong secret", "expired", "unsigned", "no document", "foreign link"],
)
async def test_a_page_that_does_not_hold_is_an_error_that_scripts_can_read(
    bridge: Bridge, config: Any, status: int
) -> None:
    bridge.humhub.answers(html(page(config)))
    found, body, _ = await bridge.ask("browser", OPEN, headers={"X-Requested-With": "XMLHttpRequest"})
    assert found == status
    assert json.loads(body)["error"] is True


async def test_a_humhub_without_secret_is_signed_with_a_fresh_end(start: Start) -> None:
    bridge = await start(with_site(jwt=KeyRingConfig()))
    bridge.humhub.answers(html(page(config_of())))
    _, body, _ = await bridge.ask("browser", OPEN)
    assert claims_of(found_in(body)[0]["token"], DOCS_SECRET)["exp"] == NOW + 300


@pytest.mark.parametrize(
    "path",
    ["/hub/onlyoffice/open?guid=a", "/hub/index.php?r=onlyoffice%2Fopen&guid=a", "/hub/onlyoffice/open/?share=x"],
)
async def test_pages_of_every_route_form(start: Start, path: str) -> None:
    bridge = await start(with_site(base_path="/hub"))
    text = json.dumps(config_of()).replace("s.test/", "s.test/hub/")
    bridge.humhub.answers(html(page(signed(json.loads(text)))))
    _, body, _ = await bridge.ask("browser", path)
    url = found_in(body)[0]["document"]["url"]
    assert url == f"http://docs.bridge.test:8000/s/social/hub/onlyoffice/backend/download?doc={doc()}"


def behind_a_front(config: Config) -> Config:
    """Believe the reverse proxy on this machine."""
    browser = dataclasses.replace(config.legs.browser, trust_forwarded_from=(ipaddress.ip_network("127.0.0.0/8"),))
    return dataclasses.replace(config, legs=dataclasses.replace(config.legs, browser=browser))


HTTPS = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "social.test"}


async def test_own_links_follow_the_origin_that_the_browser_uses(start: Start) -> None:
    bridge = await start(behind_a_front)
    bridge.humhub.answers(html(page(signed(config_of()))))
    _, body, _ = await bridge.ask("browser", OPEN, headers=HTTPS)
    assert found_in(body)[1]["saveasUrl"] == "https://social.test/onlyoffice/api/saveas"


async def test_a_forgotten_base_path_is_said_and_not_handed_on_as_a_page_that_docs_refuses(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = await start(with_site(base_path=""))
    text = json.dumps(config_of()).replace("s.test/", "s.test/hub/")
    bridge.humhub.answers(html(page(signed(json.loads(text)))))
    status, _, _ = await bridge.ask("browser", "/hub/onlyoffice/open?guid=a", headers=AJAX)
    assert status == 502
    assert "Then set base_path of its site." in capsys.readouterr().out


async def test_a_leg_below_a_path_of_its_front_is_named_with_it(start: Start) -> None:
    def below(config: Config) -> Config:
        docs = dataclasses.replace(config.legs.docs, url=URL("http://front.test/for-docs"))
        return dataclasses.replace(config, legs=dataclasses.replace(config.legs, docs=docs))

    bridge = await start(below)
    file = web.Response(body=b"PK..", content_type="application/octet-stream")
    bridge.humhub.answers(html(page(signed(config_of()))), file)
    _, body, _ = await bridge.ask("browser", OPEN, headers=AJAX)
    target = f"/s/social/onlyoffice/backend/download?doc={doc()}"
    assert found_in(body)[0]["document"]["url"] == f"http://front.test/for-docs{target}"
    assert (await bridge.ask("docs", target, headers=bridge.download_token(target)))[:2] == (200, b"PK..")


async def test_a_phones_page_stays_one_and_its_user_agent_comes_to_humhub_as_it_is(bridge: Bridge) -> None:
    agent = "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Mobile Safari/537.36"
    bridge.humhub.answers(html(page(signed(config_of(type="mobile")))))
    _, body, _ = await bridge.ask("browser", OPEN, headers={"User-Agent": agent, **AJAX})
    config, _ = found_in(body)
    assert config["type"] == claims_of(config["token"], DOCS_SECRET)["type"] == "mobile"
    assert bridge.humhub.seen[-1].headers["User-Agent"] == agent


async def test_an_embedded_viewers_links_lead_to_where_the_browser_is(start: Start) -> None:
    bridge = await start(behind_a_front)
    before = config_of(type="embedded")
    elsewhere = "https://cdn.example.com/logo.png"
    before["editorConfig"] |= {
        "embedded": {
            "saveUrl": "http://social.test/file/file/download?guid=a&download=1",
            "shareUrl": f"{bridge.humhub.url}/onlyoffice/open?guid=a",
            "embedUrl": "https://social.test/onlyoffice/open?guid=a",
            "toolbarDocked": "top",
        },
        "customization": {"goback": {"url": "http://social.test/s/team/"}, "logo": {"image": elsewhere}, "chat": True},
        "recent": [{"title": "http: a title", "url": "http://social.test/x"}, None],
    }
    bridge.humhub.answers(html(page(signed(before))))
    _, body, _ = await bridge.ask("browser", OPEN, headers={**HTTPS, **AJAX})
    config, _ = found_in(body)
    claims = claims_of(config["token"], DOCS_SECRET)
    for given in (config, claims):
        assert given["type"] == "embedded"
        editor = given["editorConfig"]
        assert editor["embedded"] == {
            "saveUrl": "https://social.test/file/file/download?guid=a&download=1",
            "shareUrl": "https://social.test/onlyoffice/open?guid=a",
            "embedUrl": "https://social.test/onlyoffice/open?guid=a",
            "toolbarDocked": "top",
        }
        back = {"url": "https://social.test/s/team/"}
        assert editor["customization"] == {"goback": back, "logo": {"image": elsewhere}, "chat": True}
        assert editor["recent"] == [{"title": "http: a title", "url": "https://social.test/x"}, None]


@pytest.mark.parametrize("name", ["Location", "X-Redirect"])
async def test_a_redirect_stays_on_https_though_humhub_does_not_believe_in_it(start: Start, name: str) -> None:
    """By http it would come to a port where nobody listens, or, redirected once more, as a GET without its form."""
    bridge = await start(behind_a_front)
    bridge.humhub.answers(web.Response(status=302, headers={name: "http://social.test/dashboard?x=%2F"}))
    for path in ("/user/auth/login", OPEN):
        _, _, headers = await bridge.ask("browser", path, headers=HTTPS)
        assert headers[name] == "https://social.test/dashboard?x=%2F"


async def test_an_upstream_below_a_path_is_asked_there_and_redirects_without_it(start: Start) -> None:
    def below(config: Config) -> Config:
        return with_site(upstream=UpstreamConfig(url=config.sites[0].upstream.url / "app"))(config)

    bridge = await start(below)
    bridge.humhub.answers(web.Response(status=302, headers={"Location": f"{bridge.humhub.url}/app/login"}))
    _, _, headers = await bridge.ask("browser", "/dashboard?a", headers={"Host": "social.test"})
    assert bridge.humhub.seen[-1].target == "/app/dashboard?a"
    assert headers["Location"] == "http://social.test/login"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.005)


async def test_humhub_answers_to_its_end_a_first_opener_who_left_and_the_next_waits_for_that(bridge: Bridge) -> None:
    """HumHub goes on without its browser, and may be about to write a key."""
    answers, done = asyncio.Event(), []

    async def respond(_: web.BaseRequest) -> web.StreamResponse:
        await answers.wait()
        done.append("answered")
        return html(page(signed(config_of())))

    bridge.humhub.answers(respond)
    first, next_one, gives_up = (asyncio.create_task(bridge.ask("browser", OPEN, headers=AJAX)) for _ in range(3))
    await until(lambda: len(bridge.humhub.seen) == 1)
    for task in (first, gives_up):
        task.cancel()
    await asyncio.sleep(0.05)
    assert (len(bridge.humhub.seen), done) == (1, [])
    answers.set()
    assert (await next_one)[0] == 200
    assert (len(bridge.humhub.seen), len(done)) == (2, 2)


@pytest.mark.parametrize("info", [b"<html>", b"[]", b'{"file":{}}'])
async def test_a_share_link_whose_file_is_not_told_opens_all_the_same(bridge: Bridge, info: bytes) -> None:
    bridge.humhub.answers(web.Response(body=info), html(page(signed(config_of()))))
    status, _, _ = await bridge.ask("browser", "/onlyoffice/open?share=5f", headers=AJAX)
    assert status == 200
    assert [seen.target for seen in bridge.humhub.seen] == [
        "/onlyoffice/open/get-info?share=5f",
        "/onlyoffice/open?share=5f",
    ]


async def test_who_opens_by_a_link_is_asked_after_as_who_it_is_and_once(bridge: Bridge) -> None:
    bridge.humhub.answers(web.json_response({"file": {"guid": "a"}}), html(page(signed(config_of()))))
    for _ in range(2):
        await bridge.ask("browser", "/onlyoffice/open?share=5f", headers={**AJAX, "Cookie": "PHPSESSID=x"})
    targets = [seen.target.partition("?")[0] for seen in bridge.humhub.seen]
    assert targets == ["/onlyoffice/open/get-info", "/onlyoffice/open", "/onlyoffice/open"]
    assert {seen.headers["Cookie"] for seen in bridge.humhub.seen} == {"PHPSESSID=x"}


async def test_a_plain_open_only_leads_to_a_page_and_waits_for_nobody(bridge: Bridge) -> None:
    answers = asyncio.Event()

    async def respond(_: web.BaseRequest) -> web.StreamResponse:
        await answers.wait()
        return web.Response(status=302, headers={"Location": "/s/team/post"})

    bridge.humhub.answers(respond)
    asked = [asyncio.create_task(bridge.ask("browser", OPEN)) for _ in range(3)]
    await until(lambda: len(bridge.humhub.seen) == 3)
    answers.set()
    assert [status for status, _, _ in await asyncio.gather(*asked)] == [302] * 3


@pytest.mark.parametrize(
    "path",
    [
        f"/onlyoffice/backend/download?doc={doc()}",
        "/onlyoffice/backend/track?doc=x",
        "/index.php?r=onlyoffice%2Fbackend%2Ftrack",
        "/s/space/OnlyOffice/backend/track",
        "/index.php/onlyoffice/backend/track",
        "/x?r=onlyoffice/backend/empty-file",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_backend_is_never_relayed_from_browsers(bridge: Bridge, path: str, method: str) -> None:
    status, _, _ = await bridge.ask("browser", path, method)
    assert status == 404
    assert bridge.humhub.seen == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_everything_else_of_humhub_passes(bridge: Bridge, method: str) -> None:
    answer = web.Response(status=203, body=b"" if method == "HEAD" else b"any\x00thing", headers={"X-A": "b"})
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")

    async def respond(_request: web.BaseRequest) -> web.StreamResponse:
        return answer

    bridge.humhub.answers(respond)
    status, body, headers = await bridge.ask("browser", "/file/file/upload?x=1", method, data=b"body" * 1000)
    assert (status, headers["X-A"]) == (203, "b")
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert body == (b"" if method == "HEAD" else b"any\x00thing")
    assert bridge.humhub.seen[0].body == b"body" * 1000


async def test_a_humhub_that_is_away_is_a_readable_page(start: Start) -> None:
    away = UpstreamConfig(url=URL(f"http://127.0.0.1:{fresh_port()}"))
    bridge = await start(with_site(upstream=away))
    status, body, _ = await bridge.ask("browser", "/dashboard", headers={"Accept": "text/html"})
    assert status == 502
    assert b"<h1>Not available right now</h1>" in body
    assert str(away.url).encode() not in body


async def test_sites_are_told_apart_by_host(start: Start) -> None:
    def two(config: Any) -> Any:
        first: SiteConfig = config.sites[0]
        other_ring = KeyRingConfig(secrets=(Secret("other-secret-0123456789abcdef0123456789"),))
        other = dataclasses.replace(first, name="other", hosts=("other.test",), jwt=other_ring)
        return dataclasses.replace(config, sites=(first, other))

    bridge = await start(two)
    bridge.humhub.answers(html(page(signed(config_of(), "other-secret-0123456789abcdef0123456789"))))
    status, body, _ = await bridge.ask("browser", OPEN, headers={"Host": "OTHER.test:8443"})
    assert status == 200
    assert "/s/other/onlyoffice/" in found_in(body)[0]["document"]["url"]
    assert (await bridge.ask("browser", OPEN, headers={"Host": "social.test"}))[0] == 403
    assert (await bridge.ask("browser", "/", headers={"Host": "third.test"}))[0] == 404
