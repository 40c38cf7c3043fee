"""Every route of the small HumHub, and the steps before its action."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bridge.demo.humhub import (
    account,
    admin,
    api,
    backend,
    convert,
    corefiles,
    create,
    opening,
    preview,
    rest,
    share,
    spacefiles,
    stream,
)
from bridge.demo.humhub.answers import Answer
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.settings import HumHubSettings
from bridge.demo.humhub.track import track

Handler = Callable[[Call], Awaitable[Answer]]
ARGUMENT = re.compile(r"/(\d+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?=/|$)")


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `early` runs before the login and the headers, so its errors look different."""

    handler: Handler
    early: Callable[[Call], None] | None = None
    login: bool = True
    csrf: bool = True
    json: bool = False
    """Errors are JSON whoever asks."""
    dressed: bool = True
    """The controller sets its headers before the action."""


def named(path: str) -> tuple[str, str]:
    """Split a route's name from the number or guid in it: `cfiles/download/{id}`, and that."""
    found = ARGUMENT.search(path)
    return (ARGUMENT.sub("/{id}", path, count=1), found[1]) if found else (path, "")


def find(routes: dict[str, Route], name: str, settings: HumHubSettings) -> Route | None:
    """Find a route of HumHub's or of one of its modules, where that is there."""
    if name.startswith(rest.PREFIX):
        return routes.get(name, UNKNOWN) if settings.rest_secret and settings.pretty_urls else None
    if name.startswith("onlyoffice/") and not settings.onlyoffice:
        return None
    return routes.get(name)


UNKNOWN = Route(rest.unknown, early=rest.prepare, login=False, csrf=False, json=True, dressed=False)


def _for_rest(handler: Handler) -> Route:
    return Route(handler, early=rest.authenticate, login=False, csrf=False, json=True)


def _rest_routes() -> dict[str, Route]:
    login = Route(rest.login, early=rest.prepare, login=False, csrf=False, json=True, dressed=False)
    behind_login = {
        "auth/current": rest.current,
        "auth/impersonate": rest.impersonate,
        "user/{id}": rest.view_user,
        "user/get-by-username": rest.view_user,
        "space/{id}": rest.view_space,
        "content/container": rest.containers,
        "file/download/{id}": rest.download,
        "cfiles/file/{id}": rest.view_cfile,
        "cfiles/files/container/{id}": rest.cfiles,
        "cfiles/folder/{id}": rest.view_folder,
        "cfiles/folders/container/{id}": rest.folders,
        "post/{id}": rest.view_post,
        "post/{id}/upload-files": rest.attach,
    }
    named = {rest.PREFIX + name: _for_rest(handler) for name, handler in behind_login.items()}
    return {rest.PREFIX + "auth/login": login, **named}


def table() -> dict[str, Route]:
    open_file = opening.find_file
    doc = backend.find_document
    return {
        "user/auth/login": Route(account.login, login=False),
        "user/auth/logout": Route(account.logout),
        "dashboard/dashboard": Route(stream.dashboard),
        "dashboard/dashboard/stream": Route(stream.entries),
        "space/space": Route(stream.space),
        "space/space/home": Route(stream.space),
        "space/space/stream": Route(stream.entries),
        "post/post/post": Route(stream.create_post),
        "post/post/view": Route(stream.view_post),
        "post/post/edit": Route(stream.edit_post),
        "comment/comment/post": Route(stream.comment),
        "cfiles/browse": Route(spacefiles.browse),
        "cfiles/browse/file-list": Route(spacefiles.file_list),
        "cfiles/browse/load-entry": Route(spacefiles.load_entry),
        "cfiles/upload": Route(spacefiles.upload, early=spacefiles.may_add, json=True),
        "cfiles/upload/import": Route(spacefiles.take_over, early=spacefiles.may_add, json=True),
        "cfiles/edit/file": Route(spacefiles.edit),
        "cfiles/edit/folder": Route(spacefiles.add_folder),
        "cfiles/version": Route(spacefiles.versions),
        "cfiles/delete": Route(spacefiles.delete),
        "cfiles/download/{id}": Route(spacefiles.download),
        "file/file/upload": Route(corefiles.upload, json=True),
        "file/file/download": Route(corefiles.download, early=corefiles.may_download, login=False),
        "file/file/delete": Route(corefiles.delete),
        "file/view": Route(corefiles.view, early=corefiles.may_download, login=False),
        "onlyoffice/open": Route(opening.open_editor, early=open_file, login=False),
        "onlyoffice/open/get-info": Route(opening.get_info, early=open_file, login=False),
        "onlyoffice/create": Route(create.index),
        "onlyoffice/create/document": Route(create.document),
        "onlyoffice/convert": Route(convert.index, early=convert.find_file, login=False),
        "onlyoffice/convert/convert": Route(convert.convert, early=convert.find_file, login=False),
        "onlyoffice/share": Route(share.index, early=share.find_file, login=False),
        "onlyoffice/share/get": Route(share.get, early=share.find_file, login=False),
        "onlyoffice/share/remove": Route(share.remove, early=share.find_file, login=False),
        "onlyoffice/api/saveas": Route(api.saveas),
        "onlyoffice/api/rename": Route(api.rename),
        "onlyoffice/api/users-for-mentions": Route(api.users_for_mentions),
        "onlyoffice/api/make-anchor": Route(api.make_anchor),
        "onlyoffice/api/send-notify": Route(api.send_notify),
        "onlyoffice/admin": Route(admin.index),
        "onlyoffice/admin/save": Route(admin.save),
        "onlyoffice/backend/download": Route(backend.download, early=doc, login=False, csrf=False),
        "onlyoffice/backend/empty-file": Route(backend.empty_file, early=doc, login=False, csrf=False),
        "onlyoffice/backend/track": Route(track, early=doc, login=False, csrf=False, json=True),
        **_rest_routes(),
        "demo/preview": Route(preview.preview, early=corefiles.may_download, login=False),
    }
