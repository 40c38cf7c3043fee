"""HumHub as somebody who is signed in there: with the cookies that their browser sent, through HumHub's own forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from bridge.connector.humhub import answers
from bridge.connector.humhub.pages import Listed, Listing, Person, file_name, folder_listing, person, post_listing
from bridge.connector.humhub.ways import Form, Head, Sent, Way, upload_form
from bridge.connector.storage import Content, SignedOutError, Upload
from bridge.connector.words import msgid
from bridge.protocol.errors import BadAnswerError, BridgeError, NoRouteError, RefusedError
from bridge.protocol.places import Kind, Place, Routes, spellings
from bridge.saves.limits import limits_of
from bridge.sites import Site
from bridge.transport.upstream import Answer, Body

__all__ = ["Session", "Spelling"]

_AJAX: Final = {"X-Requested-With": "XMLHttpRequest", "Accept": "application/json, text/html;q=0.9"}


class Spelling:
    """How a HumHub spells its addresses: as its own pages do, or as a file was got; the usual way comes first."""

    def __init__(self, base_path: str) -> None:
        self._left = list(spellings(base_path))

    def candidates(self, place: Place) -> list[Routes]:
        """Give what to try; a place says it of itself."""
        return self._left if place.kind is Kind.NONE else [place.routes]

    def learn(self, routes: Routes) -> None:
        """Take a spelling by which a file was got."""
        if routes in self._left:
            self._left = [routes]

    def read(self, link: str) -> None:
        """Learn from an address in one of HumHub's own pages."""
        plain = [routes for routes in self._left if not routes.pretty and link.startswith(f"{routes.root}/index.php?")]
        pretty = [routes for routes in self._left if routes.pretty and link.startswith(f"{routes.root}/")]
        for routes in plain or sorted(pretty, key=lambda routes: len(routes.root))[-1:]:
            self._left = [routes]


