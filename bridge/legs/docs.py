"""The docs leg: documents downloaded by ONLYOFFICE Docs, and its callbacks.

Nothing else is served here. Docs tries a download three times on an HTTP error and never after a time-out or a cut, and
its one converter waits meanwhile for everybody: so what is no document is answered as an error, at once.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from bridge import hop
from bridge.legs import documents, files, results
from bridge.legs.answers import Kind, answers_as
from bridge.legs.middleware import note, raw_target
from bridge.legs.state import CLOCK, LIMITS, METRICS, SAVES, TOPOLOGY
from bridge.protocol.errors import BadAnswerError, NoRouteError
from bridge.protocol.keys import read_doc_hash
from bridge.protocol.messages import parse_object
from bridge.protocol.signatures import is_text
from bridge.protocol.urls import Backend, BackendTarget, backend_target
from bridge.saves import rules
from bridge.sites import Site
from bridge.store.records import Entry
from bridge.transport.relay import read_request, stream
from bridge.transport.upstream import Answer

__all__ = ["routes"]


@answers_as(Kind.FILE)
async def download(request: web.Request) -> web.StreamResponse:
    """Verify Docs' token, sign for HumHub, and stream the document that it answers."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    target = raw_target(request)
    site, found = _backend(request, target)
    if found.route == Backend.TRACK:
        raise NoRouteError("A callback is posted.")
    hop.check_download(topology, request.headers, target, now=now)
    hop.check_hash(found.route, found.doc)
    if site.connector is not None:
        return await documents.download(request, site, found.doc)
    if (waiting := await _waiting(request, site, found)) is not None:
        note(request, entry=waiting.id)
        return await files.saved(request, waiting, request.app[SAVES].spool.bodies.path(waiting.id))
    claims = {"url": f"{topology.docs_url(site, found.target)}"}
    headers = CIMultiDict({"Host": site.host, "Accept-Encoding": "identity"})
    headers.update(hop.token_for_humhub(site, claims, now=now))
    # A Range that a browser sent to Docs stays here: Docs gives the part on with a 200, as if it were the file.
    deadline = request.app[LIMITS].download
    async with site.upstream.request("GET", found.target, headers=headers, deadline=deadline) as answer:
        check_document(answer, found.route)
        return await stream(request, answer, headers=files.headers(answer))


async def _waiting(request: web.Request, site: Site, found: BackendTarget) -> Entry | None:
    """Give the newest save of a document while HumHub doesn't have it: whoever opens the document gets that."""
    key = read_doc_hash(found.doc).key
    return rules.served(await request.app[SAVES].index.read(site.name, key)) if key is not None else None


@answers_as(Kind.CALLBACK)
async def callback(request: web.Request) -> web.StreamResponse:
    """Verify a callback and carry it to its end; Docs hears 0 only for what HumHub has confirmed."""
    topology, now = request.app[TOPOLOGY], request.app[CLOCK]()
    site, found = _backend(request, raw_target(request))
    if found.route != Backend.TRACK:
        raise NoRouteError("A document is fetched with GET.")
    body = parse_object(await read_request(request, request.app[LIMITS].body))
    message, iat = hop.read_callback(topology, body, request.headers, found.doc, now=now)
    note(request, key=message.key, callback=message.status.name.lower())
    if site.connector is not None:
        documents.check_callback(request, site, found.doc)
    verdict = await request.app[SAVES].intake.take(site, message, found.target, iat=iat)
    request.app[METRICS].saved(site=site.name, outcome=verdict.outcome)
    note(request, **verdict.about)
    note(request, outcome=verdict.outcome, why=verdict.why or None, entry=verdict.entry, answered=verdict.error)
    note(request, failed=bool(verdict.error or verdict.about))
    return web.json_response({"error": verdict.error})


@answers_as(Kind.FILE)
async def body(request: web.Request) -> web.StreamResponse:
    """Serve an edited file to Docs, which converts it while HumHub stores it."""
    hop.check_download(request.app[TOPOLOGY], request.headers, raw_target(request), now=request.app[CLOCK]())
    return await files.pull(request)


@answers_as(Kind.FILE)
async def result(request: web.Request) -> web.StreamResponse:
    """Relay a file of Docs to Docs, which converts once more what it made before: the one may be another node's."""
    hop.check_download(request.app[TOPOLOGY], request.headers, raw_target(request), now=request.app[CLOCK]())
    files.site_of(request)
    return await results.relay(request, deadline=request.app[LIMITS].download)


def _backend(request: web.Request, target: str) -> tuple[Site, BackendTarget]:
    path, _, query = target.partition("?")
    site, inner = request.app[TOPOLOGY].site_for_path(path)
    note(request, site=site.name)
    found = backend_target(inner, query, base_path=site.base_path)
    if found is None:
        raise NoRouteError(
            "The docs leg serves documents and callbacks of the configured sites alone.",
            remedy="Compare the module's storageUrl with the README. Is HumHub in a sub-directory? Set base_path.",
        )
    return site, found


def check_document(answer: Answer, route: Backend) -> None:
    """See that an answer of HumHub is the file.

    Its download route always answers ``application/octet-stream``, whatever the file is, so a page of any kind shows.
    A 200 without a byte would be opened as a blank document, and then saved over the real one.

    Raises:
        BadAnswerError: it isn't the file, or one of which nobody could say whether it is whole.
    """
    kind = answer.media_type
    wrong = kind != "application/octet-stream" if route == Backend.DOWNLOAD else kind.startswith("text/html")
    if answer.status != HTTPStatus.OK or wrong:
        raise BadAnswerError(
            "HumHub does not give the document.",
            upstream=answer.upstream,
            remedy=_REMEDIES.get(answer.status, "Open the document's page in HumHub again, and look at HumHub's log."),
            upstream_status=answer.status,
            content_type=kind,
            location=answer.headers.get("Location"),
        )
    answer.check_file()
    if answer.content_length == 0 and not is_text(files.extension(answer)):
        raise BadAnswerError(
            "HumHub gives the document without a byte in it.",
            upstream=answer.upstream,
            remedy="Is the file there on HumHub's disk, and its disk full? See HumHub's log.",
            upstream_status=answer.status,
        )


_REMEDIES: Final[dict[int, str]] = {
    HTTPStatus.OK: "HumHub answers with a page: is it in maintenance mode, or does a proxy ask people to sign in?",
    HTTPStatus.FORBIDDEN: "HumHub refuses the bridge's token: compare secret and header of this site's jwt with those "
    "of HumHub's module, and the clocks.",
    HTTPStatus.NOT_FOUND: "The key is used up, or another first opener got a different one: reload the page.",
    HTTPStatus.FOUND: "HumHub redirects: is it in maintenance mode? If not, compare the site's upstream with HumHub's "
    "base URL and scheme.",
    HTTPStatus.MOVED_PERMANENTLY: "HumHub redirects: compare the site's upstream with HumHub's base URL and scheme.",
}


def routes() -> list[web.RouteDef]:
    """List what the docs leg serves; which of HumHub's routes a path is, ``urls.backend_target`` decides."""
    return [
        web.get("/file/{capability}", body, allow_head=False),
        web.get("/s/{site}/file/{capability}", body, allow_head=False),
        web.get("/{bucket:(?:storage-)?cache}/files/{path:.+}", result, allow_head=False),
        web.get("/s/{site}/{bucket:(?:storage-)?cache}/files/{path:.+}", result, allow_head=False),
        web.get("/{path:.*}", download, allow_head=False),
        web.post("/{path:.*}", callback),
    ]
