"""What the space's files look like: the folder's page, its list, and the modals of one entry."""

from __future__ import annotations

import json
import time

from bridge.demo.humhub import infos, panels
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.cfiles import POSTED, CFile, Folder
from bridge.demo.humhub.files import HumHubFile, Version, short_size
from bridge.demo.humhub.markup import attribute, fill
from bridge.demo.humhub.people import may_edit
from bridge.demo.humhub.words import say

# Source: cfiles' own table of extensions.
KINDS = {
    "excel": "xls xlsx",
    "pdf": "pdf",
    "powerpoint": "ppt pptx",
    "text": "txt log md",
    "word": "doc docx",
    "image": "jpg jpeg gif bmp svg tiff png",
    "archive": "zip rar gz tar",
    "code": "html cmd bat xml",
}
ROW_DEFAULTS = dict.fromkeys(
    ("content", "editable", "full", "wall", "edit", "move", "versions", "size", "updated", "creator"), ""
)


def folder_page(call: Call, folder: Folder) -> str:
    def to(route: str) -> str:
        return attribute(call.links.in_space(route, fid=folder.number))

    return fill(
        "cfiles",
        csrf=call.csrf_token(),
        fid=str(folder.number),
        upload=to("cfiles/upload"),
        reload=to("cfiles/browse/file-list"),
        delete=to("cfiles/delete"),
        import_=to("cfiles/upload/import"),
        crumb=_crumb(call, folder),
        menu=_menu(call, folder),
        list=file_list(call, folder),
    )


def _crumb(call: Call, folder: Folder) -> str:
    if folder.kind == "root":
        return ""
    path, one = [folder], folder
    while one.parent is not None:
        one = call.hub.cfiles.folders[one.parent]
        path.insert(0, one)
    steps = "".join(f'<li class="breadcrumb-item">{_folder_link(call, step)}</li>' for step in path)
    return f'<nav id="cfiles-crumb" aria-label="breadcrumb"><ol class="breadcrumb">{steps}</ol></nav>'


def _folder_link(call: Call, folder: Folder) -> str:
    href = attribute(call.links.in_space("cfiles/browse/index", fid=folder.number))
    return f'<a class="link" href="{href}">{attribute(say(folder.title) if folder.kind else folder.title)}</a>'


def _menu(call: Call, folder: Folder) -> str:
    if folder.kind == "posted" or call.user is None or not call.user.member:
        return ""
    url = attribute(call.links.in_space("cfiles/upload", fid=folder.number))
    attributes = (
        f' data-upload-url="{url}" data-upload-progress="#cfiles_progress" data-upload-preview="#cfiles-folderView"'
        ' data-upload-drop-zone="#cfiles-container" data-upload-paste-zone="body"'
    )
    label = f"<span>{say('Add file(s)')}</span>"
    menu = panels.upload_menu(call, "cfilesUploadFiles", label, attributes, look="btn-accent", side="end")
    folder_url = attribute(call.links.in_space("cfiles/edit/folder", fid=folder.number))
    add = (
        '<div class="btn-group"><button type="button" class="btn btn-light" data-action-click="ui.modal.load" '
        f'data-action-click-url="{folder_url}">{say("Add directory")}</button></div>'
    )
    return f'<div class="float-end">{add} {menu}</div>'


# The list


def file_list(call: Call, folder: Folder) -> str:
    """Write the list that the page holds and that an upload answers with; others' private files aren't in it."""
    member = call.user is not None and call.user.member
    rows = [_folder_row(call, one) for one in call.hub.cfiles.folders_within(folder.number)]
    if member and folder.number == POSTED:
        rows += [_posted_row(call, file) for file in call.hub.files.values() if file.post is not None]
    elif member:
        rows += [file_row(call, entry) for entry in call.hub.cfiles.within(folder.number)]
    if not rows:
        return f'<div class="folderEmptyMessage"><p><strong>{say("This folder is empty.")}</strong></p></div>'
    return fill("cfiles_list", rows="\n".join(rows))


def _folder_row(call: Call, folder: Folder) -> str:
    url = call.links.in_space("cfiles/browse/index", fid=folder.number)
    own = {"content": str(folder.content), "kind": folder.item.rpartition("_")[0], "url": attribute(url)}
    link = _folder_link(call, folder)
    shown = {"full": attribute(call.origin + url), "wall": attribute(_wall(call, folder.content))}
    actions = _actions(("download", "Open"))
    return _row(folder.item, **own, **shown, link=link, actions=actions, size="-", editable="")


