"""One hop: a message of one side verified, its URLs mapped, signed for the other side.

Every function verifies before it signs, takes the claims for the message, and signs only the shape of claims that its
own message has: a token that came for one purpose can't leave as another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import unescape
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from bridge.protocol.editor import Edits
from bridge.protocol.errors import BadAnswerError, BridgeError, RefusedError
from bridge.protocol.keys import is_key, read_doc_hash
from bridge.protocol.messages import Callback, Command, Conversion
from bridge.protocol.paths import same_target
from bridge.protocol.tokens import LIFETIME, KeyRing, from_body_or_header, from_header, unwrap
from bridge.protocol.urls import Backend, api_script, docs_file, homeward, server_of
from bridge.sites import Site, Topology

__all__ = [
    "check_download",
    "editor_edits",
    "file_for_docs",
    "file_for_humhub",
    "read_callback",
    "read_command",
    "read_conversion",
    "token_for_humhub",
    "track_body",
    "wire_for_docs",
]

Json = dict[str, Any]

# Docs' own limit for a header token, beyond which it cuts what it sends; ours for what it is sent.
_HEADER_TOKEN = 7168


# --- the editor page: HumHub to browser to Docs -------------------------------------------------------------------


def editor_edits(
    topology: Topology,
    site: Site,
    *,
    origin: str,
    now: float,
    opened: Callable[[str, str], None],
    server: Callable[[str], None],
) -> Edits:
    """Say what to change in an editor page of ``site`` for a browser that came to ``origin``.

    ``opened`` hears which document the page opens: its key, and HumHub's own track route for it; ``server`` where the
    module says that Docs is.

    The configuration's token is verified with the site's key ring, its claims replace the plain ones, their two URLs
    are mapped to the docs leg, and they are signed anew for Docs. HumHub's ``exp`` is kept and never extended: it is
    what makes a stale page harmless.
    """
    return Edits(
        config=lambda config: _configuration(topology, site, config, origin=origin, now=now, opened=opened),
        api=lambda urls: {name: _onto(origin, site, url) for name, url in urls.items()},
        script=lambda source: _script(topology, source, server),
    )


def _script(topology: Topology, source: str, server: Callable[[str], None]) -> str:
    if (found := server_of(unescape(source))) is not None:
        server(found)
    return topology.docs_path + (api_script(source) or source)


def _configuration(
    topology: Topology, site: Site, config: Json, *, origin: str, now: float, opened: Callable[[str, str], None]
) -> Json:
    claims = {name: value for name, value in config.items() if name != "token"}
    expires: Any = int(now) + LIFETIME
    if site.ring.signs:
        token = config.get("token")
        if not isinstance(token, str):
            raise site.ring.missing("the editor page's configuration")
        claims = site.ring.verify(token, now=now, where="the editor page's configuration")
        expires = claims.pop("exp", expires)
    try:
        document, editor = dict(claims["document"]), dict(claims["editorConfig"])
        track = _found(topology, site, editor["callbackUrl"], Backend.TRACK)
        document["url"] = topology.docs_url(site, _found(topology, site, document["url"], Backend.DOWNLOAD))
        editor = {name: _from_here(origin, site, value) for name, value in editor.items()}
        editor["callbackUrl"] = topology.docs_url(site, track)
    except (KeyError, TypeError, ValueError) as error:
        raise BadAnswerError(
            "HumHub's editor page names no document to open.",
            remedy="Is the onlyoffice module newer than this release? See its CHANGELOG.md, and update the older.",
            missing=str(error),
        ) from error
    if is_key(document.get("key")):
        opened(document["key"], track)
    mapped = {**claims, "document": document, "editorConfig": editor}
    ring = topology.rings.browser
    return {**mapped, "token": ring.sign({**mapped, "exp": expires})} if ring.signs else mapped


def _from_here(origin: str, site: Site, value: Any) -> Any:
    """Give a part of the editor's own settings with the addresses in it that browsers are led to, as from ``origin``.

    An embedded viewer has some, to share and to save, and so has the way back from an editor. Where HumHub names itself
    as the browser does, which is the rule, nothing changes.
    """
    match value:
        case str():
            return homeward(value, origin=origin, inner=site.inner)
        case dict():
            return {name: _from_here(origin, site, part) for name, part in value.items()}
        case list():
            return [_from_here(origin, site, part) for part in value]
        case _:
            return value


def _found(topology: Topology, site: Site, url: str, route: Backend) -> str:
    found = topology.backend_of(site, url)
    if found is None or found.route != route:
        raise BadAnswerError(
            f"HumHub's editor page has a link that is not the module's {route}.",
            remedy="Is HumHub in a sub-directory? Then set base_path of its site.",
            url=url,
        )
    return found.target


def _onto(origin: str, site: Site, url: Any) -> Any:
    """Put one of HumHub's own absolute URLs onto the origin that the browser uses; leave anything else."""
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    if not parts.path.startswith(site.base_path + "/"):
        return url
    scheme, _, netloc = origin.partition("://")
    return urlunsplit((scheme, netloc, parts.path, parts.query, parts.fragment))


