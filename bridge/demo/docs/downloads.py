"""The download of a document: three tries a second apart, two minutes for all of it, one at a time.

An HTTP error, a redirect loop or a refusal is tried again; a time-out, a reset, a truncated or an oversized body is
not. There is one converter worker: a download that hangs holds up every other open and conversion.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp

from bridge.demo.docs.outgoing import CallError, Outgoing, TooBig

if TYPE_CHECKING:
    from bridge.demo.docs.settings import DocsSettings

DOWNLOAD_FAILED = -4
TOO_BIG = -10


class DownloadError(Exception):
    """No document came; `code` is the one that the caller gets (-4, -10)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Download:
    """One attempt: where, and what came of it (a length, or what was wrong)."""

    url: str
    outcome: int | str


@dataclass(slots=True)
class Downloader:
    """Fetches documents for editors and conversions."""

    settings: DocsSettings
    outgoing: Outgoing
    log: list[Download] = field(default_factory=list)
    worker: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def fetch(self, url: str) -> bytes:
        """Return the document; raise DownloadError."""
        try:
            async with asyncio.timeout(self.settings.download_timeout):
                return await self._attempts(url)
        except TimeoutError as error:
            self.log.append(Download(url, "timeout"))
            raise DownloadError(DOWNLOAD_FAILED, "timeout") from error

    async def _attempts(self, url: str) -> bytes:
        last = self.settings.download_attempts - 1
        for attempt in range(self.settings.download_attempts):
            try:
                body = await self._once(url)
            except CallError as error:
                self.log.append(Download(url, str(error)))
                if isinstance(error, TooBig):
                    raise DownloadError(TOO_BIG, str(error)) from error
                if not error.retryable or attempt == last:
                    raise DownloadError(DOWNLOAD_FAILED, str(error)) from error
                await asyncio.sleep(self.settings.download_retry_delay)
            else:
                self.log.append(Download(url, len(body)))
                return body
        raise DownloadError(DOWNLOAD_FAILED, "no attempt was allowed")

    async def _once(self, url: str) -> bytes:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise CallError("unsupported protocol", retryable=True)
        try:
            body, _headers = await self.outgoing.get(url)
        except aiohttp.ClientConnectorDNSError as error:
            raise CallError(str(error), retryable=False) from error
        except aiohttp.ClientConnectorError as error:
            raise CallError(str(error), retryable=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CallError(str(error) or type(error).__name__, retryable=False) from error
        return body
