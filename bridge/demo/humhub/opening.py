"""Opening the editor: the fragment, its configuration, and the plain open that leads to the post."""

from __future__ import annotations

import json
import re
from typing import Any

from bridge.demo.humhub import pages, panels
from bridge.demo.humhub.answers import Answer, HumHubError, InternalError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.formats import FORMATS
from bridge.demo.humhub.infos import infos, php_escape, short_date
from bridge.demo.humhub.links import HOME
from bridge.demo.humhub.outgoing import FetchError

# Which browsers the module takes for a phone's, by its source: what their User-Agent holds, in any case.
PHONES = re.compile(
    "android|avantgo|blackberry|blazer|compal|elaine|fennec|hiptop|iemobile|ip[ao]d|iris|kindle|lge |maemo|midp|mmp|"
    "opera mini|opera mobi|palm|phone|pixi/|playbook|plucker|pocket|pre/|psp|symbian|treo|up[.]browser|up[.]link|"
    "vodafone|wap|windows ce|xda|xiino",
    re.IGNORECASE,
)
CUSTOMIZATION = {
    "forcesave": False,
    "chat": True,
    "compactHeader": False,
    "feedback": True,
    "help": True,
    "compactToolbar": False,
}


def find_file(call: Call) -> None:
    """Find the file by share or guid and check the rights; any mode but `edit` is `view`."""
    share = call.parameter("share")
    if share:
        _find_shared(call, share)
        return
    call.file = call.hub.store.find(call.parameter("guid"))
    if call.file is None:
        raise HumHubError(404, "Could not find requested file!")
    if not call.can_read():
        raise HumHubError(403, "File read access denied!")
    call.fill = call.parameter("restrict") == "fill"
    if call.parameter("mode") == "edit":
        if not call.can_write() and not call.fill:
            raise HumHubError(403, "File write access denied!")
        call.mode = "edit"


def _find_shared(call: Call, secret: str) -> None:
    guid, mode = call.hub.shares.get(secret, ("", ""))
    call.file = call.hub.files.get(guid)
    if call.file is None:
        raise HumHubError(404, "Could not find shared file!")
    call.shared, call.mode = True, mode


async def open_editor(call: Call) -> Answer:
    """Answer AJAX with the editor's fragment; lead anyone else to a page that opens it."""
    if not call.ajax:
        return _lead_to_post(call)
    config = await editor_config(call)
    if call.hub.settings.secret:
        try:
            config["token"] = call.hub.outgoing.sign(config)
        except FetchError as error:
            raise InternalError(str(error)) from error
    return html(panels.editor(call, config, apis(call)))


def _lead_to_post(call: Call) -> Answer:
    call.open_session().open_after = call.request.rel_url.raw_path_qs
    if call.user is None:
        return pages.redirect(call, call.origin + call.links.to("user/auth/login"))
    post = call.the_file().post
    target = call.links.in_space("post/post/view", id=post) if post else call.links.to(HOME)
    return pages.redirect(call, call.origin + target)


async def get_info(call: Call) -> Answer:
    return as_json({"file": infos(call, call.the_file())})


async def editor_config(call: Call) -> dict[str, Any]:
    """Build the configuration, its names encoded for HTML once more."""
    file, storage = call.the_file(), call.hub.settings.storage_url or call.origin
    key, user = await call.document_key(), call.user
    doc = call.hub.document_hash(key, user.guid if user else None)
    owner = call.hub.user(file.owner)
    found = FORMATS.get(file.extension)
    edit = call.mode == "edit"
    embedded = _embedded(call) if call.hub.settings.embeds_viewers and not edit else {}
    return {
        "type": "embedded" if embedded else _look(call),
        "documentType": found.kind if found else None,
        "document": {
            "title": php_escape(file.name),
            "url": storage + call.links.to("onlyoffice/backend/download", doc=doc),
            "fileType": file.extension,
            "key": key,
            "info": {"author": php_escape(owner.name if owner else ""), "created": short_date(file.created)},
            "permissions": {"edit": edit and not call.fill, "fillForms": edit and call.fill},
        },
        "editorConfig": {
            "actionLink": json.loads(call.parameter("anchor") or "null"),
            "mode": call.mode,
            "lang": "en-US",
            "callbackUrl": storage + call.links.to("onlyoffice/backend/track", doc=doc),
            "user": {"id": user.guid, "name": php_escape(user.name)} if user else {"id": "", "name": "Anonymous User"},
            "customization": dict(CUSTOMIZATION),
            **embedded,
        },
    }


def _look(call: Call) -> str:
    return "mobile" if PHONES.search(call.request.headers.get("User-Agent", "")) else "desktop"


def _embedded(call: Call) -> dict[str, Any]:
    """Build what an embedded viewer offers: the file itself, and the document's own address to share and to embed."""
    opened = call.origin + call.links.to("onlyoffice/open", guid=call.the_file().guid, mode="view")
    save = call.origin + call.links.to("file/file/download", download=1, guid=call.the_file().guid)
    links = {"saveUrl": save, "shareUrl": opened, "embedUrl": opened, "fullscreenUrl": opened}
    return {"embedded": {**links, "toolbarDocked": "top"}}


def apis(call: Call) -> dict[str, str]:
    """List what the editor's page may call back: mentions for users, renaming for who may write."""
    names = {"sendNotifyUrl": "send-notify", "makeAnchorUrl": "make-anchor", "saveasUrl": "saveas"}
    if call.user is not None:
        names["usersForMentionsUrl"] = "users-for-mentions"
        if call.can_write():
            names["renameUrl"] = "rename"
    return {name: call.origin + call.links.to(f"onlyoffice/api/{action}") for name, action in names.items()}
