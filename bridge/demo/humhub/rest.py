"""The rest module: who asks is said by a token, never by a cookie; what it may is asked as of that user.

Its key signs tokens with HS512, and whoever has it makes them: `{"uid": N}` is all that they need. Source of what is
not recorded: the module's controllers.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from typing import Any

import jwt

from bridge.demo.humhub import corefiles, restshapes, serving, spacefiles, uploads
from bridge.demo.humhub.answers import Answer, HumHubError, RestError, as_json
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.cfiles import CFile, Folder
from bridge.demo.humhub.formats import mime_of
from bridge.demo.humhub.people import User, may_edit, may_read
from bridge.demo.humhub.posts import Post

PREFIX = "api/v1/"
KEY_LENGTH = 64
IMPERSONATION = 30 * 60
CHALLENGE = {"Www-Authenticate": 'Bearer realm="api"'}


# Who asks


def prepare(call: Call) -> None:
    """Open a session, as HumHub does for every request, and forget whose it is."""
    call.format_is_json = True
    call.open_session()
    call.user = None


def authenticate(call: Call) -> None:
    """Let in who brings a sound token; each scheme has a word of its own."""
    prepare(call)
    scheme, _, value = call.request.headers.get("Authorization", "").partition(" ")
    known = {"Bearer": _by_token, "Basic": _by_password, "Impersonate": _by_impersonation}
    call.user = known[scheme](call, value.strip()) if scheme in known else None
    if call.user is None:
        raise HumHubError(401, "Your request was made with invalid credentials.", CHALLENGE)


def _by_token(call: Call, token: str) -> User | None:
    """Read a token of the module's key, without any leeway in its times; a short key verifies nothing."""
    key = call.hub.settings.rest_secret or ""
    if len(key) < KEY_LENGTH:
        return None
    try:
        claims = jwt.decode(token, key, algorithms=["HS512"], options={"verify_sub": False, "verify_aud": False})
    except jwt.InvalidTokenError:
        return None
    return _numbered(call, claims.get("uid"))


def _by_password(call: Call, value: str) -> User | None:
    try:
        name, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _with_password(call, name, password)


def _by_impersonation(call: Call, token: str) -> User | None:
    username, expires = call.hub.impersonations.get(token, ("", 0))
    return call.hub.user(username) if expires > call.hub.clock() else None


def _with_password(call: Call, name: Any, password: Any) -> User | None:
    user = next((one for one in call.hub.users.values() if name in (one.username, one.email)), None)
    sound = user is not None and hmac.compare_digest(user.password.encode(), str(password).encode())
    return user if sound else None


def _numbered(call: Call, number: Any) -> User | None:
    return next((one for one in call.hub.users.values() if str(one.number) == str(number)), None)


def _asking(call: Call) -> User:
    assert call.user is not None  # noqa: S101  # `authenticate` went before
    return call.user