# --- Docs to HumHub -----------------------------------------------------------------------------------------------


def check_download(topology: Topology, headers: Mapping[str, str], target: str, *, now: float) -> None:
    """Verify that Docs' header token is for this very request on the docs leg.

    Args:
        headers: of the request.
        target: its raw path and query.
        topology: what we stand between.
        now: seconds since the epoch.

    Raises:
        TokenError: missing, or it doesn't hold.
        RefusedError: it was made for another URL.
    """
    ring = topology.rings.outbox
    if not ring.signs:
        return
    url = unwrap(from_header(ring, headers, now=now)).get("url")
    here = str(topology.addresses.docs).rstrip("/") + target
    if not isinstance(url, str) or not same_target(url, here):
        raise RefusedError(
            "The token was made for another address.",
            remedy="Compare legs.docs.url with the address in the token: does something between change it?",
            claimed=url,
        )


def token_for_humhub(site: Site, claims: Json, *, now: float) -> dict[str, str]:
    """Give the header that carries ``claims`` to HumHub; none for a site without secrets.

    HumHub checks times without any leeway, so there is a fresh ``exp`` and no ``iat`` that could be ahead of its clock.
    """
    if not site.ring.signs:
        return {}
    return dict([site.ring.bearer({"payload": claims, "exp": int(now) + LIFETIME})])


def read_callback(
    topology: Topology, body: Json, headers: Mapping[str, str], doc: str, *, now: float
) -> tuple[Callback, float | None]:
    """Verify a callback of Docs and give it with its token's ``iat``.

    Raises:
        TokenError: its token doesn't hold.
        RefusedError: it is for another document than its link. No one else compares the two: a captured callback
            could overwrite another document.
    """
    message, made = from_body_or_header(topology.rings.outbox, body, headers, now=now)
    callback = Callback.parse(message)
    link = read_doc_hash(doc)
    if link.empty or link.key != callback.key:
        raise RefusedError("The callback is for another document than its link.", key=callback.key, link=link.key)
    return callback, made


def track_body(site: Site, fields: Json, *, now: float) -> bytes:
    """Give the body of HumHub's track route: the fields, and the flat token that alone counts there."""
    token = {"token": site.ring.sign({**fields, "exp": int(now) + LIFETIME})} if site.ring.signs else {}
    return json.dumps({**fields, **token}).encode()


# --- HumHub to Docs -----------------------------------------------------------------------------------------------


def read_conversion(site: Site, body: Json, headers: Mapping[str, str], *, now: float) -> Conversion:
    """Verify a conversion of HumHub and give it; a token may wrap the fields of a GET as ``{query: …}``, as in Docs."""
    message, _ = from_body_or_header(site.ring, body, headers, now=now)
    query = message.get("query")
    return Conversion.parse(query if isinstance(query, dict) else message)


def read_command(site: Site, body: Json, headers: Mapping[str, str], *, now: float) -> Command:
    """Verify a command of HumHub and give it."""
    return Command.parse(from_body_or_header(site.ring, body, headers, now=now)[0])


def wire_for_docs(ring: KeyRing, fields: Json, *, now: float) -> tuple[bytes, dict[str, str]]:
    """Give body and headers of a call to Docs: plain fields, flat body token, the header token while it is short."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if not ring.signs:
        return json.dumps(fields).encode(), headers
    times = {"iat": int(now), "exp": int(now) + LIFETIME}
    name, value = ring.bearer({"payload": fields, **times})
    if len(value) < _HEADER_TOKEN:
        headers[name] = value
    return json.dumps({**fields, "token": ring.sign({**fields, **times})}).encode(), headers


def file_for_docs(topology: Topology, site: Site, url: str) -> str:
    """Map the file of a conversion outward: a document or the empty file of ``site``, or a file of our humhub leg.

    Raises:
        RefusedError: it is anything else; nothing is dialled.
    """
    try:
        found = topology.backend_of(site, url)
        if found is not None and found.route != Backend.TRACK:
            check_hash(found.route, found.doc)
            return topology.docs_url(site, found.target)
        ours = topology.file_of(site, url)
        if ours is not None:
            return topology.docs_url(site, ours)
    except BridgeError as error:
        raise RefusedError("The file to convert is none of this site's.", url=url[:200], why=error.message) from error
    raise RefusedError("The file to convert is none of this site's.", url=url[:200])


def file_for_humhub(topology: Topology, site: Site, url: str) -> str:
    """Map a file of Docs inward, to the humhub leg.

    Raises:
        RefusedError: it is no file of Docs.
    """
    return topology.humhub_url(site, docs_file(url))


def check_hash(route: Backend, doc: str) -> None:
    """Refuse HumHub's empty-file hash on any other route.

    There it would read or overwrite the first file that has no key (observed on the module).

    Raises:
        RefusedError: so it is, or a document's hash is used on the empty file.
    """
    if read_doc_hash(doc).empty != (route == Backend.EMPTY):
        raise RefusedError("The link does not fit its route.", route=route)
