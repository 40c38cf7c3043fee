# ruff: noqa: ARG002 - a way gets what any of them may need
"""HumHub by its rest module, as somebody who needn't be signed in: the shared key says who it is.

What it can't do: tell who may change a file (an upload is refused), give a content's version (it is read for that),
or delete a post's file. Source: the rest module and cfiles' part of it, and the recordings 70 to 75.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final

import jwt

from bridge.connector.humhub import answers
from bridge.connector.humhub.pages import Listed, Listing, etag_of, rest_file
from bridge.connector.humhub.ways import Digests, Form, Head, Sent, Way, upload_form
from bridge.connector.storage import Content, SignedOutError, Upload
from bridge.connector.words import msgid
from bridge.protocol.errors import BadAnswerError, BridgeError, NoRouteError, RefusedError, TooLargeError
from bridge.protocol.filenames import are_alike
from bridge.protocol.places import Kind, Place
from bridge.protocol.secret import Secret
from bridge.saves.limits import limits_of
from bridge.sites import Site
from bridge.transport.upstream import Answer, Body

__all__ = ["Rest"]

_LIFETIME: Final = 300
# Source: the content module's states.
_PUBLISHED: Final = 1
# So many files of one space are looked through at most; the module gives 100 at once.
_PAGES: Final = 200
_KEY: Final = (
    "Compare sites[].rest.secret with the JWT key of HumHub's rest module, see that it allows JWT authentication, that "
    "the web server hands the Authorization header on to PHP, and compare the clocks."
)
_RIGHT: Final = (
    "HumHub's rest module stores into a folder only what somebody with the right to manage files sends (an owner or "
    "admin of the space): let a person who edits have it, or sign in to HumHub again before the save is tried next."
)
_MODULE: Final = (
    "Is the rest module of HumHub installed and enabled, and are pretty URLs on, which it needs? "
    "Or is HumHub in maintenance mode?"
)


class Rest(Way):
    """One person by the rest module. ``item`` is what cfiles calls the file that it is about, where that is known."""

    def __init__(
        self,
        site: Site,
        secret: Secret,
        number: int,
        *,
        clock: Callable[[], float],
        limit: float,
        item: int | None,
    ) -> None:
        self._site = site
        self._secret = secret
        self._number = number
        self._clock = clock
        self._limit = limit
        self._item = item

    async def listing(self, place: Place) -> Listing:
        """List the place's files; a folder's are found among all of its space."""
        if place.kind is Kind.POST:
            post = await self._get(place, f"post/{place.number}")
            return Listing(tuple(filter(None, map(rest_file, _files(post)))))
        return Listing(tuple(file for folder, file in await self._all(place) if folder == place.number))

    async def head(self, place: Place, guid: str) -> Head:
        """Look at a file, and read it for its version: the module doesn't give the ETag that HumHub would."""
        digest, size = hashlib.md5(usedforsecurity=False), 0
        file = await self._find(place, guid)
        async with self._file(place, file) as content:
            async for chunk in content.chunks:
                digest.update(chunk)
                size += len(chunk)
        return Head(file.name, size, etag_of(digest.hexdigest()), file.mime)

    @asynccontextmanager
    async def read(self, place: Place, guid: str) -> AsyncIterator[Content]:
        """Open a file's content."""
        head = await self.head(place, guid)
        async with self._file(place, await self._find(place, guid)) as content:
            yield Content(head.version, content.size, content.chunks)

    async def is_kept(self, place: Place, guid: str, item: int) -> bool:
        """Ask for the file's state: the module tells of what is deleted, too."""
        row = await self._get(place, f"cfiles/file/{item}")
        _, file = _filed(row)
        try:
            return file is not None and file.guid == guid and row["content"]["metadata"]["state"] == _PUBLISHED
        except (KeyError, TypeError):
            return False

    async def form(self, place: Place, listing: Listing, file: Listed) -> Form:
        """Give the file's name: whether it may be changed is said when it is."""
        return Form(file.name, "")

    async def send(self, place: Place, name: str, upload: Upload, listing: Listing) -> Sent:
        """Upload; of a folder, the module doesn't say which file it made or hit, so that is looked for."""
        if place.kind is Kind.POST:
            answer = await self._upload(place, f"post/{place.number}/upload-files", name, upload, {})
            for file in filter(None, map(rest_file, _list(answer.get("files")))):
                return Sent(file.guid, file.name, file.item)
            raise self._odd("which file it made")
        route = f"cfiles/files/container/{await self._container(place)}"
        try:
            await self._upload(place, route, name, upload, {"folder_id": str(place.number)})
        except SignedOutError:
            raise
        except RefusedError as error:
            # Their right may be as good as ever; what is missing is a session to use it with.
            raise SignedOutError(
                f"Your session at HumHub is over, and its key is no way to save this: {error.message}",
                remedy=_RIGHT,
                **error.details,
            ) from error
        digests = await asyncio.to_thread(Digests.of, upload)
        same = [
            file
            for file in (await self.listing(place)).files
            if are_alike(file.name, name) and file.size == upload.size and digests.sha1.startswith(file.sha1 or "-")
        ]
        for file in sorted(same, key=lambda file: file in listing.files):
            return Sent(file.guid, file.name, file.item)
        raise self._odd("the file that was uploaded")

    async def delete(self, place: Place, file: Listed, listing: Listing) -> None:
        """Delete a folder's file."""
        if place.kind is not Kind.FOLDER:
            raise RefusedError("HumHub's rest module can't delete a file of a post.")
        await self._get(place, f"cfiles/file/{file.item}", method="DELETE")

    # --- finding ----------------------------------------------------------------------------------------------------

    async def _find(self, place: Place, guid: str) -> Listed:
        """Give a file, wherever in the place's space it is by now."""
        if place.kind is Kind.FOLDER and self._item is not None:
            try:
                _, file = _filed(await self._get(place, f"cfiles/file/{self._item}"))
            except NoRouteError:
                file = None
            if file is not None and file.guid == guid:
                return file
        listing = await self.listing(place) if place.kind is Kind.POST else await self._everything(place)
        found = listing.find(guid)
        if found is None:
            raise NoRouteError(msgid("There is no such file in HumHub."), upstream=self._site.name)
        return found

    async def _everything(self, place: Place) -> Listing:
        return Listing(tuple(file for _, file in await self._all(place)))

    async def _all(self, place: Place) -> list[tuple[int, Listed]]:
        """Give all files of the space in which a folder is, each with its folder."""
        found, page, pages = list[tuple[int, Listed]](), 1, 1
        container = await self._container(place)
        while page <= min(pages, _PAGES):
            answer = await self._get(place, f"cfiles/files/container/{container}?page={page}")
            found += [(folder, file) for folder, file in map(_filed, _rows(answer)) if file is not None]
            page, pages = page + 1, answer["pages"] if isinstance(answer.get("pages"), int) else 1
        return found

    async def _container(self, place: Place) -> int:
        """Give the number of the space or user to whom a folder belongs."""
        if place.kind is Kind.NONE:
            raise SignedOutError(
                "Your session at HumHub is over, and the file belongs to no post and no folder yet.",
                remedy="HumHub's rest module can't reach such a file.",
            )
        folder = await self._get(place, f"cfiles/folder/{place.number}")
        try:
            return int(folder["content"]["metadata"]["contentcontainer_id"])
        except (KeyError, TypeError, ValueError):
            raise self._odd("whose folder it is") from None

    @asynccontextmanager
    async def _file(self, place: Place, file: Listed) -> AsyncIterator[Content]:
        target = _target(place, f"file/download/{file.number}")
        async with self._site.upstream.request("GET", target, headers=self._headers()) as answer:
            if answer.status != HTTPStatus.OK:
                raise self._error(answer, await answer.read(answers.ANSWER_LIMIT))
            async with answers.content(answer) as content:
                yield content

    # --- one call ---------------------------------------------------------------------------------------------------

    def _headers(self, **more: str) -> Any:
        # HumHub compares times without leeway: an iat or nbf of ours could be ahead of its clock.
        claims = {"uid": self._number, "exp": math.floor(self._clock()) + _LIFETIME}
        token = jwt.encode(claims, self._secret.reveal(), algorithm="HS512")
        return answers.plain_headers(
            self._site.host, Authorization=f"Bearer {token}", Accept="application/json", **more
        )

    async def _get(self, place: Place, route: str, method: str = "GET") -> dict[str, Any]:
        return await self._ask(method, _target(place, route), self._headers())

    async def _upload(
        self, place: Place, route: str, name: str, upload: Upload, fields: Mapping[str, str]
    ) -> dict[str, Any]:
        async with upload_form(upload, name, fields) as (kind, body):
            return await self._ask("POST", _target(place, route), self._headers(**{"Content-Type": kind}), body)

    async def _ask(self, method: str, target: str, headers: Any, body: Body | None = None) -> dict[str, Any]:
        upstream = self._site.upstream
        limits, deadline = upstream.timeouts, upstream.timeouts.whole
        if body is not None:
            limits, deadline = limits_of(upstream, self._limit), self._limit
        async with upstream.request(
            method, target, headers=headers, body=body, timeouts=limits, deadline=deadline
        ) as answer:
            raw = await answer.read(answers.ANSWER_LIMIT)
            found = _json(raw)
            if answer.status != HTTPStatus.OK or found is None:
                raise self._error(answer, raw)
            return found

    def _error(self, answer: Answer, raw: bytes) -> BridgeError:
        """Give the error that an answer means to the key's holder."""
        found, error = _json(raw), answers.error_of(answer, raw)
        about = error.details
        match answer.status:
            case HTTPStatus.UNAUTHORIZED:
                over = "Your session at HumHub is over, and the bridge's key isn't taken."
                return SignedOutError(over, remedy=_KEY, **about)
            case HTTPStatus.UNPROCESSABLE_ENTITY:
                return answers.refused_upload(answer, raw)
            case HTTPStatus.BAD_REQUEST if found is not None:
                # What is over post_max_size PHP drops, and the module misses it.
                return TooLargeError(msgid("The file is larger than HumHub takes."), remedy=answers.LIMITS, **about)
            case 200 | 302 | 403 | 404 if found is None or "name" in found:
                # What says no by the module has a code and a message; this is HumHub itself.
                return BadAnswerError("HumHub's rest module doesn't answer.", remedy=_MODULE, **about)
            case _:
                return error

    def _odd(self, what: str) -> BadAnswerError:
        return BadAnswerError(
            f"HumHub's rest module doesn't say {what}.", upstream=self._site.name, remedy="Is it version 0.11 or later?"
        )


def _target(place: Place, route: str) -> str:
    return f"{place.routes.root}/api/v1/{route}"


def _filed(row: Any) -> tuple[int, Listed | None]:
    """Read a file of cfiles, and in which folder it is; None for what isn't one."""
    try:
        return int(row["parent_folder"]["id"]), rest_file(_files(row)[0], item=row["id"])
    except (KeyError, IndexError, TypeError, ValueError):
        return 0, None


def _files(content: Any) -> list[Any]:
    try:
        return _list(content["content"]["files"])
    except (KeyError, TypeError):
        return []


def _rows(answer: Mapping[str, Any]) -> list[Any]:
    return _list(answer.get("results"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _json(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
