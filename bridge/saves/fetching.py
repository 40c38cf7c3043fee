"""Fetches an edited file from the node that has it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from multidict import CIMultiDict

from bridge.protocol.errors import BadAnswerError
from bridge.protocol.signatures import is_page
from bridge.saves.limits import limits_of
from bridge.sites import Node
from bridge.transport.upstream import Answer

__all__ = ["File", "body_of", "digest_of"]

_LOG: Final = "See the log of ONLYOFFICE Docs; it keeps the edit, and the bridge asks for it again."


@dataclass(frozen=True, slots=True)
class File:
    """A file on its way: its length in bytes, where that is promised, and when Docs made it, by Docs' own clock."""

    chunks: AsyncIterator[bytes]
    length: int | None
    modified: float | None


@contextlib.asynccontextmanager
async def body_of(node: Node, path: str, filetype: str | None, limit: float) -> AsyncIterator[File]:
    """Fetch an edited file from its node.

    Raises:
        BadAnswerError: it is not the file; while iterating: it is not as long as promised.
        UpstreamError: the node fails.
    """
    headers = CIMultiDict({"Accept-Encoding": "identity"})
    limits = limits_of(node.upstream, limit)
    async with node.upstream.request("GET", path, headers=headers, timeouts=limits, deadline=limit) as answer:
        if answer.status != HTTPStatus.OK:
            raise BadAnswerError(
                "ONLYOFFICE Docs does not give the edited file.",
                upstream=node.name,
                upstream_status=answer.status,
                remedy=_LOG,
            )
        if is_page(answer.media_type, filetype):
            kind = answer.media_type
            raise BadAnswerError(
                "ONLYOFFICE Docs gives a page instead of the edited file.",
                upstream=node.name,
                content_type=kind,
                remedy="Is it really ONLYOFFICE Docs at this node's address, or a sign-in page before it?",
            )
        answer.check_file()
        yield File(_counted(answer), answer.content_length, _instant(answer.headers.get("Last-Modified")))


async def digest_of(node: Node, path: str, limit: float) -> str:
    """Give the SHA-256 of a file that a node has; raises as :func:`body_of` does."""
    digest = hashlib.sha256()
    async with body_of(node, path, None, limit) as file:
        async for chunk in file.chunks:
            digest.update(chunk)
    return digest.hexdigest()


def _instant(header: str | None) -> float | None:
    """Read an HTTP date; None for none."""
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


async def _counted(answer: Answer) -> AsyncIterator[bytes]:
    """Pass the body on and compare its length with the promised one."""
    got = 0
    async for chunk in answer.body:
        got += len(chunk)
        yield chunk
    if not got:
        raise BadAnswerError("ONLYOFFICE Docs gave no byte of the edited file.", upstream=answer.upstream, remedy=_LOG)
    if answer.content_length is not None and got != answer.content_length:
        raise BadAnswerError(
            "The edited file is shorter than promised.",
            upstream=answer.upstream,
            promised=answer.content_length,
            got=got,
            remedy=_LOG,
        )
