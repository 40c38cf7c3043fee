"""Calls that Docs makes: one connection a request, the headers that it was seen to send, redirects followed by hand.

Theory of operation. A redirect is followed up to 21 times. The token stays on the same host (its claim keeps the old
URL) and is dropped on another; 307 and 308 repeat the request, the others turn into a GET without body. The request
line is percent-normalised, what is signed is the URL as it came.
"""

from __future__ import annotations

import base64
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

import aiohttp
from yarl import URL

from bridge.demo.docs import links, tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from bridge.demo.docs.settings import DocsSettings

MAX_REDIRECTS = 21
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BASE_HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "User-Agent": "Node.js/6.13",
    "Connection": "Keep-Alive",
    "Accept-Encoding": "gzip, compress, deflate, br",
}


class CallError(Exception):
    """A call that brought nothing usable; `retryable` says whether Docs tries again."""

    def __init__(self, message: str, *, retryable: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.status = status


class TooBig(CallError):  # noqa: N818 - reads as what it is
    """The body is over the limit."""

    def __init__(self) -> None:
        super().__init__("the body is over the limit", retryable=False)


@dataclass(slots=True)
class Outgoing:
    """The client of one small Docs server; `open` and `close` bound its life."""

    settings: DocsSettings
    _session: aiohttp.ClientSession | None = field(default=None)

    async def open(self) -> None:
        source = self.settings.source_address
        local = (source, 0) if source else None
        connector = aiohttp.TCPConnector(force_close=True, local_addr=local, ssl=self.settings.trust or True)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - a broken GET is not quietly sent again, as aiohttp would

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post_json(self, url: str, text: str, authorization: str) -> tuple[int, str]:
        """Return status and body of the answer to a POST, redirects followed as Docs follows them."""
        headers = {"Content-Type": "application/json"}
        if authorization:
            headers[self.settings.header] = authorization
        async with self._answer("POST", url, headers, text.encode()) as response:
            return response.status, (await response.read()).decode(errors="replace")

    async def get(self, url: str, extra: Mapping[str, str] | None = None) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a signed GET; raise CallError on anything but 200 or 206."""
        headers = dict(extra or {})
        if self.settings.secret:
            signed = tokens.sign_header({"url": url}, self.settings.secret, time.time())
            headers[self.settings.header] = tokens.PREFIX + signed
        async with self._answer("GET", url, headers, None) as response:
            if response.status not in {200, 206}:
                raise CallError(f"HTTP {response.status}", retryable=True, status=response.status)
            return await self._limited(response), response.headers

    async def _limited(self, response: aiohttp.ClientResponse) -> bytes:
        limit = self.settings.download_limit
        if (response.content_length or 0) > limit:
            raise TooBig
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise TooBig
        return bytes(body)

    @asynccontextmanager
    async def _answer(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer behind all redirects."""
        for _ in range(MAX_REDIRECTS + 1):
            async with self._send(method, url, headers, body) as response:
                location = response.headers.get("Location")
                if response.status not in _REDIRECTS or location is None:
                    yield response
                    return
                target = urljoin(url, location)
                if urlsplit(target).netloc != urlsplit(url).netloc:
                    headers.pop(self.settings.header, None)
                if response.status not in {307, 308}:
                    method, body = "GET", None
                    headers.pop("Content-Type", None)
                url = target
        raise CallError("too many redirects", retryable=True)

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
        if self._session is None:
            raise CallError("stopped", retryable=False)
        sent = {**_BASE_HEADERS, **headers}
        address, credentials = _split_credentials(url)
        if credentials is not None:
            sent["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        return self._session.request(
            method, URL(links.normalise(address), encoded=True), headers=sent, data=body, allow_redirects=False
        )


def _split_credentials(url: str) -> tuple[str, str | None]:
    """Take `user:password@` out of a URL."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    return (parts._replace(netloc=host).geturl(), unquote(credentials)) if at else (url, None)


def compact(value: object) -> str:
    """Write JSON as Docs writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
