"""The routes of the cfiles module, and who may use them: members add, an entry's author and admins change it.

An upload replaces what has its name, whoever wrote that: only the routes that edit look at the right.
"""

from __future__ import annotations

import time
from typing import Any

from bridge.demo.humhub import cfiles_pages, corefiles, pages, uploads
from bridge.demo.humhub.answers import Answer, HumHubError, InternalError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.cfiles import ROOT, CFile, Folder
from bridge.demo.humhub.people import may_edit
from bridge.demo.humhub.words import say


def folder_of(call: Call) -> Folder:
    """Find the folder by `fid`; without one it is the root."""
    given = call.parameter("fid") or "0"
    number = int(given) if given.isdecimal() else 0
    folder = call.hub.cfiles.folders.get(number or ROOT)
    if folder is None:
        raise HumHubError(500, f"Could not find folder with id: {number}")
    return folder


def may_add(call: Call) -> None:
    """Let members in, and nobody else."""
    call.format_is_json = True
    if call.user is not None and not call.user.member:
        raise HumHubError(403, "You are not permitted to access this section.")


def entry_to_edit(call: Call, missing: str, given: str) -> CFile:
    """Find an entry that the user may edit; for who can't read it, it isn't there."""
    entry = call.hub.cfiles.get(given)
    if entry is None or call.user is None or not call.user.member:
        raise HumHubError(404, missing)
    if not may_edit(call.user, entry.owner):
        raise HumHubError(403, "Forbidden")
    return entry


async def browse(call: Call) -> Answer:
    return pages.page(call, say("Files"), cfiles_pages.folder_page(call, folder_of(call)))


async def file_list(call: Call) -> Answer:
    return as_json({"output": cfiles_pages.file_list(call, folder_of(call))})


async def load_entry(call: Call) -> Answer:
    entry = call.hub.cfiles.get(call.parameter("id") or "")
    if entry is None or call.user is None or not call.user.member:
        return as_json({"success": False, "error": "No file found!"})
    return as_json({"output": cfiles_pages.file_row(call, entry), "scripts": ""})


async def upload(call: Call) -> Answer:
    """Take the parts called `files[]`: each a new entry, or new content for the entry of that name."""
    folder = folder_of(call)
    parts = await uploads.receive(call, "cfiles upload")
    await uploads.before_storing(call, parts)
    found = [_answer(call, folder, part) for part in parts]
    await uploads.after_storing(call)
    return as_json({"files": found, "fileList": cfiles_pages.file_list(call, folder)})


def _answer(call: Call, folder: Folder, part: uploads.Part) -> dict[str, Any]:
    refused = uploads.refusal(call, part)
    if refused is not None:
        return corefiles.refused_file(part, refused)
    return corefiles.uploaded_file(call, take(call, folder, part).file)


def take(call: Call, folder: Folder, part: uploads.Part) -> CFile:
    """Store one file in a folder. The name is compared as it was sent, and stored without what HumHub refuses in it."""
    entry = call.hub.cfiles.named(part.name, folder.number)
    if entry is None:
        return call.hub.cfiles.add(corefiles.add_uploaded(call, part), folder.number)
    # The module forgets the document key of content that came from elsewhere.
    entry.file.name, entry.file.mime, entry.file.key = part.clean, part.mime, None
    call.hub.store.replace(entry.file, part.body, author=call.user.username if call.user else None)
    uploads.stored(part, entry.file, replaced=True)
    return entry


async def take_over(call: Call) -> Answer:
    """Make entries of files that were uploaded before, as the page asks after `humhub:file:created`."""
    folder, errors = folder_of(call), []
    guids = call.form.getall("guids[]", []) or call.form.get("guids", "").split(",")
    for guid in (guid.strip() for guid in guids):
        file = call.hub.store.find(guid)
        if file is None:
            errors.append(f"Could not import file with guid {guid}. File not found")
        elif not file.attached:
            file.name = call.hub.cfiles.free_name(file.name, folder.number)
            call.hub.cfiles.add(file, folder.number)
    if errors:
        errors.insert(0, "Some files could not be imported: ")
    return as_json({"success": not errors, "errors": errors})


async def edit(call: Call) -> Answer:
    """Show the form of an entry, or rename it; a name that the folder has already is refused."""
    entry = entry_to_edit(call, "Cannot edit non existing file.", call.parameter("id") or "")
    name = call.form.get("File[file_name]")
    if name is None:
        return html(cfiles_pages.edit_form(call, entry, name=entry.file.name))
    other = call.hub.cfiles.named(name, entry.folder)
    if other is not None and other is not entry:
        wrong = "A file with that name already exists in this folder."
        return html(cfiles_pages.edit_form(call, entry, name=name, wrong=wrong))
    if name != entry.file.name:
        entry.file.name, entry.file.updated = name, time.time()
    entry.description = call.form.get("File[description]") or None
    return html(cfiles_pages.reload(call, entry.folder))


async def add_folder(call: Call) -> Answer:
    """Show the form of a new folder, or make it; members may."""
    parent, title = folder_of(call), call.form.get("Folder[title]")
    if call.user is None or not call.user.member:
        raise HumHubError(403, "Forbidden")
    if title is None:
        return html(cfiles_pages.folder_form(call, parent))
    if not title.strip() or call.hub.cfiles.has_folder(title, parent.number):
        wrong = "A folder with this name already exists." if title.strip() else "Title cannot be blank."
        return html(cfiles_pages.folder_form(call, parent, title=title, wrong=wrong))
    made = call.hub.cfiles.add_folder(title.strip(), call.user.username, parent=parent.number)
    return html(cfiles_pages.reload(call, made.number))


async def versions(call: Call) -> Answer:
    """List what an entry has held, or, by POST with `version`, take one of these back."""
    entry = entry_to_edit(call, "File not found!", f"file_{call.parameter('id') or ''}")
    number = call.parameter("version")
    if call.request.method != "POST" or number is None:
        return html(cfiles_pages.versions(call, entry))
    older = next((one for one in entry.file.versions[:-1] if str(one.number) == number), None)
    if older is None:
        raise HumHubError(404, "Version not found!")
    body = call.hub.store.receive_bytes(older.content())
    call.hub.store.replace(entry.file, body, author=call.user.username if call.user else None)
    return html(cfiles_pages.reload(call, entry.folder))


async def delete(call: Call) -> Answer:
    """Delete the chosen entries; answer with the list that is left."""
    folder = folder_of(call)
    for item in call.form.getall("selection[]", []):
        entry = call.hub.cfiles.get(item)
        if entry is None:
            raise InternalError(f"no entry {item}")
        if not may_edit(call.user, entry.owner):
            raise HumHubError(403, "Forbidden")
        call.hub.forget(entry.file)
    return html(cfiles_pages.file_list(call, folder))


async def download(call: Call) -> Answer:
    """Lead to the file itself, whose address changes with its name and content."""
    file = call.hub.store.find(call.argument)
    if file is None:
        raise HumHubError(404, "Page not found.")
    params: dict[str, str | int] = {
        "download": 1,
        "file_name": file.name,
        "guid": file.guid,
        "hash_sha1": file.sha1[:8],
    }
    return pages.redirect(call, call.origin + call.links.to("file/file/download", **params))
