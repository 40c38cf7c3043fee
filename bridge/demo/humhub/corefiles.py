"""HumHub's own files: upload, download, deletion and the view modal."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from bridge.demo.humhub import panels, serving, uploads
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile, Version
from bridge.demo.humhub.infos import infos
from bridge.demo.humhub.people import may_edit, may_read, may_write
from bridge.demo.humhub.posts import POST_MODEL


def may_download(call: Call) -> None:
    file = call.hub.store.find(call.parameter("guid"))
    if file is None:
        raise HumHubError(404, "Could not find requested file!")
    if not may_read(call.user, file):
        raise HumHubError(401, "Insufficient permissions!")
    call.file = file


async def download(call: Call) -> Answer:
    """Answer with the file, or, with `variant=old-N`, with what it held before."""
    if call.pjax:
        raise HumHubError(400, "File downloads are not allowed with pjax!")
    file = call.the_file()
    shown = _version(call, file)
    kept = {"Cache-Control": "public, max-age=3600", "Etag": shown.etag}
    if _unchanged(call, file, kept["Etag"]):
        answer = Answer(status=304, content_type=None, forgets_cache_rules=True)
        answer.headers.update(kept)
    else:
        kept["Last-Modified"] = formatdate(int(file.updated), usegmt=True)
        inline = file.mime in serving.INLINE and call.parameter("download") in (None, "0")
        answer = serving.send_file(
            call, shown.path, size=shown.size, name=file.name, mime=file.mime, kept=kept, inline=inline
        )
    answer.reopens_session = True
    return answer


def _version(call: Call, file: HumHubFile) -> Version:
    variant = call.parameter("variant")
    if variant is None:
        return file.versions[-1]
    older = {f"old-{version.number}": version for version in file.versions[:-1]}
    if variant not in older:
        raise HumHubError(404, "Could not find requested file variant!")
    return older[variant]


def _unchanged(call: Call, file: HumHubFile, etag: str) -> bool:
    tag = call.request.headers.get("If-None-Match")
    if tag is not None:
        return tag == etag
    since = call.request.headers.get("If-Modified-Since")
    try:
        return since is not None and int(file.updated) <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


async def view(call: Call) -> Answer:
    return html(panels.file_view(call, call.the_file()))


async def delete(call: Call) -> Answer:
    if call.request.method != "POST":
        raise HumHubError(405, "Invalid request method!")
    file = call.hub.files.get(call.form.get("guid") or "")
    if file is None:
        raise HumHubError(404, "Could not find requested file!")
    if not may_write(call.user, file):
        raise HumHubError(401, "Insufficient permissions!")
    call.hub.forget(file)
    return as_json({"success": True})


async def upload(call: Call) -> Answer:
    """Take the parts called `files[]`, straight to disk; attach them where the request names something to edit."""
    parts = await uploads.receive(call, "file upload")
    await uploads.before_storing(call, parts)
    found = [_take(call, part) for part in parts]
    await uploads.after_storing(call)
    return as_json({"files": found})


def _take(call: Call, part: uploads.Part) -> dict[str, Any]:
    refused = uploads.refusal(call, part)
    if refused is not None:
        return refused_file(part, refused)
    file = add_uploaded(call, part)
    _attach(call, file)
    return uploaded_file(call, file)


def add_uploaded(call: Call, part: uploads.Part) -> HumHubFile:
    """Make a new file, which belongs to nothing yet."""
    owner = call.user.username if call.user else ""
    file = call.hub.store.add(part.clean, owner, part.mime, part.body)
    uploads.stored(part, file)
    return file


def uploaded_file(call: Call, file: HumHubFile) -> dict[str, Any]:
    return {"error": False, **infos(call, file, fresh=True)}


def refused_file(part: uploads.Part, refused: str) -> dict[str, Any]:
    """Tell of a refused file, which is no error of the request's."""
    return {"error": True, "errors": [refused], "name": part.clean, "size": str(part.body.size)}


def _attach(call: Call, file: HumHubFile) -> None:
    """Attach to a post at once, where the request names one and the user may edit it; else say nothing."""
    model = call.parameter("objectModel") or call.form.get("objectModel")
    number = call.parameter("objectId") or call.form.get("objectId") or ""
    if model != POST_MODEL or not number.isdecimal():
        return
    post = call.hub.posts.get(int(number))
    if post is not None and may_edit(call.user, post.author):
        call.hub.posts.attach(post, file)
