"""What the editor's page asks HumHub for: save as, rename, mentions, anchors."""

from __future__ import annotations

from yarl import URL

from bridge.demo.humhub.answers import Answer, HumHubError, InternalError, as_json
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.formats import mime_of
from bridge.demo.humhub.infos import infos
from bridge.demo.humhub.outgoing import FetchError
from bridge.demo.humhub.people import may_read


async def saveas(call: Call) -> Answer:
    """Fetch what Docs offers under its public address, at its internal one, and keep it as a new file."""
    url, name = call.form.get("url", ""), call.form.get("name", "")
    settings = call.hub.settings
    if URL(url).host != URL(settings.server_url).host:
        raise InternalError("Incorrect domain in file url")
    if settings.internal_server_url:
        url = url.replace(settings.server_url, settings.internal_server_url)
    try:
        body = await call.hub.outgoing.fetch(url)
    except FetchError as error:
        raise InternalError(str(error)) from error
    owner = call.user.username if call.user else ""
    file = call.hub.store.add(name, owner, mime_of(name.rpartition(".")[2].lower()), body)
    return as_json({"file": infos(call, file, fresh=True)})


async def rename(call: Call) -> Answer:
    """Rename by key, and tell Docs; the new name stays even where Docs refuses."""
    key, name, extension = (call.form.get(field, "") for field in ("key", "newFileName", "ext"))
    file = _by_key(call, key)
    call.file = file
    if not call.can_write():
        raise InternalError("Permission denied")
    if name.rpartition(".")[2] != extension:
        name = f"{name}.{extension}"
    file.name = name
    result = await call.hub.outgoing.command({"c": "meta", "key": key, "meta": {"title": name}})
    if result.get("error") != 0:
        raise InternalError(f"Error from command Service: {result.get('error')}")
    return as_json({"file": infos(call, file)})


async def users_for_mentions(call: Call) -> Answer:
    """List who may read the file, the newest user first, without the one who asks."""
    file = call.hub.store.with_key(call.form.get("key", ""))
    call.file = file
    if file is None or not call.can_write():
        raise HumHubError(403, "Forbidden")
    wanted = call.form.get("search", "").lower()
    users = [
        {"name": user.name, "email": user.email}
        for user in reversed(call.hub.users.values())
        if user is not call.user and may_read(user, file) and wanted in user.name.lower()
    ]
    offset, limit = int(call.form.get("offset") or 0), int(call.form.get("limit") or 100)
    return as_json({"users": users[offset : offset + limit]})


async def make_anchor(call: Call) -> Answer:
    file = _by_key(call, call.form.get("doc_key", ""))
    return as_json({"url": call.links.to("onlyoffice/open", guid=file.guid, mode="view")})


async def send_notify(call: Call) -> Answer:
    _by_key(call, call.form.get("doc_key", ""))
    return as_json([])


def _by_key(call: Call, key: str) -> HumHubFile:
    file = call.hub.store.with_key(key)
    if file is None:
        raise InternalError("no file with this key")
    return file
