"""What is asked of ONLYOFFICE Docs by the command service: its forgotten files, and what the connector needs.

Source: ONLYOFFICE API, command service; ``getForgottenList``, ``getForgotten``, ``deleteForgotten``, ``forcesave``,
``drop`` (observed on the real server: always 200, ``error`` 0 or a code; 1 for a key that it doesn't know, 4 where
there is nothing to save).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from multidict import CIMultiDict

from bridge import hop
from bridge.protocol.errors import BadAnswerError
from bridge.protocol.messages import Command
from bridge.sites import Node, Topology

__all__ = ["Commands"]

_ANSWER_LIMIT: Final = 64 << 20
_LIMIT: Final = 30.0


class _Code(enum.IntEnum):
    OK = 0
    NO_KEY = 1
    NOT_MODIFIED = 4


@dataclass(frozen=True, slots=True)
class Commands:
    """Sends commands to nodes; each call raises :class:`~bridge.protocol.errors.UpstreamError` where a node fails."""

    topology: Topology
    clock: Callable[[], float]

    async def forgotten(self, node: Node) -> list[str]:
        """Name the keys of a node's forgotten files."""
        answer = await self._send(node, "getForgottenList")
        keys = answer.get("keys")
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

    async def forgotten_file(self, node: Node, key: str) -> str | None:
        """Give the URL of a forgotten file, as the node says it; None if it has none of that key."""
        url = (await self._send(node, "getForgotten", key)).get("url")
        return url if isinstance(url, str) and url else None

    async def forget(self, node: Node, key: str) -> bool:
        """Delete a forgotten file; False if there was none."""
        return bool((await self._send(node, "deleteForgotten", key)).get("error") == _Code.OK)

    async def force_save(self, node: Node, key: str) -> bool:
        """Have a document saved while it is open; False where there is nothing to save. A callback brings it."""
        return bool((await self._send(node, "forcesave", key)).get("error") == _Code.OK)

    async def drop(self, node: Node, key: str, user: str) -> None:
        """Put somebody out of a session, by the id that the configuration gave them."""
        await self._send(node, "drop", key, users=[user])

    async def _send(self, node: Node, name: str, key: str | None = None, **more: Any) -> dict[str, Any]:
        fields = {"c": name, **more} if key is None else {"c": name, "key": key, **more}
        body, headers = hop.wire_for_docs(self.topology.rings.inbox, fields, now=self.clock())
        shard = f"?shardkey={quote(key)}" if key is not None else ""
        async with node.upstream.request(
            "POST",
            f"/coauthoring/CommandService.ashx{shard}",
            headers=CIMultiDict(headers),
            body=body,
            deadline=_LIMIT,
        ) as answer:
            raw = await answer.read(_ANSWER_LIMIT)
        if answer.status != HTTPStatus.OK:
            raise BadAnswerError(
                "ONLYOFFICE Docs does not answer a command.",
                remedy="Is it really ONLYOFFICE Docs at this node's address? See its log, or a proxy's before it.",
                upstream=node.name,
                upstream_status=answer.status,
            )
        said = Command.answer(raw, lambda url: url)
        if said.get("error") not in tuple(_Code):
            raise BadAnswerError(
                "ONLYOFFICE Docs refuses a command.",
                remedy="Compare docs.jwt (inbox) with the secret and header that Docs expects from its storage.",
                node=node.name,
                command=name,
                error=said.get("error"),
            )
        return said
