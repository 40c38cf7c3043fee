"""What the module's script does in a page with an editor: each a call to HumHub, as it is made there."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from yarl import URL

from bridge.demo.editor import Editor
from bridge.demo.humhub import HumHubFile
from bridge.demo.person import EditorPage, Person

Json = dict[str, Any]


async def kept_by_docs(editor: Editor, title: str, output: str) -> str:
    """Let Docs make a file of what is open, as "Save copy as" does; return its address as the browser knows it."""
    base = editor.script.partition("/web-apps/")[0]
    wanted = {"tokenSession": editor.session, "outputformat": output, "title": title}
    url = URL(f"{base}/downloadas/{editor.key}?cmd={quote(json.dumps(wanted))}", encoded=True)
    assert editor._http is not None
    async with editor._http.post(url) as answer:
        found = await answer.json(content_type=None)
    assert found["status"] == "ok", found
    assert str(found["data"]).startswith(f"{base}/cache/files/"), "the editor gets an address that it can't use"
    return str(found["data"])


async def save_as(person: Person, page: EditorPage, editor: Editor, title: str, output: str = "docx") -> Json:
    """Keep what is open under another name; return what HumHub tells of the new file."""
    url = await kept_by_docs(editor, title, output)
    answer = await person.send(_url(page, "saveasUrl"), {"name": f"{title}.{output}", "url": url})
    return dict(answer["file"])


async def rename(person: Person, page: EditorPage, name: str) -> Json:
    form = {"newFileName": name, "key": page.key, "ext": page.config["document"]["fileType"]}
    return dict((await person.send(_url(page, "renameUrl"), form))["file"])


async def people(person: Person, page: EditorPage, search: str = "") -> list[Json]:
    """List who can be mentioned."""
    form = {"key": page.key, "offset": "0", "limit": "100", "search": search}
    return list((await person.send(_url(page, "usersForMentionsUrl"), form))["users"])


async def anchor(person: Person, page: EditorPage, action: Json) -> URL:
    """Give the link to a place in the document, as the script puts it together."""
    answer = await person.send(_url(page, "makeAnchorUrl"), {"doc_key": page.key})
    return URL(f"{person.base.origin()}{answer['url']}&anchor={quote(json.dumps(action), safe='')}", encoded=True)


async def notify(person: Person, page: EditorPage, email: str, action: Json) -> tuple[int, Any]:
    form = {"ACTION_DATA": json.dumps(action), "comment": "hi", "emails[]": email, "doc_key": page.key}
    headers = {"X-Requested-With": "XMLHttpRequest", "X-CSRF-Token": person.csrf}
    async with person.http.post(_url(page, "sendNotifyUrl"), data=form, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def share(person: Person, guid: str, mode: str) -> URL:
    """Make a link by which whoever has it may view or edit."""
    url = person.to("onlyoffice/share/get", guid=guid, mode="edit")
    return URL((await person.send(url, {"shareMode": mode}))["url"], encoded=True)


async def unshare(person: Person, guid: str, mode: str) -> None:
    url = person.to("onlyoffice/share/remove", guid=guid, mode="edit")
    assert (await person.send(url, {"shareMode": mode}))["success"]


def _url(page: EditorPage, name: str) -> URL:
    return URL(page.api[name], encoded=True)


def named(files: dict[str, HumHubFile], name: str) -> HumHubFile:
    (found,) = [file for file in files.values() if file.name == name]
    return found
