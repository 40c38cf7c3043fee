"""One request as HumHub sees it: its route, who asks, the session and what of it is still to be sent back."""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict

from bridge.demo.humhub import sessions
from bridge.demo.humhub.answers import HumHubError
from bridge.demo.humhub.faults import Fault
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.links import Links
from bridge.demo.humhub.people import User, may_read, may_write
from bridge.demo.humhub.sessions import Session

if TYPE_CHECKING:
    from bridge.demo.humhub.server import SmallHumHub

FORM_LIMIT = 8 * 1024 * 1024


@dataclass(slots=True)
class Call:
    """One request on its way through the small HumHub."""

    hub: SmallHumHub
    request: web.Request
    route: str
    argument: str
    """The number or guid in the route's path."""
    links: Links
    cookies: dict[str, str]
    session: Session | None = None
    user: User | None = None
    csrf: str | None = None
    """The token of the `_csrf` cookie, where it is sound."""
    fault: Fault | None = None
    file: HumHubFile | None = None
    key: str | None = None
    """The file's document key as this request read it."""
    nonce: str | None = None
    """The nonce of this answer's Content-Security-Policy; a new session has none of its own yet."""
    dressed: bool = False
    """The controller has set its headers: an error after that sets them once more."""
    format_is_json: bool = False
    set_cookies: list[str] = field(default_factory=list)
    form: MultiDict[str] = field(default_factory=MultiDict)
    mode: str = "view"
    fill: bool = False
    shared: bool = False

    @property
    def ajax(self) -> bool:
        return self.request.headers.get("X-Requested-With") == "XMLHttpRequest"

    @property
    def pjax(self) -> bool:
        """Whether the page's script asks for the content of another page."""
        return self.ajax and "X-PJAX" in self.request.headers

    @property
    def language(self) -> str:
        return (self.user.language if self.user else "") or self.hub.settings.language

    @property
    def origin(self) -> str:
        """Scheme and host as this HumHub believes them: from Host, unless it trusts its proxy."""
        scheme, host = "https" if self.hub.settings.tls else "http", self.request.headers.get("Host", "localhost")
        if self.hub.settings.trusts_forwarded:
            scheme = self.request.headers.get("X-Forwarded-Proto", scheme)
            host = self.request.headers.get("X-Forwarded-Host", host)
        return f"{scheme}://{host}"

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

    def parameter(self, name: str) -> str | None:
        """Return a parameter; of several PHP keeps the last."""
        return self.request.query.getall(name, [None])[-1]

    def dress(self) -> None:
        """Do what a controller does before its action: headers and, for whole pages, a nonce."""
        self.dressed = True
        if not self.ajax:
            session = self.open_session()
            self.nonce = session.nonce = session.nonce or base64.b64encode(secrets.token_bytes(18)).decode()

    def open_session(self) -> Session:
        if self.session is None:
            self.session = self.hub.sessions.start()
            self.set_cookie("PHPSESSID", self.session.id)
        return self.session

    def set_cookie(self, name: str, value: str, max_age: int | None = None) -> None:
        self.set_cookies.append(sessions.cookie(name, value, secure=self.secure, max_age=max_age, now=self.hub.clock()))

    def csrf_token(self) -> str:
        """Return a masked token for a page; make the cookie where there is none."""
        if self.csrf is None:
            self.csrf = sessions.new_csrf()
            self.set_cookie("_csrf", self.hub.sessions.seal("_csrf", self.csrf))
        return sessions.mask(self.csrf)

    async def read_form(self) -> None:
        """Read a URL-encoded body; uploads are left for their handler."""
        if self.request.content_type == "application/x-www-form-urlencoded":
            raw = await self.request.content.read(FORM_LIMIT)
            while not self.request.content.at_eof():
                raw += await self.request.content.read(FORM_LIMIT)
            self.form = MultiDict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))

    def check_csrf(self) -> None:
        if self.request.method in ("GET", "HEAD", "OPTIONS"):
            return
        given = self.request.headers.get("X-CSRF-Token") or self.form.get("_csrf") or ""
        if self.csrf is None or sessions.unmask(given) != self.csrf:
            raise HumHubError(400, "Unable to verify your data submission.")

    def nonce_attribute(self) -> str:
        return f' nonce="{self.session.nonce}"' if self.session and self.session.nonce else ""

    def the_file(self) -> HumHubFile:
        """Return the file that the route is about; its rights were checked before."""
        if self.file is None:
            raise HumHubError(404, "Could not find requested file!")
        return self.file

    async def document_key(self) -> str:
        """Return the document's key; make one where the file had none when this request read it.

        The module reads the file and, after all that a page takes, writes the key without looking again: of requests
        that overlap each makes a key of its own, and only the last one's is found again.
        """
        if not self.key:
            await asyncio.sleep(self.hub.settings.read_to_write)
            self.key = self.the_file().new_key()
        return self.key

    def can_read(self) -> bool:
        return self.shared or may_read(self.user, self.the_file())

    def can_write(self) -> bool:
        return may_write(self.user, self.the_file())
