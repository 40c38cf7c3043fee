"""A scripted person at the connector: says who they are, creates, opens, closes and converts, all over HTTP.

It knows the address that browsers are given, and speaks as the script in the pages does. Where the documents are
HumHub's, it goes on with the browser of somebody who has logged in there.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import aiohttp
from yarl import URL

from bridge.demo.editor import Editor
from bridge.demo.networks import BROWSERS
from bridge.demo.person import PageError, Person

_POLLS = 200
_FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """An editor's page: the configuration, the page's own capability, and where Docs' script is."""

    config: dict[str, Any]
    document: str
    script: URL
    notice: str

    @property
    def key(self) -> str:
        return str(self.config["document"]["key"])


class Colleague:
    """One person at the connector of a site; ``http`` is a browser that is theirs already."""

    def __init__(
        self,
        base: str,
        *,
        language: str = "en",
        http: aiohttp.ClientSession | None = None,
        address: str = BROWSERS.resident,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.base = URL(base)
        self.address, self.trust = address, trust
        self._headers = {**_FROM_HERE, "Accept-Language": language, "Origin": str(self.base.origin())}
        self._own = http is None
        self.http = http or aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(address, 0), ssl=trust or True),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )
        self._editors: list[Editor] = []

    @classmethod
    def of(cls, person: Person, language: str = "en") -> Colleague:
        """Give somebody who has logged in to HumHub."""
        return cls(str(person.base), language=language, http=person.http, address=person.address, trust=person.trust)

    async def close(self) -> None:
        """Close the browser, if it is their own, and every editor that is still open."""
        for editor in self._editors:
            await editor.drop()
        if self._own:
            await self.http.close()

    async def introduce(self, name: str) -> None:
        """Say who they are, where no HumHub knows it."""
        async with self.http.post(self.to("me"), data={"name": name}, headers=self._headers) as answer:
            _expect(answer, 200, await answer.text())

    async def create(self, kind: str, name: str, place: str = "") -> dict[str, Any]:
        """Create a document; give what the menu's script gets."""
        return await self.ask("create", {"kind": kind, "name": name, "place": place})

    async def open_at(self, address: str) -> OpenedPage:
        """Open an editor's page."""
        url = self.base.join(URL(address, encoded=True))
        async with self.http.get(url, headers=self._headers) as answer:
            text = await answer.text()
            _expect(answer, 200, text)
        return _opened(text, url)

    async def open(self, guid: str, place: str = "", mode: str = "edit", **more: str) -> OpenedPage:
        """Open a file, as the menu's entry does."""
        return await self.open_at(str(self.to("open", guid=guid, place=place, mode=mode, **more)))

    def editor(self, page: OpenedPage, **options: Any) -> Editor:
        """Make the editor of an open page; it isn't connected yet."""
        made = Editor(page.config, str(page.script), address=self.address, trust=self.trust, **options)
        self._editors.append(made)
        return made

    async def edit(self, guid: str, place: str = "", mode: str = "edit", **options: Any) -> tuple[OpenedPage, Editor]:
        """Open a document, and wait until its editor shows it."""
        page = await self.open(guid, place, mode)
        editor = self.editor(page, **options)
        await editor.open()
        return page, editor

    async def shut(self, page: OpenedPage) -> dict[str, Any]:
        """Close a page as its script does; give what became of the document."""
        return await self.ask("close", {"document": page.document})

    async def convert(self, guid: str, place: str, to: str, *, instead: bool = False) -> dict[str, Any]:
        """Convert a file, asking until it is done; give the new one."""
        for _ in range(_POLLS):
            said = await self.ask("convert", {"guid": guid, "place": place, "to": to, "instead": instead})
            if "file" in said:
                return dict(said["file"])
        raise PageError(f"the conversion did not end: {said}")

    async def notices(self) -> list[str]:
        """Give what the pages would tell."""
        async with self.http.get(self.to("notices"), headers=self._headers) as answer:
            _expect(answer, 200, await answer.text())
            return [one["text"] for one in (await answer.json())["notices"]]

    async def ask(self, path: str, message: dict[str, Any]) -> dict[str, Any]:
        """Post what a page's script posts."""
        async with self.http.post(self.to(path), json=message, headers=self._headers) as answer:
            text = await answer.text()
            _expect(answer, 200, text)
        return dict(json.loads(text))

    def to(self, path: str, **query: str) -> URL:
        """Build an address of the connector."""
        return URL(f"{str(self.base).rstrip('/')}/onlyoffice-bridge/{path}").with_query(query)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.notice, self._in_notice = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "body":
            self.data = {name.removeprefix("data-"): value for name, value in values.items()}
        self._in_notice = self._in_notice or values.get("id") == "notice"

    def handle_endtag(self, tag: str) -> None:
        self._in_notice = self._in_notice and tag != "p"

    def handle_data(self, data: str) -> None:
        if self._in_notice:
            self.notice += data.strip()


def _opened(text: str, url: URL) -> OpenedPage:
    page = _Page()
    page.feed(text)
    if "config" not in page.data:
        raise PageError(f"the page holds no editor: {text[:300]}")
    script = url.join(URL(page.data["api"], encoded=True))
    return OpenedPage(json.loads(page.data["config"]), page.data["document"], script, page.notice)


def _expect(answer: aiohttp.ClientResponse, status: int, text: str) -> None:
    if answer.status != status:
        raise PageError(f"expected {status} from {answer.method} {answer.url.path}, got {answer.status} {text[:300]}")
