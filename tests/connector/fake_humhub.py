"""A HumHub without the onlyoffice module, as little of it as its documents need, over a real socket.

It has a space `team` with a folder, a post, and four people: admin, who manages the space; alice and carol, its
members; bobby, who is none. What each may do, and what each route answers, is as recorded of the real one. A test may
break in before a route is served (`before`), or answer in its place (`instead`), once.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import unicodedata
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import jwt
from aiohttp import web

SECRET = "rest-secret-" + "0123456789abcdef" * 4
SPACE = "e903c903-c0b6-46f5-9a8f-66356e454b18"
FOLDER = "/s/team/cfiles/upload?fid=1"
POST = "/s/team/post/post/edit?id=3"
TOKEN = "form-token"
CONTAINER = 5
MANAGERS = {"admin"}
MEMBERS = {"admin", "alice", "carol"}
NUMBERS = {"admin": 1, "alice": 2, "bobby": 3, "carol": 4}
MIME = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def guid_of(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def alike(name: str) -> str:
    """Give what HumHub's database compares of a name."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).casefold().rstrip()


@dataclass
class File:
    """A file: in a folder (with an item), in a post, or in neither."""

    guid: str
    name: str
    content: bytes
    owner: str
    number: int
    folder: int | None = None
    post: int | None = None
    versions: list[bytes] = field(default_factory=list)
    mime: str = MIME
    deleted: bool = False

    @property
    def url(self) -> str:
        sha1 = hashlib.sha1(self.content, usedforsecurity=False).hexdigest()[:8]
        return f"http://humhub.test/file/file/download?guid={self.guid}&hash_sha1={sha1}"

    @property
    def etag(self) -> str:
        md5 = hashlib.md5(self.content, usedforsecurity=False).hexdigest()
        digest = hashlib.sha1(md5.encode(), usedforsecurity=False).digest()
        return base64.b64encode(digest).decode().rstrip("=")


class Denied(Exception):  # noqa: N818 - an answer, and no error
    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.answer = web.json_response({"error": True, "message": message}, status=status, headers=headers)


