"""A request for the connector: of which site, from whom, and whether one of our own pages sent it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from bridge.connector.configuration import Mode
from bridge.connector.connector import Connector
from bridge.connector.storage import StoredFile, Visitor
from bridge.legs.middleware import client_of, note
from bridge.protocol.errors import BadRequestError, RefusedError
from bridge.protocol.messages import parse_object
from bridge.sites import Site
from bridge.transport.relay import read_request

__all__ = ["OPENED", "Asked"]

# A message of a page of ours is a line or two.
_MESSAGE: Final = 16 << 10
OPENED: Final = "onlyoffice_bridge"
"""The cookie that says that this browser has opened a document: only then may there be something to tell its user."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for the connector of a site; ``base`` is the path that everything of it lies below."""

    request: web.Request
    site: Site
    connector: Connector
    base: str

    @property
    def origin(self) -> str:
        """Give scheme and host as the browser has them."""
        client = client_of(self.request)
        return f"{client.proto}://{client.host}"

    @property
    def sign_in(self) -> str:
        """Give where somebody says who they are: to HumHub, or to the list of a directory."""
        return f"{self.site.base_path}/user/auth/login" if self.site.directory is None else "/"

    async def visitor(self, place: str) -> Visitor:
        """Give who asks, as the storage knows them."""
        visitor = await self.connector.storage.visitor(self.request.headers, place)
        note(self.request, visitor=visitor.id)
        return visitor

    async def message(self) -> dict[str, Any]:
        """Read what a page of ours posts.

        Raises:
            RefusedError: a foreign page sent it.
            BadRequestError: it isn't the JSON that our pages send.
        """
        if self.request.content_type != "application/json":
            raise BadRequestError("This is asked with JSON.", content_type=self.request.content_type)
        self.check_origin()
        return parse_object(await read_request(self.request, _MESSAGE))

    def check_origin(self) -> None:
        """See that a page of this very host asks for a change.

        Raises:
            RefusedError: a foreign page does.
        """
        origin, site = self.request.headers.get("Origin"), self.request.headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or (origin is not None and origin.lower() != self.origin.lower()):
            raise RefusedError(
                "Another site's page asked for this.",
                remedy="If a proxy stands before the bridge, name it in legs.browser.trust_forwarded_from: browsers "
                "come by https, and the bridge takes it for http.",
                origin=origin,
                expected=self.origin,
            )

    def address(self, file: StoredFile, mode: Mode, *, framed: bool = False) -> str:
        """Give the address that opens a file."""
        query = {"guid": file.guid, "place": file.place, "mode": mode.value, **({"frame": "1"} if framed else {})}
        return f"{self.base}open?{urlencode(query)}"
