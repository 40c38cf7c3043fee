"""What HumHub's answers mean, where they aren't what was asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

from multidict import CIMultiDict

from bridge.connector.humhub.pages import leads_to_login, said
from bridge.connector.humhub.ways import Head
from bridge.connector.storage import Content, SignedOutError
from bridge.connector.words import msgid
from bridge.protocol.errors import (
    BadAnswerError,
    BridgeError,
    CutError,
    NoRouteError,
    RefusedError,
    TooLargeError,
)
from bridge.protocol.filenames import disposed_name
from bridge.protocol.signatures import is_page, is_text
from bridge.transport.upstream import Answer

__all__ = [
    "ANSWER_LIMIT",
    "KEYLESS",
    "LIMITS",
    "content",
    "error_of",
    "head",
    "plain_headers",
    "refused_upload",
    "text",
    "upload_answer",
]

ANSWER_LIMIT: Final = 16 << 20
"""How long a page may be, in bytes: a folder's has some 5 KB a file, and so has the answer to an upload."""

KEYLESS: Final = (
    "Set sites[].rest.secret to the key of HumHub's rest module: with it, saves arrive after people have signed out."
)
_NOTHING: Final = b'{"files":[]'
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What stands in HumHub's own words for a size, in any language: a number and a unit.
_SIZE: Final = re.compile(r"\d\s*(?:[kMGT]i?B|bytes?)\b", re.IGNORECASE)
LIMITS: Final = (
    "Raise the limits of uploads: HumHub's (Administration, Settings, Files), PHP's upload_max_filesize and "
    "post_max_size, and that of the web server before it (client_max_body_size)."
)
_MOVED: Final = "Compare the site's upstream with HumHub's base URL and scheme, and its base_path."
_LOG: Final = "See HumHub's log (protected/runtime/logs/app.log) and its web server's."


async def text(answer: Answer) -> str:
    """Give the page or fragment of an answer that is one.

    Raises:
        BridgeError: see :func:`error_of`.
    """
    raw = await answer.read(ANSWER_LIMIT)
    if answer.status != HTTPStatus.OK:
        raise error_of(answer, raw)
    return raw.decode(errors="replace")


def error_of(answer: Answer, raw: bytes) -> BridgeError:
    """Give the error that an answer means. 401 is for who may not see a file, and for who isn't signed in."""
    told = said(raw)
    about: dict[str, Any] = {"upstream": answer.upstream, "upstream_status": answer.status}
    location = answer.headers.get("X-Redirect") or answer.headers.get("Location") or ""
    match answer.status:
        case status if (status in _REDIRECTS or "X-Redirect" in answer.headers) and leads_to_login(location):
            return SignedOutError(msgid("You are not signed in to HumHub."), remedy=KEYLESS, **about)
        case 401 | 403:
            return RefusedError(f"HumHub refuses: {told}" if told else msgid("You may not do that in HumHub."), **about)
        case 404:
            return NoRouteError(msgid("There is no such file in HumHub."), **about)
        case 413:
            return TooLargeError(msgid("The file is larger than HumHub takes."), remedy=LIMITS, **about)
        case status if status in _REDIRECTS:
            return BadAnswerError("HumHub leads elsewhere.", remedy=_MOVED, location=location[:200], **about)
        case _:
            why = f"HumHub answers with an error: {told}" if told else "HumHub answers with an error."
            return BadAnswerError(why, remedy=_LOG, **about)


async def upload_answer(answer: Answer) -> bytes:
    """Read what HumHub says of an upload, to its end but for one that says that there was none.

    What is over post_max_size PHP drops, and HumHub goes on as if nothing had been sent; but the end of its answer may
    never come, where PHP-FPM waits for somebody to take the rest of the request (seen with nginx before it).
    """
    raw = bytearray()
    while not raw.startswith(_NOTHING) and (chunk := await answer.chunk()):
        raw += chunk
        if len(raw) > ANSWER_LIMIT:
            raise BadAnswerError("HumHub answers too much.", upstream=answer.upstream, remedy=_LOG)
    return bytes(raw)


def refused_upload(answer: Answer, raw: bytes) -> BridgeError:
    """Give the error for an upload that HumHub took and didn't store: it says so with a 200."""
    told = said(raw)
    about: dict[str, Any] = {"upstream": answer.upstream, "answer": raw[:200].decode(errors="replace")}
    if told:
        why = f"HumHub doesn't take the file: {told}"
        error = TooLargeError(why, remedy=LIMITS, **about) if _SIZE.search(told) else RefusedError(why, **about)
        error.said = told  # in the user's language already
        return error
    if raw.startswith(_NOTHING):
        return TooLargeError(msgid("The file is larger than HumHub takes."), remedy=LIMITS, **about)
    return BadAnswerError("HumHub doesn't say what became of the file.", remedy=_LOG, **about)


# --- files --------------------------------------------------------------------------------------------------------


def head(answer: Answer) -> Head:
    """Read what an answer says of the file that it is.

    Raises:
        BadAnswerError: it is a page in the file's place. Only a file has a name there; and what is text can look like
            a page to who looks at its first bytes, as HumHub does.
    """
    name = disposed_name(answer.headers.get("Content-Disposition", ""))
    kind, ending = answer.media_type, name.rpartition(".")[2]
    if answer.status != HTTPStatus.OK or not name or (is_page(kind, ending) and not is_text(ending)):
        raise BadAnswerError(
            "HumHub does not give the file.",
            upstream=answer.upstream,
            upstream_status=answer.status,
            content_type=kind,
            remedy="HumHub answers with a page: is it in maintenance mode, or does a proxy ask people to sign in?",
        )
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
    version = etag or f"{answer.headers.get('Last-Modified', '')} {length}".strip()
    return Head(name, size, version, kind or "application/octet-stream")


@asynccontextmanager
async def content(answer: Answer) -> AsyncIterator[Content]:
    """Give the file that an answer is; a part of one, or nothing in its place, is an error at the latest at its end."""
    file = head(answer)
    answer.check_file()
    if file.size == 0 and not is_text(file.name.rpartition(".")[2]):
        raise _empty(answer)
    yield Content(file.version, file.size, _whole(answer, file.size))


async def _whole(answer: Answer, size: int | None) -> AsyncIterator[bytes]:
    got = 0
    async for chunk in answer.body:
        got += len(chunk)
        yield chunk
    if size is not None and got != size:
        remedy = "See HumHub's log, and that of its web server: it gave less than it had promised."
        raise CutError(
            "HumHub gives a part of the file alone.", upstream=answer.upstream, promised=size, got=got, remedy=remedy
        )
    if not got and size is None:
        raise _empty(answer)


def _empty(answer: Answer) -> BadAnswerError:
    remedy = "Is the file there on HumHub's disk, and its disk full? See HumHub's log."
    return BadAnswerError("HumHub gives the file without a byte in it.", upstream=answer.upstream, remedy=remedy)


def plain_headers(host: str, **more: str) -> CIMultiDict[str]:
    """Give what every call to HumHub has: packed answers would have to be unpacked."""
    return CIMultiDict({"Host": host, "Accept-Encoding": "identity", **more})