class Session(Way):
    """One person's session. ``number`` is theirs, where it is known; ``limit`` is how long an upload may last, in s."""

    def __init__(self, site: Site, spelling: Spelling, cookies: str, number: int | None, limit: float) -> None:
        self._site = site
        self._spelling = spelling
        self._cookies = cookies
        self._number = number
        self._limit = limit

    async def person(self, place: Place) -> Person:
        """Say whose session it is, by the page of the place that they come from, or else by their dashboard."""
        if place.kind is not Kind.NONE:
            try:
                return self._mine(await self._page(place.page))
            except SignedOutError:
                raise
            except (NoRouteError, RefusedError):
                pass
        return self._mine(await self._dashboard())

    async def listing(self, place: Place) -> Listing:
        """List the place's files; nothing is in none, but it has the token of a form, too."""
        if place.kind is Kind.POST:
            return post_listing(await self._fragment(place.form))
        page = await (self._page(place.page) if place.kind is Kind.FOLDER else self._dashboard())
        token = self._mine(page).token
        if place.kind is Kind.NONE:
            return Listing((), token)
        # A folder of a thousand files has a page of 5 MB.
        return Listing((await asyncio.to_thread(folder_listing, page)).files, token)

    async def head(self, place: Place, guid: str) -> Head:
        """Look at a file."""
        async with self._download("HEAD", place, guid) as answer:
            return answers.head(answer)

    @asynccontextmanager
    async def read(self, place: Place, guid: str) -> AsyncIterator[Content]:
        """Open a file's content."""
        async with self._download("GET", place, guid) as answer, answers.content(answer) as content:
            yield content

    async def is_kept(self, place: Place, guid: str, item: int) -> bool:
        """Ask for the file's row, which HumHub gives of what isn't deleted."""
        try:
            shown = json.loads(await self._fragment(place.entry(item)))
        except ValueError as error:
            raise self._odd("a file's entry") from error
        row = str(shown.get("output") or "") if isinstance(shown, dict) else ""
        return folder_listing(row).find(guid) is not None

    async def form(self, place: Place, listing: Listing, file: Listed) -> Form:
        """Open the form in which the file is edited; a post's was opened to list its files."""
        if place.kind is not Kind.FOLDER:
            return Form(file.name, listing.token)
        if file.item is None or not file.may_change:
            raise RefusedError(msgid("HumHub lets you read this file, and not change it."))
        found = file_name(await self._fragment(place.edit(file.item)))
        if found is None:
            raise self._odd("a file's form")
        return Form(found[0], found[1] or listing.token)

    async def send(self, place: Place, name: str, upload: Upload, listing: Listing) -> Sent:
        """Upload as HumHub's own script does."""
        limits = limits_of(self._site.upstream, self._limit)
        async with upload_form(upload, name) as (kind, body):
            headers = self._headers(**_AJAX, **{"X-CSRF-Token": listing.token, "Content-Type": kind})
            async with self._site.upstream.request(
                "POST", self._spelt(place).upload, headers=headers, body=body, timeouts=limits, deadline=self._limit
            ) as answer:
                return await self._sent(name, answer)

    async def _sent(self, name: str, answer: Answer) -> Sent:
        raw = await answers.upload_answer(answer)
        if answer.status != HTTPStatus.OK or "X-Redirect" in answer.headers:
            raise answers.error_of(answer, raw)
        file, markup = _uploaded(raw)
        if file is None:
            raise answers.refused_upload(answer, raw)
        listed = (await asyncio.to_thread(folder_listing, markup)).find(file["guid"])
        return Sent(file["guid"], str(file.get("name") or name), listed.item if listed else None, file)

    async def delete(self, place: Place, file: Listed, listing: Listing) -> None:
        """Delete a file, by its item in a folder, by its guid elsewhere."""
        fields = {"selection[]": f"file_{file.item}"} if place.kind is Kind.FOLDER else {"guid": file.guid}
        headers = self._headers(**_AJAX, **{"X-CSRF-Token": listing.token})
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        body = urlencode(fields).encode()
        await self._text("POST", self._spelt(place).delete, headers, body)

    # --- one call ---------------------------------------------------------------------------------------------------

    def _headers(self, **more: str) -> Any:
        return answers.plain_headers(self._site.host, Cookie=self._cookies, **more)

    async def _page(self, target: str) -> str:
        return await self._text("GET", target, self._headers(Accept="text/html"))

    async def _fragment(self, target: str) -> str:
        return await self._text("GET", target, self._headers(**_AJAX))

    async def _text(self, method: str, target: str, headers: Any, body: bytes | Body | None = None) -> str:
        upstream = self._site.upstream
        deadline = upstream.timeouts.whole
        async with upstream.request(method, target, headers=headers, body=body, deadline=deadline) as answer:
            if "X-Redirect" in answer.headers:
                raise answers.error_of(answer, b"")
            return await answers.text(answer)

    def _spelt(self, place: Place) -> Place:
        """Give the place, or for none, what is known of the addresses by now."""
        return replace(place, routes=self._spelling.candidates(place)[0])

    async def _dashboard(self) -> str:
        """Give a page that everybody has."""
        error: Exception | None = None
        for routes in self._spelling.candidates(Place(Kind.NONE)):
            try:
                return await self._page(routes.dashboard)
            except NoRouteError as missing:
                error = missing
        raise self._odd("a dashboard") from error

    def _mine(self, page: str) -> Person:
        """Give whose page it is; what these cookies were good for must not become another's."""
        found = person(page)
        if found is not None:
            self._spelling.read(found.link)
        if found is None or self._number not in (None, found.number):
            raise SignedOutError(
                msgid("You are not signed in to HumHub."), remedy=answers.KEYLESS, upstream=self._site.name
            )
        return found

    @asynccontextmanager
    async def _download(self, method: str, place: Place, guid: str) -> AsyncIterator[Answer]:
        """Ask for a file. Its answer's body isn't looked at yet.

        A 401 may mean that the session is over, and a 404 that this HumHub spells its addresses another way.
        """
        errors: list[BridgeError] = []
        for routes in self._spelling.candidates(place):
            headers = self._headers(**_AJAX)
            async with self._site.upstream.request(method, routes.file(guid), headers=headers) as answer:
                if answer.status == HTTPStatus.OK and "Content-Disposition" in answer.headers:
                    self._spelling.learn(routes)
                    yield answer
                    return
                if answer.status == HTTPStatus.OK:
                    errors.append(self._odd("a file"))
                    continue
                errors.append(answers.error_of(answer, await answer.read(answers.ANSWER_LIMIT)))
                if answer.status == HTTPStatus.UNAUTHORIZED:
                    break
        if isinstance(errors[-1], RefusedError) and not isinstance(errors[-1], SignedOutError):
            self._mine(await self._dashboard())
        raise min(errors, key=_doubt)

    def _odd(self, what: str) -> BadAnswerError:
        return BadAnswerError(
            "HumHub answers with another page than was asked for.",
            upstream=self._site.name,
            what=f"{what} was asked for",
            remedy="Is it the right address, and HumHub 1.18? Does a proxy before it ask people to sign in?",
        )


def _doubt(error: BridgeError) -> int:
    """Say how little an error means where others were met, too: a spelling that HumHub doesn't know leads anywhere."""
    return next((doubt for doubt, kind in enumerate((RefusedError, NoRouteError)) if type(error) is kind), 2)


def _uploaded(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """Give the file of an upload's answer, None if none was stored, and how its folder looks now."""
    try:
        answer = json.loads(raw)
        file = answer["files"][0]
        sound = file["error"] is False and isinstance(file["guid"], str)
        return file if sound else None, str(answer.get("fileList") or "")
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return None, ""
