"""A scripted person with a browser's manners: logs in to HumHub, creates, posts, opens and converts, all over HTTP.

It knows one address only, the one that browsers are given. What a page names (the editor's script, the form's token)
is taken from the page.
"""

from __future__ import annotations

import json
import ssl
import time
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, unquote, urlencode

import aiohttp
from yarl import URL

from bridge.demo.editor import Editor
from bridge.demo.networks import BROWSERS

_API_SCRIPT = "/web-apps/apps/api/documents/api.js"
_AJAX = {"X-Requested-With": "XMLHttpRequest"}
_CONVERSION_POLLS = 100


class PageError(Exception):
    """A page isn't what a person expects there."""


@dataclass(frozen=True, slots=True)
class EditorPage:
    """What the editor's modal holds: the configuration, the module's addresses, and where Docs' script is."""

    config: dict[str, Any]
    api: dict[str, Any]
    script: URL

    @property
    def key(self) -> str:
        return str(self.config["document"]["key"])


class Person:
    """One user of HumHub.

    async with Person("alice", "alice-pass-1", "http://127.0.0.1:8080") as alice:
        await alice.log_in()
        guid = await alice.create("Minutes")
        editor = await alice.edit(guid)
    """

    def __init__(
        self,
        username: str,
        password: str,
        base: str,
        *,
        pretty_urls: bool = True,
        address: str = BROWSERS.resident,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.username = username
        self.base = URL(base)
        self._password = password
        self._pretty_urls = pretty_urls
        self.csrf = ""
        self._editors: list[Editor] = []
        self.address = address
        self.trust = trust
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(address, 0), ssl=trust or True),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the browser, and with it every editor that is still open."""
        for editor in self._editors:
            await editor.drop()
        await self.http.close()

    # HumHub's pages

    async def log_in(self) -> None:
        """Log in by the form, and see that HumHub's start page comes."""
        await self._visit("user/auth/login")
        form = {
            "_csrf": self.csrf,
            "Login[username]": self.username,
            "Login[password]": self._password,
            "Login[rememberMe]": "1",
        }
        async with self.http.post(self.to("user/auth/login"), data=form, allow_redirects=False) as answer:
            _expect(answer, 302)
        await self._visit("dashboard/dashboard")

    async def create(self, name: str, extension: str = "docx") -> str:
        """Use the menu "Create document"; return the new file's guid."""
        form = {"CreateDocument[fileName]": name, "CreateDocument[openFlag]": "1", "CreateDocument[fid]": ""}
        answer = await self.send(self.to("onlyoffice/create/document", extension=extension), form)
        if not answer.get("success"):
            raise PageError(f"HumHub did not create {name}.{extension}: {answer}")
        return str(answer["file"]["guid"])

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file; return its guid."""
        form = aiohttp.FormData()
        form.add_field("files[]", content, filename=name, content_type="application/octet-stream")
        answer = await self.send(self.to("file/file/upload"), form)
        found = answer["files"][0]
        if found.get("error"):
            raise PageError(f"HumHub did not take {name}: {found}")
        return str(found["guid"])

    async def post(self, text: str, *guids: str) -> None:
        """Write a post with files in the space."""
        form = [("Post[message]", text), ("visibility", "0"), ("state", "1"), *(("fileList[]", guid) for guid in guids)]
        found = await self._visit("dashboard/dashboard")
        action = next((action for action in found.actions if unquote(action).count("post/post/post")), None)
        if action is None:
            raise PageError("HumHub's start page has no form for posts")
        await self.send(self.base.join(URL(action, encoded=True)), form)

    async def read(self, guid: str) -> bytes:
        """Download a file as HumHub's page offers it."""
        async with self.http.get(self.to("file/file/download", guid=guid)) as answer:
            _expect(answer, 200)
            return await answer.read()

    async def convert(self, guid: str, new_name: str) -> None:
        """Convert a file in HumHub, asking until it is done, as the module's script does."""
        url = self.to("onlyoffice/convert/convert", guid=guid, ts=str(int(time.time())), newName=new_name)
        for _ in range(_CONVERSION_POLLS):
            answer = await self.send(url, None)
            if answer.get("error"):
                raise PageError(f"HumHub did not convert the file: {answer}")
            if answer.get("endConvert"):
                return
        raise PageError(f"the conversion did not end: {answer}")

    # The editor

    async def open(self, guid: str, mode: str = "edit") -> EditorPage:
        """Open the modal with the editor; return what is in it."""
        return await self.open_at(self.to("onlyoffice/open", guid=guid, mode=mode))

    async def open_at(self, url: URL) -> EditorPage:
        """Open the modal that a link leads to, such as a shared one."""
        async with self.http.get(url, headers=_AJAX) as answer:
            _expect(answer, 200)
            return editor_page(await answer.text(), url)

    def editor(self, page: EditorPage, **options: Any) -> Editor:
        """Make the editor of an open modal; it isn't connected yet."""
        made = Editor(page.config, str(page.script), address=self.address, trust=self.trust, **options)
        self._editors.append(made)
        return made

    async def edit(self, guid: str, mode: str = "edit", **options: Any) -> Editor:
        """Open a document, and wait until its editor shows it."""
        editor = self.editor(await self.open(guid, mode), **options)
        await editor.open()
        return editor

    # How HumHub is spoken to

    def to(self, route: str, **params: str) -> URL:
        """Build the address of one of HumHub's routes."""
        if self._pretty_urls:
            return URL(f"{self.base}/{route.removesuffix('/dashboard')}?{urlencode(params)}".rstrip("?"), encoded=True)
        query = "".join(f"&{urlencode({name: value})}" for name, value in params.items())
        return URL(f"{self.base}/index.php?r={quote(route, safe='')}{query}", encoded=True)

    async def _visit(self, route: str) -> Marks:
        """Load a page of HumHub and remember its form token."""
        async with self.http.get(self.to(route)) as answer:
            _expect(answer, 200)
            found = Marks.read(await answer.text())
        if not found.csrf:
            raise PageError(f"the page {route} has no form token: is it HumHub's?")
        self.csrf = found.csrf
        return found

    async def send(self, url: URL, form: Any) -> dict[str, Any]:
        """Post a form as HumHub's scripts do; return the JSON that is answered."""
        headers = {**_AJAX, "X-CSRF-Token": self.csrf}
        async with self.http.post(url, data=form, headers=headers) as answer:
            text = await answer.text()
            _expect(answer, 200, text)
        found = json.loads(text)
        if not isinstance(found, dict):
            raise PageError(f"HumHub answered {url.path} with {text[:200]}")
        return found


