"""Every route of the module, in every way of writing it, with one site and with two: it comes to HumHub as it was asked.

The fakes stand in for two HumHubs; what they are asked is compared byte for byte.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from bridge.app import running
from bridge.config import Config, KeyRingConfig, SiteConfig, UpstreamConfig
from bridge.protocol.secret import Secret
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, NOW, Bridge, Fake, configuration, doc, serving
from tests.legs.pages import config_of, found_in, html, page, signed

# One bridge for all of a style: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

DOCS_LEG = "http://docs.bridge.test:8000"
HUMHUB_LEG = "http://humhub.bridge.test:8000"
OTHER_SECRET = "other-secret-0123456789abcdef0123456789"
AJAX = {"X-Requested-With": "XMLHttpRequest"}


@dataclasses.dataclass(frozen=True)
class Style:
    """How a HumHub writes its addresses."""

    base: str = ""
    pretty: bool = True

    def to(self, route: str, query: str = "") -> str:
        """Write a route's target."""
        if self.pretty:
            return f"{self.base}/{route}" + (f"?{query}" if query else "")
        return f"{self.base}/index.php?r={quote(route, safe='')}" + (f"&{query}" if query else "")


STYLES = {
    "pretty": Style(),
    "plain": Style(pretty=False),
    "sub-directory": Style("/hub"),
    "plain-sub-directory": Style("/hub", pretty=False),
}
# The module's routes for browsers, as protocol.md lists them, and how browsers call them.
BROWSER_ROUTES = [
    ("GET", "onlyoffice/open", "guid=a%2Db&mode=edit&anchor=%7B%22x%22%3A1%7D"),
    ("GET", "onlyoffice/open", "share=5f"),
    ("GET", "onlyoffice/open/get-info", "guid=a"),
    ("POST", "onlyoffice/open/get-info", "guid=a"),
    ("GET", "onlyoffice/create", ""),
    ("GET", "onlyoffice/create/document", "extension=docx"),
    ("POST", "onlyoffice/create/document", "extension=docx"),
    ("GET", "onlyoffice/convert", "guid=a"),
    ("POST", "onlyoffice/convert/convert", "guid=a&ts=1&newName=%C3%9C+b.docx"),
    ("GET", "onlyoffice/share", "guid=a&mode=edit"),
    ("POST", "onlyoffice/share/get", "guid=a&mode=edit"),
    ("POST", "onlyoffice/share/remove", "guid=a&mode=edit"),
    ("POST", "onlyoffice/api/rename", ""),
    ("POST", "onlyoffice/api/users-for-mentions", ""),
    ("POST", "onlyoffice/api/make-anchor", ""),
    ("POST", "onlyoffice/api/send-notify", ""),
    ("GET", "onlyoffice/admin", ""),
    ("POST", "onlyoffice/admin/save", ""),
    ("GET", "file/file/download", "guid=a&hash_sha1=b"),
    ("POST", "file/file/upload", ""),
    ("GET", "user/auth/login", ""),
]
BACKEND_ROUTES = ["onlyoffice/backend/download", "onlyoffice/backend/empty-file", "onlyoffice/backend/track"]


@dataclasses.dataclass
class Town:
    """A bridge, and the HumHub of each site with the name that browsers call it."""

    bridge: Bridge
    style: Style
    humhubs: dict[str, Fake]

    def prefixes(self, site: str) -> list[str]:
        """List what may stand before a path on the docs and humhub legs."""
        return [f"/s/{site}", *([""] if len(self.humhubs) == 1 else [])]

    def secret(self, site: str) -> str:
        return HUMHUB_SECRET if site == "social" else OTHER_SECRET


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[(name, count) for name in STYLES for count in (1, 2)],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
async def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    style, count = STYLES[request.param[0]], request.param[1]
    async with AsyncExitStack() as stack:
        names = ["social", "other"][:count]
        humhubs = {name: await stack.enter_async_context(serving()) for name in names}
        docs = await stack.enter_async_context(serving())
        directory: Path = tmp_path_factory.mktemp("town")
        config = with_sites(configuration(directory, humhubs["social"].url, docs.url), humhubs, style)
        await stack.enter_async_context(running(config, clock=lambda: NOW))
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        yield Town(Bridge(config, humhubs["social"], docs, http), style, humhubs)


def with_sites(config: Config, humhubs: dict[str, Fake], style: Style) -> Config:
    """Give each HumHub a site of its name, under two names for browsers."""
    sites = [
        SiteConfig(
            name=name,
            upstream=UpstreamConfig(url=URL(fake.url)),
            hosts=(f"{name}.test", f"www.{name}.test:8443"),
            base_path=style.base,
            jwt=KeyRingConfig(secrets=(Secret(HUMHUB_SECRET if name == "social" else OTHER_SECRET),)),
        )
        for name, fake in humhubs.items()
    ]
    return dataclasses.replace(config, sites=tuple(sites))


def names(site: str) -> list[str]:
    """List how browsers may write a site's name."""
    return [f"{site}.test", f"{site.upper()}.Test", f"{site}.test:9999", f"{site}.test.", f"www.{site}.test:8443"]