class HumHub:
    """Answers, and lets itself be looked into."""

    def __init__(self) -> None:
        self.url = ""
        self.files: dict[str, File] = {}
        self.signed_in: set[str] = set(NUMBERS)
        self.calls: list[str] = []
        self.hosts: set[str] = set()
        self.before: dict[str, Callable[[], None]] = {}
        self.instead: dict[str, Answer] = {}
        self.pretty = True
        self.base = ""
        self.etags = True
        self.limit = 1 << 40
        self._number = 40

    def add(self, name: str, content: bytes, *, owner: str = "alice", place: str = FOLDER) -> File:
        self._number += 1
        file = File(str(uuid.uuid4()), name, content, owner, self._number)
        file.folder = int(place.rpartition("=")[2]) if "cfiles" in place else None
        file.post = int(place.rpartition("=")[2]) if "post/edit" in place else None
        self.files[file.guid] = file
        return file

    def named(self, name: str) -> File:
        return next(file for file in self.files.values() if file.name == name)

    # --- who may what ---

    def who(self, request: web.BaseRequest) -> str | None:
        authorization = request.headers.get("Authorization", "")
        if authorization:
            options: Any = {"verify_exp": False}
            try:
                claims = jwt.decode(
                    authorization.removeprefix("Bearer "), SECRET, algorithms=["HS512"], options=options
                )
            except jwt.InvalidTokenError:
                return None
            return next((name for name, number in NUMBERS.items() if number == claims["uid"]), None)
        cookies = dict(pair.strip().partition("=")[::2] for pair in request.headers.get("Cookie", "").split(";"))
        name = cookies.get("PHPSESSID")
        return name if name in self.signed_in else None

    @staticmethod
    def may_see(file: File, who: str | None) -> bool:
        if file.deleted:
            return who == file.owner or who in MANAGERS
        return who in MEMBERS if file.folder or file.post else who == file.owner

    @staticmethod
    def may_change(file: File, who: str | None) -> bool:
        return who == file.owner or (who in MANAGERS and bool(file.folder or file.post))

    # --- routes ---

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.hosts.add(request.headers["Host"])
        route = request.rel_url.path.removeprefix(self.base)
        if route == "/index.php":
            if self.pretty:
                return self.page(self.who(request))
            route = "/" + request.query.get("r", "")
            space = "/s/team" if request.query.get("cguid") == SPACE else ""
            route = space + route
        elif not self.pretty:
            return web.Response(status=404, text="<h1>Not Found</h1> nginx", content_type="text/html")
        short = route.removeprefix("/s/team/").removeprefix("/")
        self.calls.append(f"{request.method} {short}")
        if short in self.before:
            self.before.pop(short)()
        if short in self.instead:
            return await self.instead.pop(short)(request)
        try:
            return await self.serve(request, short, self.who(request))
        except Denied as denied:
            return denied.answer

    async def serve(  # noqa: C901, PLR0911, PLR0912 - a table of routes
        self, request: web.BaseRequest, short: str, who: str | None
    ) -> web.StreamResponse:
        if short.startswith("api/v1/"):
            return await self.rest(request, short.removeprefix("api/v1/"), who)
        if short == "file/file/download":
            return self.download(self.found(request.query["guid"]), who, request.method)
        if who is None:
            name = "X-Redirect" if "X-Requested-With" in request.headers else "Location"
            raise Denied(302, headers={name: f"http://{request.host}/user/auth/login"})
        if request.method == "POST" and request.headers.get("X-CSRF-Token") != TOKEN:
            await request.read()
            raise Denied(400, "Unable to verify your data submission.")
        match short:
            case "dashboard" if not self.pretty:
                raise Denied(404)
            case "dashboard" | "dashboard/dashboard" | "post/post/view":
                return self.page(who)
            case "cfiles/browse/index":
                if who not in MEMBERS:
                    raise Denied(403)
                return self.page(who, self.rows(int(request.query["fid"]), who))
            case "cfiles/browse/load-entry":
                return web.json_response({"output": self.rows(None, who, request.query["id"]), "scripts": ""})
            case "cfiles/edit/file":
                return self.edit_form(request.query["id"], who)
            case "post/post/edit":
                return self.post_form(int(request.query["id"]), who)
            case "cfiles/upload":
                return await self.upload(request, who, FOLDER.partition("=")[0] + f"={request.query['fid']}")
            case "file/file/upload":
                post = request.query.get("objectId")
                return await self.upload(
                    request, who, f"post/edit?id={post}" if post and who in {"admin", "alice"} else ""
                )
            case "cfiles/delete":
                item = (await form_of(request))["selection[]"].removeprefix("file_")
                return self.delete(next(file for file in self.files.values() if str(file.number) == item), who, 403)
            case "file/file/delete":
                return self.delete(self.found((await form_of(request))["guid"]), who, 401)
        raise Denied(404, "Page not found.")

    def found(self, guid: str) -> File:
        if guid not in self.files:
            raise Denied(404, "Could not find requested file!")
        return self.files[guid]

    def page(self, who: str | None, inner: str = "") -> web.Response:
        user = (
            {"isGuest": True}
            if who is None
            else {
                "id": NUMBERS[who],
                "guid": guid_of(who),
                "text": f"{who.title()} <O'Brien>",
                "isGuest": False,
                "image": "/static/img/default_user.jpg",
                "link": f"{self.base}/u/{who}/" if self.pretty else f"{self.base}/index.php?r=user%2Fprofile&cguid=1",
                "locale": "de" if who == "alice" else "en-US",
            }
        )
        config = json.dumps({"user": user, "live": {}}).replace("/", "\\/").replace("<", "\\u003C")
        text = f'<html><head><meta name="csrf-token" content="{TOKEN}"><script nonce="x">humhub.config.set({config})</script>'
        return web.Response(text=f"{text}</head><body>{inner}</body></html>", content_type="text/html")

    def rows(self, folder: int | None, who: str, item: str = "") -> str:
        rows = ['<tr data-cfiles-item="folder-posted_2"><td><a href="#">Files from the stream</a></td></tr>']
        for file in self.files.values():
            if (file.folder == folder or f"file_{file.number}" == item) and not file.deleted:
                editable = "data-cfiles-editable" if self.may_change(file, who) else ""
                rows.append(
                    f'<tr data-cfiles-item="file_{file.number}" {editable}'
                    f' data-cfiles-url="http://humhub.test/s/team/cfiles/download/{file.guid}"><td><div>'
                    f'<a class="tt" href="{html.escape(file.url)}" data-file-download data-file-name="{html.escape(file.name)}"'
                    f' data-file-mime="{MIME}">{html.escape(file.name)}</a></div><a class="x">{who}</a></td></tr>'
                )
        return f"<table>{''.join(rows)}</table>"

    def edit_form(self, item: str, who: str) -> web.Response:
        file = next((file for file in self.files.values() if file.folder and f"file_{file.number}" == item), None)
        if file is None or who not in MEMBERS:
            raise Denied(404, "Cannot edit non existing file.")
        if not self.may_change(file, who):
            raise Denied(403, "Forbidden")
        field = f'<input type="text" name="File[file_name]" value="{html.escape(file.name)}">'
        return web.Response(
            text=f'<form><input type="hidden" name="_csrf" value="{TOKEN}">{field}</form>', content_type="text/html"
        )

    def post_form(self, post: int, who: str) -> web.Response:
        if who not in {"admin", "alice"}:
            raise Denied(403, "You are not allowed to perform this action.")
        infos = [info(file) for file in self.files.values() if file.post == post]
        shown = json.dumps(infos).replace("'", "\\u0027")
        text = f'<form><input type="hidden" name="_csrf" value="{TOKEN}">'
        preview = f"<div class='well post-file-list' data-ui-widget=\"file.Preview\" data-ui-init='{shown}'></div>"
        return web.Response(text=f"{text}{preview}</form>", content_type="text/html")

    def download(self, file: File, who: str | None, method: str) -> web.Response:
        if not self.may_see(file, who):
            raise Denied(401, "Insufficient permissions!")
        plain = "".join(sign if sign.isascii() else "_" for sign in file.name)
        name = f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(file.name)}"
        headers = {"Content-Type": file.mime, "Content-Disposition": name}
        headers["ETag"] = f'"{file.etag}"' if self.etags else f'"{len(file.versions):x}-{len(file.content):x}"'
        return web.Response(body=file.content, headers=headers)

    async def upload(self, request: web.BaseRequest, who: str, place: str) -> web.Response:
        if "cfiles" in place and who not in MEMBERS:
            raise Denied(403, "You are not permitted to access this section.")
        name, content, _ = await uploaded(request)
        if len(content) > self.limit:
            error = f'Die Datei "{name}" ist zu groß. Ihre Größe darf 2.097 MB nicht überschreiten.'
            return web.json_response({"files": [{"error": True, "errors": [error], "name": name}]})
        file = self.store(name, content, who, place)
        rows = self.rows(file.folder, who) if file.folder else ""
        return web.json_response({"files": [{"error": False, **info(file)}], "fileList": rows})

    def store(self, name: str, content: bytes, who: str, place: str) -> File:
        """Store as cfiles does: the file of an equal name gets another version, and the name."""
        if "cfiles" in place:
            folder = int(place.rpartition("=")[2])
            for file in self.files.values():
                if file.folder == folder and alike(file.name) == alike(name):
                    file.versions.append(file.content)
                    file.name, file.content = name, content
                    return file
        return self.add(name, content, owner=who, place=place)

    def delete(self, file: File, who: str, refusal: int) -> web.Response:
        if not self.may_change(file, who):
            raise Denied(refusal, "Insufficient permissions!")
        del self.files[file.guid]
        return web.json_response({"success": True})

    async def rest(  # noqa: C901, PLR0911 - a table of routes
        self, request: web.BaseRequest, route: str, who: str | None
    ) -> web.StreamResponse:
        if who is None or "Authorization" not in request.headers:
            error = {
                "name": "Unauthorized",
                "message": "Your request was made with invalid credentials.",
                "status": 401,
            }
            return web.json_response({**error, "code": 0}, status=401)
        match request.method, *route.split("/"):
            case "GET", "cfiles", "folder", fid:
                return web.json_response({"id": int(fid), "content": {"metadata": {"contentcontainer_id": CONTAINER}}})
            case "GET", "cfiles", "files", "container", _:
                page, files = (
                    int(request.query["page"]),
                    [file for file in self.files.values() if file.folder and not file.deleted],
                )
                shown = [self.rest_row(file) for file in files[2 * page - 2 : 2 * page]]
                return web.json_response({"pages": max(1, (len(files) + 1) // 2), "page": page, "results": shown})
            case "POST", "cfiles", "files", "container", _:
                return await self.rest_upload(request, who)
            case method, "cfiles", "file", item:
                file = next((file for file in self.files.values() if file.folder and str(file.number) == item), None)
                if file is None:
                    return web.json_response({"code": 404, "message": "Requested content not found!"}, status=404)
                if method == "DELETE":
                    del self.files[file.guid]
                return web.json_response(self.rest_row(file))
            case "GET", "file", "download", number:
                file = next(file for file in self.files.values() if str(file.number) == number)
                if not self.may_see(file, who):
                    return web.json_response({"code": 403, "message": "You cannot download this file!"}, status=403)
                answer = self.download(file, who, "GET")
                del answer.headers["ETag"]
                return answer
            case "GET", "post", post:
                attached = [rest_info(file) for file in self.files.values() if file.post == int(post)]
                return web.json_response({"id": int(post), "content": {"files": attached}})
            case "POST", "post", post, "upload-files":
                name, content, _ = await uploaded(request)
                file = self.add(name, content, owner=who, place=f"post/edit?id={post}")
                return web.json_response({"code": 200, "message": "ok", "files": [rest_info(file)]})
        error = {"name": "Not Found", "message": "Page not found.", "code": 0, "status": 404}
        return web.json_response(error, status=404)

    async def rest_upload(self, request: web.BaseRequest, who: str) -> web.Response:
        name, content, fields = await uploaded(request)
        if who not in MANAGERS:
            return web.json_response({"code": 403, "message": "You cannot upload files into this folder!"}, status=403)
        self.store(name, content, who, f"cfiles/upload?fid={fields['folder_id']}")
        return web.json_response({"code": 200, "message": "Files successfully uploaded!"})

    @staticmethod
    def rest_row(file: File) -> dict[str, Any]:
        state = 100 if file.deleted else 1
        content = {"metadata": {"contentcontainer_id": CONTAINER, "state": state}, "files": [rest_info(file)]}
        return {"id": file.number, "parent_folder": {"id": file.folder, "title": "Root"}, "content": content}


def info(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "guid": file.guid,
        "size": str(len(file.content)),
        "mimeType": file.mime,
        "url": file.url,
    }


def rest_info(file: File) -> dict[str, Any]:
    about = {"mime_type": file.mime, "size": str(len(file.content)), "file_name": file.name, "url": file.url}
    return {"id": file.number, "guid": file.guid, **about}


async def form_of(request: web.BaseRequest) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.post()).items()}


async def uploaded(request: web.BaseRequest) -> tuple[str, bytes, dict[str, str]]:
    """Take a form with one file in it, in constant memory but for the file; PHP drops one that is cut."""
    fields, name, content = {}, "", b""
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        value = await part.read()  # type: ignore[union-attr] # no part is nested
        if part.filename is not None:  # type: ignore[union-attr]
            name, content = part.filename, bytes(value)  # type: ignore[union-attr]
        else:
            fields[part.name or ""] = value.decode()  # type: ignore[union-attr]
    return name, content, fields


@asynccontextmanager
async def running() -> AsyncIterator[HumHub]:
    humhub = HumHub()
    server = web.Server(humhub.handle, handler_cancellation=True)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    humhub.url = f"http://{host}:{port}"
    try:
        yield humhub
    finally:
        await runner.cleanup()
