"""Files that ONLYOFFICE Docs made, such as conversions' results, for HumHub and for Docs itself.

Which node has one is told by the key in its path alone. Anything but the file is an error without a body: HumHub's
module stores any body that it gets as the document.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from bridge.legs import files
from bridge.legs.middleware import note, raw_target
from bridge.legs.state import TOPOLOGY
from bridge.protocol.errors import BadAnswerError
from bridge.protocol.headers import forwardable
from bridge.protocol.keys import key_of_file
from bridge.protocol.signatures import is_page
from bridge.protocol.urls import docs_file, with_shard
from bridge.transport.relay import stream
from bridge.transport.upstream import Answer

__all__ = ["relay"]

_STATUSES: Final = (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED)
# Who calls proves it to us, and not to Docs, which knows its own links.
_OURS: Final = ("Cookie", "Authorization", "Accept-Encoding")

_REMEDIES: Final[dict[int, str]] = {
    HTTPStatus.FORBIDDEN: "Its links hold for a quarter of an hour: ask for the file anew; compare the clocks.",
    HTTPStatus.NOT_FOUND: "It is gone from Docs' cache: ask for it anew. With several nodes: is this one its maker?",
    HTTPStatus.GONE: "Its links hold for a quarter of an hour: ask for the file anew; compare the clocks.",
}


async def relay(request: web.Request, *, deadline: float | None = None) -> web.StreamResponse:
    """Relay the file that the path names from the node that has it; ``deadline`` is in seconds."""
    topology = request.app[TOPOLOGY]
    path, _, query = docs_file(raw_target(request)).partition("?")
    key = key_of_file(path)
    node = topology.node_for(key)
    note(request, node=node.name, key=key)
    headers = forwardable(request.headers)
    for name in (*_OURS, topology.rings.outbox.header):
        headers.popall(name, None)
    headers["Accept-Encoding"] = "identity"
    target = f"{path}?{with_shard(query, key)}"
    async with node.upstream.request(request.method, target, headers=headers, deadline=deadline) as answer:
        check(answer, path)
        return await stream(request, answer, headers=files.headers(answer))


def check(answer: Answer, path: str) -> None:
    """See that an answer of Docs is the file at ``path``, and not a page about it.

    Raises:
        BadAnswerError: it isn't.
    """
    page = is_page(answer.media_type, path.rpartition(".")[2])
    if answer.status not in _STATUSES or answer.content_length == 0 or page:
        raise BadAnswerError(
            "ONLYOFFICE Docs does not give the file.",
            upstream=answer.upstream,
            remedy=_REMEDIES.get(answer.status, "See the log of ONLYOFFICE Docs, and of a proxy before it."),
            upstream_status=answer.status,
            content_type=answer.media_type,
            length=answer.content_length,
        )
    answer.check_file()
