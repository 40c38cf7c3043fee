"""The capabilities by which ONLYOFFICE Docs and an editor's page reach one document: what ``doc=`` is to the module.

Each is for one purpose, one key of one site, and one person, and ends. The routes are the module's own, so that
everything between an editor and Docs works alike with the module and without.
"""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qs

from bridge.protocol.capabilities import mint, redeem
from bridge.protocol.errors import RefusedError
from bridge.protocol.keys import is_key
from bridge.protocol.secret import Secret
from bridge.protocol.tokens import unverified
from bridge.protocol.urls import Backend

__all__ = ["Link", "Purpose"]

_DAY: Final = 86400.0


class Purpose(enum.StrEnum):
    """What a capability is for."""

    DOWNLOAD = "document"
    CALLBACK = "callback"
    PAGE = "editor-page"


# How long each holds, in seconds. A session at Docs can last as long as its own tokens: 30 days (observed).
_LIFETIMES: Final = {Purpose.DOWNLOAD: _DAY, Purpose.CALLBACK: 30 * _DAY, Purpose.PAGE: 30 * _DAY}
_ROUTES: Final = {Purpose.DOWNLOAD: Backend.DOWNLOAD, Purpose.CALLBACK: Backend.TRACK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a capability says: ``visitor`` has the file ``guid`` in ``place`` open under ``key``, as it was then.

    ``writes`` says that they may save it.
    """

    site: str
    key: str
    guid: str
    place: str
    version: str
    visitor: str
    writes: bool = False

    def mint(self, secret: Secret, purpose: Purpose, *, now: float) -> str:
        """Sign it for one purpose."""
        return mint(secret, purpose, dataclasses.asdict(self), expires=now + _LIFETIMES[purpose])

    def target(self, secret: Secret, purpose: Purpose, base_path: str, *, now: float) -> str:
        """Give path and query, below the site, at which Docs downloads or calls back."""
        return f"{base_path}/{_ROUTES[purpose]}?doc={self.mint(secret, purpose, now=now)}"

    @classmethod
    def redeem(cls, secret: Secret, purpose: Purpose, text: str, *, site: str, now: float) -> Self:
        """Read a capability for ``purpose`` on ``site``.

        Raises:
            RefusedError: it isn't ours, is for something or somewhere else, or is over.
        """
        link = cls._of(redeem(secret, purpose, text, now=now))
        if link is None or link.site != site:
            raise RefusedError("This link is another site's.", site=site)
        return link

    @classmethod
    def of_target(cls, target: str) -> Self | None:
        """Read the capability in a target that was verified before; None where there is none."""
        docs = parse_qs(target.partition("?")[2]).get("doc", [""])
        return cls._of(unverified(docs[-1]))

    @classmethod
    def _of(cls, claims: dict[str, object]) -> Self | None:
        names = [field.name for field in dataclasses.fields(cls)]
        said = {name: claims.get(name) for name in names}
        texts = [value for name, value in said.items() if name != "writes"]
        if not all(isinstance(value, str) for value in texts) or not is_key(said["key"]):
            return None
        return cls(**{**said, "writes": said["writes"] is True})  # type: ignore[arg-type]
