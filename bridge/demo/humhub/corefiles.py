"""HumHub's own files: upload, download, deletion and the view modal."""

from __future__ import annotations

import re
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from aiohttp import BodyPartReader
from aiohttp.multipart import MultipartReader

from bridge.demo.humhub import panels, serving
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.formats import mime_of
from bridge.demo.humhub.infos import infos
from bridge.demo.humhub.people import may_read, may_write

POST_MODEL = "humhub\\modules\\post\\models\\Post"


def may_download(call: Call) -> None:
    file = call.hub.store.find(call.parameter("guid"))
    if file is None:
        raise HumHubError(404, "Could not find requested file!")
    if not may_read(call.user, file):
        raise HumHubError(401, "Insufficient permissions!")
    call.file = file


async def download(call: Call) -> Answer:
    file = call.the_file()
    kept = {"Cache-Control": "public, max-age=3600", "Etag": file.etag}
    if _unchanged(call, file):
        answer = Answer(status=304, content_type=None, forgets_cache_rules=True)
        answer.headers.update(kept)
    else:
        kept["Last-Modified"] = formatdate(int(file.updated), usegmt=True)
        answer = serving.send_file(call, file.path, size=file.size, name=file.name, mime=file.mime, kept=kept)
    answer.reopens_session = True
    return answer


def _unchanged(call: Call, file: HumHubFile) -> bool:
    tag = call.request.headers.get("If-None-Match")
    if tag is not None:
        return tag == file.etag
    since = call.request.headers.get("If-Modified-Since")
    try:
        return since is not None and int(file.updated) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


async def view(call: Call) -> Answer:
    return html(panels.file_view(call, call.the_file()))


async def delete(call: Call) -> Answer:
    file = call.hub.files.get(call.form.get("guid") or call.parameter("guid") or "")
    if file is None:
        raise HumHubError(404, "Could not find requested file!")
    if not may_write(call.user, file):
        raise HumHubError(401, "Insufficient permissions!")
    call.hub.posts.detach(file)
    call.hub.store.remove(file)
    return as_json({"success": True})


async def upload(call: Call) -> Answer:
    """Take the parts called `files[]`, straight to disk."""
    found: list[dict[str, Any]] = []
    if call.request.content_type.startswith("multipart/"):
        reader = await call.request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader):
                continue
            if part.name in ("files[]", "files") and part.filename:
                found.append(infos(call, await _store(call, part), fresh=True) | {"error": False})
            else:
                await part.release()
    return as_json({"files": [{"error": False, **one} for one in found]})


async def _store(call: Call, part: BodyPartReader) -> HumHubFile:
    async def chunks() -> Any:
        while chunk := await part.read_chunk(256 * 1024):
            yield chunk

    name = clean_name(part.filename or "file")
    body = await call.hub.store.receive(chunks())
    mime = part.headers.get("Content-Type") or mime_of(name.rpartition(".")[2].lower())
    owner = call.user.username if call.user else ""
    file = call.hub.store.add(name, owner, mime, body)
    _attach(call, file)
    return file


def _attach(call: Call, file: HumHubFile) -> None:
    """Attach to a post at once, where the request names one and the user may edit it; else say nothing."""
    number = call.parameter("objectId") or ""
    if call.parameter("objectModel") != POST_MODEL or not number.isdecimal():
        return
    post = call.hub.posts.get(int(number))
    if post is not None and call.user is not None and (call.user.admin or call.user.username == post.author):
        call.hub.posts.attach(post, file)


def clean_name(name: str) -> str:
    """Keep the last part of a name, without what file systems refuse."""
    return re.sub(r'[<>:"|?*\\\x00-\x1f]', "_", name.rpartition("/")[2]) or "file"
