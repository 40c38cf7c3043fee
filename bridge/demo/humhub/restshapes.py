"""What the rest module tells of users, files, posts and folders: its JSON, field for field."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from bridge.demo.humhub.call import Call
from bridge.demo.humhub.cfiles import CFile, Folder
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.infos import download_url
from bridge.demo.humhub.people import User
from bridge.demo.humhub.posts import Post

MODELS = {
    "post": "humhub\\modules\\post\\models\\Post",
    "file": "humhub\\modules\\cfiles\\models\\File",
    "folder": "humhub\\modules\\cfiles\\models\\Folder",
    "user": "humhub\\modules\\user\\models\\User",
    "space": "humhub\\modules\\space\\models\\Space",
}
NETWORKS = ("facebook", "linkedin", "instagram", "xing", "youtube", "vimeo", "tiktok", "twitter", "mastodon")
PROFILE = (
    *("gender", "street", "zip", "city", "country", "state", "birthday_hide_year", "birthday", "about"),
    *("phone_private", "phone_work", "mobile", "fax", "im_xmpp", "url"),
    *(f"url_{name}" for name in NETWORKS),
)


def when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def user_short(call: Call, user: User) -> dict[str, Any]:
    url = f"{call.origin}{call.hub.settings.base_path}/u/{user.username}/"
    return {"id": user.number, "guid": user.guid, "display_name": user.name, "url": url}


def user(call: Call, one: User) -> dict[str, Any]:
    first, _, last = one.name.partition(" ")
    images = f"{call.origin}{call.hub.settings.base_path}/static/img/default"
    account = {
        "id": one.number,
        "guid": one.guid,
        "username": one.username,
        "email": one.email,
        "visibility": 1,
        "status": 1,
        "tags": [],
        "language": one.language,
        "time_zone": "UTC",
        "contentcontainer_id": one.number,
        "authclient": "local",
        "authclient_id": None,
        "last_login": when(call.hub.clock()),
    }
    profile: dict[str, Any] = {"firstname": first, "lastname": last}
    profile["title"] = "System Administration" if one.admin else None
    profile |= dict.fromkeys(PROFILE) | {"image_url": f"{images}_user.jpg", "banner_url": f"{images}_banner.jpg"}
    return {**user_short(call, one), "account": account, "profile": profile}


def file(call: Call, one: HumHubFile, *, fresh: bool = False) -> dict[str, Any]:
    """Tell of one file; read back from the database, its size is a string."""
    return {
        "id": one.number,
        "guid": one.guid,
        "mime_type": one.mime,
        "size": one.size if fresh else str(one.size),
        "file_name": one.name,
        "url": call.origin + download_url(call, one),
    }


def post(call: Call, entry: Post) -> dict[str, Any]:
    files = [call.hub.files[guid] for guid in entry.guids if guid in call.hub.files]
    meta = _metadata(call, "post", entry.number, entry.content, author=entry.author, created=entry.created)
    meta["url"] = call.links.in_space("post/post/view", id=entry.number)
    return {"id": entry.number, "message": entry.text, "content": _content(call, meta, files, len(entry.comments))}


def cfile(call: Call, entry: CFile) -> dict[str, Any]:
    parent, held = call.hub.cfiles.folders[entry.folder], entry.file
    meta = _metadata(call, "file", entry.number, entry.content, author=entry.owner, created=entry.created)
    editor = call.hub.user(held.author)
    meta |= {
        "updated_at": when(held.updated),
        "updated_by": user_short(call, editor) if editor else None,
        "url": call.origin + call.links.in_space("cfiles/browse/index", fid=entry.folder),
    }
    return {
        "id": entry.number,
        "description": entry.description,
        "parent_folder": {"id": parent.number, "title": parent.title, "description": parent.description},
        "created_at": meta["created_at"],
        "created_by": meta["created_by"],
        "content": _content(call, meta, [held]),
    }


def folder(call: Call, one: Folder) -> dict[str, Any]:
    meta = _metadata(call, "folder", one.number, one.content, author=one.owner, created=one.created)
    meta |= {
        "visibility": 1,
        "stream_channel": None,
        "updated_at": when(one.updated),
        "url": call.origin + call.links.in_space("cfiles/browse/index", fid=one.number),
    }
    return {
        "id": one.number,
        "title": one.title,
        "description": one.description,
        "parent_folder_id": one.parent,
        "type": one.kind,
        "created_at": meta["created_at"],
        "created_by": meta["created_by"],
        "content": _content(call, meta, []),
    }


def _metadata(call: Call, kind: str, number: int, content: int, *, author: str, created: float) -> dict[str, Any]:
    found = call.hub.user(author)
    by = user_short(call, found) if found else None
    return {
        "id": content,
        "guid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}")),
        "object_model": MODELS[kind],
        "object_id": number,
        "visibility": 0,
        "state": 1,
        "archived": False,
        "hidden": False,
        "pinned": False,
        "locked_comments": False,
        "created_by": by,
        "created_at": when(created),
        "updated_by": by,
        "updated_at": when(created),
        "scheduled_at": None,
        "contentcontainer_id": call.hub.space.container,
        "stream_channel": "default",
    }


def _content(call: Call, meta: dict[str, Any], files: Sequence[HumHubFile], comments: int = 0) -> dict[str, Any]:
    return {
        "id": meta["id"],
        "metadata": meta,
        "comments": {"total": comments, "latest": []},
        "likes": {"total": 0},
        "topics": [],
        "files": [file(call, one) for one in files],
    }


def containers(call: Call) -> list[dict[str, Any]]:
    """List what content lies in: each user, then the space."""
    users = sorted(call.hub.users.values(), key=lambda one: one.number)
    found = [_container(one.number, one.guid, "user", one.number) for one in users]
    return [*found, _container(call.hub.space.container, call.hub.space.guid, "space", 1)]


def _container(number: int, guid: str, kind: str, key: int) -> dict[str, Any]:
    return {"id": number, "guid": guid, "objectClass": MODELS[kind], "objectPk": key}


def space(call: Call) -> dict[str, Any]:
    """Tell of the space. Source: the rest module's definitions, without its settings."""
    one = call.hub.space
    url = call.origin + call.links.in_space("")
    head = {"id": 1, "guid": one.guid, "name": one.name, "description": "", "url": url}
    return {**head, "contentcontainer_id": one.container, "visibility": 1, "join_policy": 1, "status": 1, "tags": []}


def paged(call: Call, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer with a page of at most a hundred, counted from 1."""
    size = min(_number(call, "limit", 100), 100)
    pages = max(-(-len(results) // size), 1)
    page = min(_number(call, "page", 1), pages)
    path = call.request.rel_url.raw_path

    def to(number: int) -> str:
        return f"{path}?page={number}&per-page={size}"

    links = {"self": to(page), "first": to(1), "last": to(pages)}
    if page > 1:
        links["prev"] = to(page - 1)
    if page < pages:
        links["next"] = to(page + 1)
    shown = results[(page - 1) * size : page * size]
    return {"total": len(results), "page": page, "pages": pages, "links": links, "results": shown}


def _number(call: Call, name: str, default: int) -> int:
    given = call.parameter(name) or ""
    return max(int(given), 1) if given.isdecimal() else default
