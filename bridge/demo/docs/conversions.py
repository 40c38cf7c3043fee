"""The conversion service: `/converter` (JSON) and `/ConvertService.ashx` (XML unless JSON is asked for).

Results are cached by key and target format; the url of a later call is ignored. Without a key there is one key, `null`,
shared by everybody. A failed conversion stays failed for whoever asks again, but a failed download is tried anew: who
polls hears of a failed download only as of a conversion that has just begun.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bridge.demo.docs import answers, faults, formats, links, ooxml, params, shelf, tokens
from bridge.demo.docs.downloads import DOWNLOAD_FAILED, TOO_BIG, Downloader, DownloadError

if TYPE_CHECKING:
    from bridge.demo.docs.faults import Faults
    from bridge.demo.docs.settings import DocsSettings
    from bridge.demo.docs.shelf import Shelf
    from bridge.demo.docs.tasks import Tasks

CONVERSION, INPUT, TOKEN, FORMAT = -3, -7, -8, -9
_TRIED_ANEW = frozenset({DOWNLOAD_FAILED, TOO_BIG})
JSON = "application/json; charset=UTF-8"
XML = "text/xml; charset=UTF-8"

_FILETYPE = re.compile(r"[0-9A-Za-z]{1,16}")
_OUTPUTS = frozenset(formats.CODES) | {"bmp", "gif", "epub", "fb2", "docm", "xlsm", "pptm", "pdfa", "rtf", "md", "xps"}


@dataclass(slots=True)
class Work:
    """One conversion: its result once it is done."""

    path: str
    filetype: str
    done: asyncio.Event = field(default_factory=asyncio.Event)
    error: int | None = None


class InputError(ValueError):
    """Parameters that make no sense."""


@dataclass(slots=True)
class Conversions:
    """All conversions of one small Docs server."""

    settings: DocsSettings
    shelf: Shelf
    downloader: Downloader
    faults: Faults
    tasks: Tasks
    works: dict[str, Work] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("convert")
        if fault is not None:

            async def nothing() -> tuple[bytes, str]:
                return b'{"percent":0,"endConvert":false}', JSON

            return await faults.misbehave(fault, request, nothing)
        self.shelf.last_shard = request.query.get("shardkey") or self.shelf.last_shard
        try:
            wanted = await params.read(request, self.settings)
            work = self._work(wanted)
        except tokens.EmptyPayload:
            return _failure(request, INPUT)
        except tokens.BadToken:
            return _failure(request, TOKEN)
        except InputError:
            return _failure(request, INPUT)
        if str(wanted.get("async")).lower() != "true":
            try:
                async with asyncio.timeout(self.settings.conversion_timeout):
                    await work.done.wait()
            except TimeoutError:
                return answers.front(504)
        return self._answer(request, work, wanted)

    def _work(self, wanted: dict[str, Any]) -> Work:
        filetype, output = str(wanted.get("filetype", "")).lower(), str(wanted.get("outputtype", "")).lower()
        key = "null" if wanted.get("key") is None else wanted["key"]
        if not (_FILETYPE.fullmatch(filetype) and output in _OUTPUTS and shelf.is_key(key)):
            raise InputError(f"{key!r} {filetype!r} {output!r}")
        code = formats.CODES.get(output, 0)
        target = formats.ooxml_target(filetype) if output == "ooxml" else output
        path = f"data/conv_{key}_{code}/output.{target}"
        work = self.works.get(path)
        if work is None or work.error in _TRIED_ANEW:
            work = self.works[path] = Work(path, target)
            self.tasks.start(self._run(work, filetype, wanted.get("url")))
        return work

    async def _run(self, work: Work, filetype: str, url: object) -> None:
        try:
            async with self.downloader.worker:
                if not isinstance(url, str):
                    work.error = INPUT
                    return
                data = await self.downloader.fetch(url)
                self.shelf.put(work.path, formats.convert(formats.sniff(data, filetype), work.filetype))
        except DownloadError as error:
            work.error = error.code
        except ooxml.CorruptError:
            work.error = CONVERSION
        except formats.CantConvertError:
            work.error = FORMAT
        finally:
            work.done.set()

    def _answer(self, request: web.Request, work: Work, wanted: dict[str, Any]) -> web.Response:
        if not work.done.is_set():
            return _answer(request, {"percent": 0, "endConvert": False})
        if work.error is not None:
            return _failure(request, work.error)
        title = str(wanted.get("title") or "output")
        name = f"{title.rsplit('.', 1)[0] if '.' in title else title}.{work.filetype}"
        url = self.shelf.linker.link(
            links.base_url(request.headers),
            work.path,
            name,
            lifetime=self.settings.link_lifetime,
            now=time.time(),
            shard=self.shelf.last_shard,
        )
        return _answer(request, {"fileUrl": url, "fileType": work.filetype, "percent": 100, "endConvert": True})


def _wants_xml(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    if request.path.lower().endswith("/converter"):
        return "application/xml" in accept
    return "application/json" not in accept


def _failure(request: web.Request, code: int) -> web.Response:
    return _answer(request, {"error": code})


def _answer(request: web.Request, answer: dict[str, Any]) -> web.Response:
    if not _wants_xml(request):
        return answers.json_answer(answer, JSON)
    if "error" in answer:
        parts = f"<Error>{answer['error']}</Error>"
    else:
        parts = _element("FileUrl", answer.get("fileUrl")) + _element("FileType", answer.get("fileType"))
        parts += f"<Percent>{answer['percent']}</Percent><EndConvert>{answer['endConvert']}</EndConvert>"
    text = f'<?xml version="1.0" encoding="utf-8"?><FileResult>{parts}</FileResult>'
    return web.Response(body=text.encode(), headers={"Content-Type": XML})


def _element(name: str, text: str | None) -> str:
    return f"<{name}>{escape(text).replace('&#x27;', '&apos;')}</{name}>" if text else f"<{name}/>"