@dataclass(slots=True)
class Marks(HTMLParser):
    """What a page holds for a script: the form token, where forms go, scripts, the editor's data attributes."""

    csrf: str = ""
    actions: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    config: str = ""
    api: str = ""

    @classmethod
    def read(cls, page: str) -> Marks:
        found = cls()
        HTMLParser.__init__(found)
        found.feed(page)
        found.close()
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta" and values.get("name") == "csrf-token":
            self.csrf = values.get("content", "")
        if tag == "form":
            self.actions.append(values.get("action", ""))
        if values.get("type") == "submit":
            self.actions.append(values.get("data-action-click-url", ""))
        if tag == "script" and values.get("src"):
            self.scripts.append(values["src"])
        self.config = values.get("data-config") or self.config
        self.api = values.get("data-api") or self.api


def editor_page(page: str, url: URL) -> EditorPage:
    found = Marks.read(page)
    script = next((source for source in found.scripts if _API_SCRIPT in source), None)
    if not found.config or script is None:
        raise PageError(f"the modal holds no editor: {page[:200]}")
    return EditorPage(json.loads(found.config), json.loads(found.api or "{}"), url.join(URL(script, encoded=True)))


def _expect(answer: aiohttp.ClientResponse, status: int, text: str = "") -> None:
    if answer.status != status:
        raise PageError(f"expected {status} from {answer.method} {answer.url.path}, got {answer.status} {text[:200]}")