def file_row(call: Call, entry: CFile) -> str:
    """Write an entry's row; what needs the right to edit it isn't there for others."""
    file, links = entry.file, call.links
    url = attribute(call.origin + links.in_space(f"cfiles/download/{file.guid}"))
    rights, actions = {}, [("download", "Download")]
    if may_edit(call.user, entry.owner):
        rights = {
            "editable": " data-cfiles-editable",
            "edit": attribute(links.in_space("cfiles/edit/file", id=entry.item)),
            "move": attribute(links.in_space("cfiles/move", fid=entry.folder)),
            "versions": attribute(links.in_space("cfiles/version", id=entry.number)),
        }
        actions += [("edit-file", "Edit"), ("delete", "Delete"), ("versions", "Versions")]
    return _row(
        entry.item,
        content=str(entry.content),
        kind=_kind(file),
        url=url,
        full=url,
        wall=attribute(_wall(call, entry.content)),
        link=infos.open_link(call, file, attributes='class="tt" '),
        actions=_actions(*actions),
        **_columns(call, file, entry.owner),
        **rights,
    )


def _posted_row(call: Call, file: HumHubFile) -> str:
    """Write the row of a post's file, which nothing can be done with here."""
    url = attribute(call.origin + infos.download_url(call, file) + "&download=1")
    link = infos.open_link(call, file, attributes='class="tt" ')
    columns = _columns(call, file, file.owner)
    actions = _actions(("download", "Download"))
    return _row(f"baseFile_{file.number}", kind=_kind(file), url=url, full=url, link=link, actions=actions, **columns)


def _row(item: str, **values: str) -> str:
    return fill("cfiles_row", **{**ROW_DEFAULTS, "id": panels.widget_id(), "item": item, **values})


def _columns(call: Call, file: HumHubFile, owner: str) -> dict[str, str]:
    creator = call.hub.user(owner)
    updated = time.strftime("%b %d, %Y - %H:%M", time.gmtime(file.updated))
    return {"size": short_size(file.size), "updated": updated, "creator": attribute(creator.name if creator else owner)}


def _kind(file: HumHubFile) -> str:
    return next((kind for kind, extensions in KINDS.items() if file.extension in extensions.split()), "unknown")


def _wall(call: Call, content: int) -> str:
    return call.links.in_space("", contentId=content)


def _actions(*entries: tuple[str, str]) -> str:
    return "".join(
        f'<li><a class="link dropdown-item" href="#" data-action="{action}">{say(label)}</a></li>'
        for action, label in entries
    )


# Modals


def edit_form(call: Call, entry: CFile, *, name: str, wrong: str = "") -> str:
    links = call.links
    content = fill(
        "cfiles_edit",
        id=panels.widget_id(),
        action=attribute(links.in_space("cfiles/edit/file", id=entry.item)),
        submit=attribute(links.in_space("cfiles/edit/file", fid=entry.folder, id=entry.item, fromWall=0)),
        rich=panels.rich_menu(call, "file-description-file-upload"),
        csrf=call.csrf_token(),
        name=attribute(name),
        description=attribute(entry.description or ""),
        invalid=" is-invalid" if wrong else "",
        wrong=attribute(wrong),
    )
    return panels.frame(content)


def folder_form(call: Call, parent: Folder, *, title: str = "", wrong: str = "") -> str:
    content = fill(
        "cfiles_folder",
        id=panels.widget_id(),
        action=attribute(call.links.in_space("cfiles/edit/folder", fid=parent.number)),
        csrf=call.csrf_token(),
        title=attribute(title),
        invalid=" is-invalid" if wrong else "",
        wrong=attribute(wrong),
    )
    return panels.frame(content)


def reload(call: Call, folder: int) -> str:
    """Lead the page to the folder, by a script of the fragment."""
    url = json.dumps(call.links.in_space("cfiles/browse/index", fid=folder)).replace("<", "\\u003C")
    return fill("reload", nonce=call.nonce_attribute(), url=url)


def versions(call: Call, entry: CFile) -> str:
    shown = list(reversed(entry.file.versions))
    rows = [_version(call, entry, shown[0], current=True), *(_version(call, entry, one) for one in shown[1:])]
    body = fill("cfiles_versions", rows="\n".join(rows))
    return panels.in_space(call) + panels.modal(say("<strong>File</strong> versions"), body, panels.footer())


def _version(call: Call, entry: CFile, version: Version, *, current: bool = False) -> str:
    file, links = entry.file, call.links
    download = call.origin + links.to(
        "file/file/download",
        **({} if current else {"variant": f"old-{version.number}"}),
        guid=file.guid,
        hash_sha1=file.sha1[:8],
    )
    author = call.hub.user(version.author)
    revert = attribute(links.in_space("cfiles/version", id=entry.number, version=version.number))
    delete = attribute(links.in_space("cfiles/version/delete", id=entry.number, version=version.number))
    return fill(
        "cfiles_version",
        attributes=' class="bg-warning"' if current else f' id="version_file_{version.number}"',
        when=infos.short_date(version.at),
        author=attribute(author.name if author else version.author),
        size=short_size(version.size),
        revert="" if current else _post_link(revert, "Revert to this version", ' data-method="POST"'),
        download=attribute(download),
        delete=""
        if current
        else _post_link(delete, "Delete this version!", ' data-action-click="cfiles.deleteVersion"'),
    )


def _post_link(url: str, title: str, attributes: str) -> str:
    return f'<a href="{url}" title="{say(title)}"{attributes}>{say(title)}</a>'
