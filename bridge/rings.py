"""The key rings that the configuration describes, and tokens read and signed by hand with them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.config import Config, DocsConfig, KeyRingConfig, SiteConfig
from bridge.protocol.errors import BadRequestError, NoRouteError, TokenError
from bridge.protocol.messages import parse_object
from bridge.protocol.tokens import LIFETIME, KeyRing

__all__ = ["DocsRings", "Inspection", "docs_rings", "inspect", "sign", "site_ring"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DocsRings:
    """The key rings of Docs, which may have a secret and a header for each direction.

    ``browser`` signs editor configurations, ``inbox`` what Docs is sent, ``outbox`` what Docs sends.
    """

    browser: KeyRing
    inbox: KeyRing
    outbox: KeyRing


def site_ring(site: SiteConfig, number: int) -> KeyRing:
    """Give the key ring of the site that stands at ``number`` in the configuration."""
    return _ring(site.jwt, f"HumHub “{site.name}”", f"sites[{number}].jwt")


def docs_rings(docs: DocsConfig) -> DocsRings:
    """Give the key rings of Docs."""
    jwt = docs.jwt
    return DocsRings(
        browser=_ring(jwt.browser, "ONLYOFFICE Docs (browser)", "docs.jwt.browser"),
        inbox=_ring(jwt.inbox, "ONLYOFFICE Docs (inbox)", "docs.jwt.inbox"),
        outbox=_ring(jwt.outbox, "ONLYOFFICE Docs (outbox)", "docs.jwt.outbox"),
    )


def _ring(config: KeyRingConfig, side: str, place: str) -> KeyRing:
    return KeyRing(side, place, config.header, config.secrets)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a token holds: its header and claims, what its times mean now, and whose secrets verify it."""

    header: Json
    claims: Json
    times: list[str]
    verified_by: list[str]

    def lines(self) -> Iterator[str]:
        """Give it for people."""
        yield f"header    {json.dumps(self.header)}"
        yield f"claims    {json.dumps(self.claims, indent=2, ensure_ascii=False)}"
        yield from (f"time      {text}" for text in self.times)
        yield f"verified  {', '.join(self.verified_by) or 'by no secret of this configuration'}"


def inspect(token: str, config: Config) -> Inspection:
    """Read a token, and try every key ring of the configuration on it, whatever its times.

    Raises:
        BadRequestError: it is no JWT.
    """
    parts = token.removeprefix("Bearer ").strip().split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise BadRequestError("That is no JWT: it has not three parts with a dot between.")
    try:
        header, claims = (parse_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError as error:
        raise BadRequestError("That is no JWT: its parts are not base64url.") from error
    rings = docs_rings(config.docs)
    known = [site_ring(site, number) for number, site in enumerate(config.sites)]
    known += [rings.browser, rings.inbox, rings.outbox]
    return Inspection(header, claims, list(_times(claims)), [ring.side for ring in known if _holds(ring, parts)])


def _holds(ring: KeyRing, parts: list[str]) -> bool:
    try:
        ring.verify(".".join(parts), now=time.time(), where="by hand")
    except TokenError as error:
        # The signature was good where only the times are not.
        return error.details["why"] in ("expired", "early")
    return True


def _times(claims: Json) -> Iterator[str]:
    now = time.time()
    for name in ("iat", "nbf", "exp"):
        value = claims.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value))
            side = "ago" if value <= now else "ahead"
            yield f"{name} {stamp}, {abs(value - now):.0f} s {side}"


def sign(claims: str, config: Config, *, party: str, site: str | None) -> tuple[str, str]:
    """Sign claims as the bridge would sign them for ``party``; give the token and the header that carries it.

    Raises:
        BadRequestError: the claims are no JSON object.
        NoRouteError: no such site, or none named where there are several.
        TokenError: that side has no secret.
    """
    message = parse_object(claims.encode())
    ring = docs_rings(config.docs).inbox if party == "docs" else _ring_of(config, site)
    if not ring.signs:
        raise TokenError(f"{ring.side} has no secret to sign with.", remedy=f"Set {ring.place}.secrets.")
    times = {"exp": int(time.time()) + LIFETIME, **({"iat": int(time.time())} if party == "docs" else {})}
    return ring.sign({**times, **message}), ring.header


def _ring_of(config: Config, name: str | None) -> KeyRing:
    for number, site in enumerate(config.sites):
        if site.name == name or (name is None and len(config.sites) == 1):
            return site_ring(site, number)
    names = ", ".join(site.name for site in config.sites)
    raise NoRouteError("No such site.", remedy=f"Name one with --site: {names}.")
