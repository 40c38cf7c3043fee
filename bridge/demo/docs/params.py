"""The parameters of a call to Docs: the claims of its token, else nothing.

The body's token wins over the header's; its claims replace the plain parameters. Without a secret the plain ones count.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bridge.demo.docs import tokens

if TYPE_CHECKING:
    from aiohttp import web

    from bridge.demo.docs.settings import DocsSettings


async def read(request: web.Request, settings: DocsSettings) -> dict[str, Any]:
    """Return the verified parameters; raise tokens.BadToken or its kin."""
    token = request.query.get("token")
    plain: dict[str, Any] = dict(request.query)
    if request.method == "POST":
        plain = await _body(request)
        token = plain.get("token", token)
    if not settings.secret:
        return plain
    if token is None:
        token = tokens.from_header(request.headers.get(settings.header))
    return tokens.verify(token, settings.secret)


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        plain = json.loads(await request.read() or b"{}")
    except ValueError:
        return {}
    return plain if isinstance(plain, dict) else {}