def said(town: Town, site: str, **headers: str) -> None:
    """Let the HumHub of a site answer, and the other fail."""
    for name, fake in town.humhubs.items():
        fake.seen.clear()
        fake.answers(
            web.Response(text='{"error": 0}', content_type="application/json", headers=headers)
            if name == site
            else web.Response(status=500, text="not this one")
        )


@pytest.mark.parametrize("route", BROWSER_ROUTES, ids=lambda route: f"{route[0]}-{route[1]}".replace("/", "-"))
async def test_a_browsers_route_comes_to_its_humhub_as_it_was_asked(town: Town, route: tuple[str, str, str]) -> None:
    method, name, query = route
    target, body = town.style.to(name, query), b"a=%2F&b" if method == "POST" else b""
    for site, fake in town.humhubs.items():
        said(town, site)
        host = names(site)[BROWSER_ROUTES.index(route) % 5]
        headers = {"Host": host, "X-Extra": "kept"}
        status, given, _ = await town.bridge.ask("browser", target, method, data=body or None, headers=headers)
        assert (status, given) == (200, b'{"error": 0}')
        (seen,) = fake.seen
        assert (seen.method, seen.target, seen.body) == (method, target, body)
        assert (seen.headers["Host"], seen.headers["X-Extra"]) == (host, "kept")


async def test_a_site_is_known_by_each_of_its_names_however_they_are_written(town: Town) -> None:
    for site, fake in town.humhubs.items():
        said(town, site)
        for host in names(site):
            assert (await town.bridge.ask("browser", f"{town.style.base}/", headers={"Host": host}))[0] == 200
        assert [seen.headers["Host"] for seen in fake.seen] == names(site)
    strange = await town.bridge.ask("browser", "/", headers={"Host": "third.test"})
    assert (strange[0] == 404) == (len(town.humhubs) == 2), "a single site is called anything"


async def test_save_as_comes_to_its_humhub_with_its_own_address_of_docs(town: Town) -> None:
    target, file = town.style.to("onlyoffice/api/saveas"), "/cache/files/data/k1_1/output.docx/output.docx?md5=a"
    for site, fake in town.humhubs.items():
        said(town, site)
        form = {"name": "Copy.docx", "url": f"http://{site}.test/ds{file}"}
        status, _, _ = await town.bridge.ask("browser", target, "POST", data=form, headers={"Host": f"{site}.test"})
        (seen,) = fake.seen
        assert (status, seen.method, seen.target) == (200, "POST", target)
        assert dict(parse_qsl(seen.body.decode()))["url"].endswith(f"/ds{file}")


@pytest.mark.parametrize("name", BACKEND_ROUTES)
async def test_a_backend_route_is_refused_to_browsers_in_every_spelling(town: Town, name: str) -> None:
    base, doc_of = town.style.base, f"doc={doc()}"
    spelt = [
        town.style.to(name, doc_of),
        f"{base}/{name.upper()}?{doc_of}",
        f"{base}/{name}/?{doc_of}",
        f"{base}/{name.replace('backend', '%62ackend')}?{doc_of}",
        f"{base}/index.php/{name}?{doc_of}",
        f"{base}/s/team/{name}?{doc_of}",
        f"{base}/u/alice/{name}?{doc_of}",
        f"{base}/index.php?r={name}&{doc_of}",
        f"{base}/?{doc_of}&r=%2F{quote(name, safe='')}",
        f"{base}/index.php?r=dashboard&r={name}&{doc_of}",
        f"{base}/dashboard?+r[]={name}&{doc_of}",
        f"/{name}?{doc_of}",
        f"/s/social{base}/{name}?{doc_of}",
    ]
    for site in town.humhubs:
        said(town, site)
        for path in spelt:
            for method in ("GET", "POST"):
                status, _, _ = await town.bridge.ask("browser", path, method, headers={"Host": f"{site}.test"})
                assert status == 404, path
    ambiguous = [f"{base}//{name}", f"{base}/x/../{name}", f"{base}/%2e/{name}", f"{base}/{name.replace('/', '%2F')}"]
    for path in ambiguous:
        assert (await town.bridge.ask("browser", path))[0] in (400, 404), path
    assert [fake.seen for fake in town.humhubs.values()] == [[]] * len(town.humhubs)