async def _body(call: Call) -> dict[str, Any]:
    try:
        found = json.loads(await call.request.read() or b"{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


async def login(call: Call) -> Answer:
    """Answer with a token for name and password."""
    given = await _body(call)
    user = _with_password(call, given.get("username"), given.get("password"))
    if user is None:
        raise RestError(400, "Wrong username or password")
    now = int(call.hub.clock())
    claims = {"iat": now, "iss": call.origin, "nbf": now, "uid": user.number, "email": user.email}
    token = jwt.encode(claims, call.hub.settings.rest_secret or "", algorithm="HS512")
    return as_json({"code": 200, "message": "Success", "auth_token": token, "expired_at": 0})


async def impersonate(call: Call) -> Answer:
    """Give an administrator a token of somebody else's, for half an hour."""
    if not _asking(call).admin:
        raise HumHubError(403, "Forbidden")
    user = _numbered(call, (await _body(call)).get("userId"))
    if user is None:
        raise HumHubError(404, "Page not found.")
    token, expires = f"impersonated-{secrets.token_urlsafe(64)}", int(call.hub.clock()) + IMPERSONATION
    call.hub.impersonations[token] = (user.username, expires)
    return as_json({"token": token, "expires": expires})


async def unknown(call: Call) -> Answer:
    """Answer for a route that the module doesn't have."""
    previous = {"name": "Invalid Route", "message": f'Unable to resolve the request "{call.request.path[1:]}".'}
    shown = {"name": "Not Found", "message": "Page not found.", "code": 0, "status": 404}
    return as_json({**shown, "previous": {**previous, "code": 0}}, 404)


# Users and containers


async def current(call: Call) -> Answer:
    return as_json(restshapes.user(call, _asking(call)))


async def view_user(call: Call) -> Answer:
    """Tell an administrator of a user, by number or by name."""
    if not _asking(call).admin:
        raise HumHubError(403, "You are not permitted to access this section.")
    name = call.parameter("username")
    found = call.hub.user(name) if name is not None else _numbered(call, call.argument)
    if found is None:
        raise RestError(404, "User not found!")
    return as_json(restshapes.user(call, found))


async def containers(call: Call) -> Answer:
    return as_json(restshapes.paged(call, restshapes.containers(call)))


async def view_space(call: Call) -> Answer:
    if call.argument != "1":
        raise RestError(404, "Space not found!")
    if not _asking(call).member:
        raise RestError(403, "You don't have an access to this space!")
    return as_json(restshapes.space(call))


# Files


async def download(call: Call) -> Answer:
    file = call.hub.store.numbered(int(call.argument))
    if file is None:
        raise RestError(404, "File not found!")
    if not may_read(call.user, file):
        raise RestError(403, "You cannot download this file!")
    return serving.send_file(call, file.path, size=file.size, name=file.name, mime=mime_of(file.extension))


async def view_cfile(call: Call) -> Answer:
    """Tell of an entry of the space's files, or delete it."""
    entry = call.hub.cfiles.entries.get(int(call.argument))
    if call.request.method == "DELETE":
        return _delete(call, entry)
    if entry is None:
        raise RestError(404, "Requested content not found!")
    if not _asking(call).member:
        raise RestError(403, "You cannot view this content!")
    return as_json(restshapes.cfile(call, entry))


def _delete(call: Call, entry: CFile | None) -> Answer:
    if entry is None:
        raise RestError(404, "Content record not found!")
    if not may_edit(call.user, entry.owner):
        raise RestError(403, "You are not allowed to delete this content!")
    call.hub.forget(entry.file)
    return as_json({"code": 200, "message": "Successfully deleted!"})


async def cfiles(call: Call) -> Answer:
    """List the entries of a container, or take new files into one of its folders."""
    if call.request.method == "POST":
        return await _upload(call)
    if not _is_space(call):
        raise RestError(404, "Content container not found!")
    entries = reversed(call.hub.cfiles.entries.values()) if _asking(call).member else ()
    return as_json(restshapes.paged(call, [restshapes.cfile(call, entry) for entry in entries]))


async def folders(call: Call) -> Answer:
    if not _is_space(call):
        raise RestError(404, "Content container not found!")
    found = [restshapes.folder(call, folder) for folder in call.hub.cfiles.folders.values()]
    return as_json(restshapes.paged(call, found))


async def view_folder(call: Call) -> Answer:
    found = call.hub.cfiles.folders.get(int(call.argument))
    if found is None:
        raise RestError(404, "Requested content not found!")
    if not _asking(call).member:
        raise RestError(403, "You cannot view this content!")
    return as_json(restshapes.folder(call, found))


async def _upload(call: Call) -> Answer:
    """Take files as the folder's page does, for who manages files; an author's right alone isn't enough."""
    parts = await uploads.receive(call, "rest upload", how="rest")
    folder = _folder_to_fill(call)
    if not parts:
        raise RestError(400, "No files to upload.")
    await uploads.before_storing(call, parts)
    for part in parts:
        refused = uploads.refusal(call, part)
        if refused is not None:
            # The name is missing in the module's own sentence.
            raise RestError(422, "File  could not be uploaded!", errors={"uploadedFile": [refused]})
        spacefiles.take(call, folder, part)
    await uploads.after_storing(call)
    return as_json({"code": 200, "message": "Files successfully uploaded!"})


def _folder_to_fill(call: Call) -> Folder:
    if not _is_space(call):
        raise RestError(404, "Content container not found!")
    number = call.form.get("folder_id")
    if number is None:
        raise RestError(400, "Target folder id is required!")
    folder = call.hub.cfiles.folders.get(int(number)) if number.isdecimal() else None
    if folder is None:
        raise RestError(404, "cFiles folder not found!")
    if not _asking(call).admin:
        raise RestError(403, "You cannot upload files into this folder!")
    return folder


def _is_space(call: Call) -> bool:
    return call.argument == str(call.hub.space.container)


# Posts


def _the_post(call: Call) -> Post | None:
    return call.hub.posts.get(int(call.argument))


async def view_post(call: Call) -> Answer:
    post = _the_post(call)
    if post is None:
        raise RestError(404, "Requested content not found!")
    if not _asking(call).member:
        raise RestError(403, "You cannot view this content!")
    return as_json(restshapes.post(call, post))


async def attach(call: Call) -> Answer:
    """Add files to a post; one of the same name is there twice, then."""
    parts = await uploads.receive(call, "rest attach", how="rest")
    post = _the_post(call)
    if post is None:
        raise RestError(404, "Content record not found!")
    if not may_edit(call.user, post.author):
        raise RestError(403, "You are not allowed to upload files to this content!")
    if not parts:
        raise RestError(400, "No files to upload.")
    await uploads.before_storing(call, parts)
    if any(uploads.refusal(call, part) for part in parts):
        raise RestError(500, "Internal error while saving file.")
    files = [corefiles.add_uploaded(call, part) for part in parts]
    for file in files:
        call.hub.posts.attach(post, file)
    await uploads.after_storing(call)
    shown = [restshapes.file(call, file, fresh=True) for file in files]
    return as_json({"code": 200, "message": "Files successfully uploaded.", "files": shown})