@pytest.mark.parametrize("storage", ["docs leg", "docs leg, bare", "humhub", "browser", "another"])
async def test_the_editor_page_leads_to_the_legs(town: Town, storage: str) -> None:
    host = "{}.test" if len(storage) % 2 else "www.{}.test:8443"
    for site, fake in town.humhubs.items():
        called, style = host.format(site), town.style
        before = {
            "docs leg": f"{DOCS_LEG}/s/{site}",
            "docs leg, bare": DOCS_LEG,
            "humhub": fake.url,
            "browser": f"http://{called}",
            "another": "https://anything.test:444",
        }[storage]
        download = style.to("onlyoffice/backend/download", f"doc={doc()}")
        track = style.to("onlyoffice/backend/track", f"doc={doc()}")
        config = config_of()
        config["document"]["url"], config["editorConfig"]["callbackUrl"] = before + download, before + track
        api = {name: f"http://{called}{style.to(f'onlyoffice/api/{name}')}" for name in ("saveas", "rename")}
        fake.answers(html(page(signed(config, town.secret(site)), api=api)))
        target = style.to("onlyoffice/open", "guid=a&mode=edit")
        status, body, _ = await town.bridge.ask("browser", target, headers={"Host": called, **AJAX})
        assert status == 200
        found, urls = found_in(body)
        claims = jwt.decode(found["token"], DOCS_SECRET, algorithms=["HS256"], options={"verify_exp": False})
        for given in (found, claims):
            assert given["document"]["url"] == f"{DOCS_LEG}/s/{site}{download}"
            assert given["editorConfig"]["callbackUrl"] == f"{DOCS_LEG}/s/{site}{track}"
        assert urls == api
        assert b'<script src="/ds/web-apps/apps/api/documents/api.js?shardKey=k1"' in body


async def test_docs_comes_to_the_humhub_that_its_address_names(town: Town) -> None:
    for site, fake in town.humhubs.items():
        for before in town.prefixes(site):
            said(town, site)
            fake.answers(
                web.Response(body=b"PK..", content_type="application/octet-stream"),
                web.json_response({"error": 0}),
            )
            download = town.style.to("onlyoffice/backend/download", f"doc={doc()}")
            path = before + download
            status, body, _ = await town.bridge.ask("docs", path, headers=town.bridge.download_token(path))
            assert (status, body) == (200, b"PK..")
            track = town.style.to("onlyoffice/backend/track", f"doc={doc()}")
            answer = await town.bridge.call_back(before + track, {"key": "k1", "status": 1, "users": ["u1"]})
            assert answer == (200, {"error": 0})
            assert [(seen.method, seen.target, seen.headers["Host"]) for seen in fake.seen] == [
                ("GET", download, f"{site}.test"),
                ("POST", track, f"{site}.test"),
            ]
            token = json.loads(fake.seen[1].body)["token"]
            assert jwt.decode(token, town.secret(site), algorithms=["HS256"], options={"verify_exp": False})


async def test_a_conversion_leads_docs_to_its_humhub_and_the_humhub_to_docs(town: Town) -> None:
    for site in town.humhubs:
        for before in town.prefixes(site):
            answered = {"fileUrl": f"{town.bridge.docs.url}/cache/files/data/k1_1/output.docx/output.docx?md5=a"}
            town.bridge.docs.answers(web.json_response({**answered, "endConvert": True, "percent": 100}))
            file = town.style.to("onlyoffice/backend/download", f"doc={doc()}")
            fields = {"async": False, "filetype": "odt", "outputtype": "docx", "key": "k1", "url": f"http://any{file}"}
            status, answer = await town.bridge.call(f"{before}/converter", fields, town.secret(site))
            assert (status, answer["fileUrl"].partition("/cache/")[0]) == (200, f"{HUMHUB_LEG}/s/{site}")
            assert town.bridge.docs.seen[-1].json()["url"] == f"{DOCS_LEG}/s/{site}{file}"


async def test_with_several_sites_the_bare_root_is_nobodys(town: Town) -> None:
    status = (await town.bridge.ask("humhub", "/healthcheck"))[0]
    town.bridge.docs.answers(web.Response(text="true"))
    assert (status == 404) == (len(town.humhubs) == 2)
    path = town.style.to("onlyoffice/backend/download", f"doc={doc()}")
    said(town, "social")
    status, _, _ = await town.bridge.ask("docs", f"/s/third{path}", headers=town.bridge.download_token(path))
    assert status == 404


REDIRECTS = [
    ("http://{host}{base}/dashboard", "{origin}{base}/dashboard"),
    ("{inner}{base}/dashboard", "{origin}{base}/dashboard"),
    ("{base}/dashboard", "{base}/dashboard"),
    ("https://sso.example.com/?back=http://{host}/", "https://sso.example.com/?back=http://{host}/"),
]


@pytest.mark.parametrize("name", ["Location", "X-Redirect"])
async def test_humhubs_redirects_lead_to_where_the_browser_is(town: Town, name: str) -> None:
    for site, fake in town.humhubs.items():
        for host in (f"{site}.test", f"www.{site}.test:8443"):
            words: dict[str, Any] = {
                "host": host,
                "inner": fake.url,
                "base": town.style.base,
                "origin": f"http://{host}",
            }
            for sent, wanted in REDIRECTS:
                for route in ("user/auth/login", "onlyoffice/open"):
                    fake.answers(web.Response(status=302, headers={name: sent.format(**words)}))
                    target = town.style.to(route, "guid=a")
                    status, _, headers = await town.bridge.ask("browser", target, headers={"Host": host, **AJAX})
                    assert (status, headers[name]) == (302, wanted.format(**words))
