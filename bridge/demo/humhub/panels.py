"""HumHub's fragments: posts, file lists, and what modals show."""

from __future__ import annotations

import secrets
import time
from typing import Any

from bridge.demo.humhub import infos, preview
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile, short_size
from bridge.demo.humhub.formats import FORMATS, NEW_DOCUMENTS, icon_of
from bridge.demo.humhub.markup import attribute, fill, json_attribute
from bridge.demo.humhub.posts import Post


def initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2] if word[0].isalpha()).upper()


def widget_id() -> str:
    return f"h{secrets.randbelow(900000) + 100000}w0"


# Posts


def post_form(call: Call) -> str:
    kinds = "".join(
        f'<li><a class="dropdown-item create-{extension}" href="#" data-action-click="ui.modal.load" '
        f'data-modal-id="onlyoffice-modal" data-action-url="{attribute(create_url(call, extension))}">{label}</a></li>'
        for extension, label in NEW_DOCUMENTS.items()
        if extension != "pdf"
    )
    return fill(
        "post_form",
        action=attribute(call.links.in_space("post/post/post")),
        upload=attribute(call.links.to("file/file/upload")),
        create=attribute(call.links.to("onlyoffice/create")),
        csrf=call.csrf_token(),
        kinds=kinds,
    )


def post(call: Call, entry: Post) -> str:
    author = call.hub.user(entry.author)
    name = author.name if author else entry.author
    files = [call.hub.files[guid] for guid in entry.guids if guid in call.hub.files]
    return fill(
        "post",
        number=str(entry.number),
        initials=attribute(initials(name)),
        author=attribute(name),
        href=attribute(call.links.in_space("post/post/view", id=entry.number)),
        iso=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(entry.created)),
        when=time.strftime("%b %d, %Y - %H:%M", time.gmtime(entry.created)),
        text=attribute(entry.text).replace("\n", "<br>"),
        files="\n".join(file_item(call, file) for file in files),
    )


def edit_post(call: Call, entry: Post) -> str:
    action = call.links.in_space("post/post/edit", id=entry.number)
    body = (
        f'<form action="{attribute(action)}" method="post">'
        f'<input type="hidden" name="_csrf" value="{call.csrf_token()}">'
        f'<textarea name="Post[message]" rows="3">{attribute(entry.text)}</textarea>'
        f'<a class="btn btn-light" href="#" data-action-click="ui.modal.load" data-modal-id="onlyoffice-modal" '
        f'data-action-url="{attribute(call.links.to("onlyoffice/create"))}">Create file</a></form>'
    )
    return modal("<strong>Edit</strong> post", body, footer())


def file_item(call: Call, file: HumHubFile) -> str:
    return fill(
        "file",
        guid=file.guid,
        icon=icon_of(file.extension),
        extension=attribute(file.extension[:4] or "file"),
        link=infos.open_link(call, file),
        size=short_size(file.size),
        actions=file_buttons(call, file),
        preview=attribute(call.links.to("demo/preview", guid=file.guid)),
        version=str(file.version),
        text=attribute(preview.text_of(file)),
    )


def file_buttons(call: Call, file: HumHubFile) -> str:
    buttons = [_handler_button(label, url, editor=editor) for label, url, editor in infos.handlers(call, file)]
    url = call.links.to("file/file/download", download=0, guid=file.guid, hash_sha1=file.sha1[:8])
    buttons.append(
        f'<a class="btn btn-light" href="{attribute(url)}" data-pjax-prevent {infos.download_attributes(call, file)} '
        f'target="_blank" data-action-process="file-handler">Download</a>'
    )
    return " ".join(buttons)


def _handler_button(label: str, url: str, *, editor: bool) -> str:
    modal_id = "onlyoffice-modal" if editor else "globalModal"
    return (
        f'<a class="btn btn-light" href="#" data-action-url="{attribute(url)}" data-action-click="ui.modal.load" '
        f'data-modal-id="{modal_id}" data-modal-close="" data-action-process="file-handler">{label}</a>'
    )


# Modals


def modal(title: str, body: str, foot: str, *, scripts: str = "", size: str = "", close: str = "") -> str:
    content = fill("modal_parts", title=title, body=body, footer=foot, close_attributes=close)
    return frame(content, scripts=scripts, size=size)


def frame(content: str, *, scripts: str = "", size: str = "") -> str:
    return fill("modal", id=widget_id(), content=content, scripts=scripts, size=size)


def footer(attributes: str = ' data-modal-close=""') -> str:
    return f'<div class="modal-footer"><button type="button" class="btn btn-light"{attributes}>Close</button></div>'


def module_script(call: Call) -> str:
    return f'<script src="{call.links.module_asset("humhub.onlyoffice.js")}?v=1"{call.nonce_attribute()}></script>\n'


def file_view(call: Call, file: HumHubFile) -> str:
    owner = call.hub.user(file.owner)
    body = (
        f"<h3>{attribute(file.name)}</h3><p>Size: {short_size(file.size)}<br>"
        f"Created by: {attribute(owner.name) if owner else ''}</p><div>{file_buttons(call, file)}</div>"
    )
    return modal("<strong>Open</strong> file", body, footer())


def editor(call: Call, config: dict[str, Any], apis: dict[str, str]) -> str:
    """Show the editor: Docs' script first, the module's after it, and everything else in attributes."""
    file = call.the_file()
    api_js = f"{call.hub.settings.server_url}/web-apps/apps/api/documents/api.js?shardKey={config['document']['key']}"
    nonce = call.nonce_attribute()
    share = call.links.to("onlyoffice/share", guid=file.guid, mode="edit")
    button = (
        f'<a class="btn btn-light" href="#" data-action-click="share" data-action-block="sync" '
        f'data-action-url="{attribute(share)}">Share</a>'
    )
    content = fill(
        "editor",
        id=widget_id(),
        config=json_attribute("data-config", config),
        mode=call.mode,
        info=attribute(call.links.to("onlyoffice/open/get-info", guid=file.guid)),
        api=json_attribute("data-api", apis),
        title=attribute(file.name),
        share=button if call.mode == "edit" and call.user is not None else "",
    )
    scripts = f'<script src="{attribute(api_js)}"{nonce}></script>' + module_script(call)
    return frame(content, scripts=scripts, size=" modal-xl")


def create_url(call: Call, extension: str) -> str:
    return call.links.to("onlyoffice/create/document", extension=extension)


def create_index(call: Call) -> str:
    kinds = "".join(
        f'<li><a class="try-editor {extension}" href="#" data-action-click="ui.modal.load" '
        f'data-modal-id="onlyoffice-modal" data-action-url="{attribute(create_url(call, extension))}">{label}</a></li>'
        for extension, label in NEW_DOCUMENTS.items()
    )
    body = f'<p class="try-descr">Please select a document type.</p><ul class="try-editor-list">{kinds}</ul>'
    return modal("<strong>Create</strong> document", body, "", size=" modal-lg")


def create_form(call: Call, extension: str, *, missing: bool = False) -> str:
    content = fill(
        "create_form",
        id=widget_id(),
        action=attribute(create_url(call, extension)),
        csrf=call.csrf_token(),
        extension=attribute(extension),
        invalid=" is-invalid" if missing else "",
        feedback="File name cannot be blank." if missing else "",
    )
    return frame(content, scripts=module_script(call))


def convert(call: Call, file: HumHubFile) -> str:
    stem = file.name.rpartition(".")[0]
    new_name = f"{stem}.{FORMATS[file.extension].convert}"
    target = call.links.to("onlyoffice/convert/convert", guid=file.guid, ts=int(time.time()), newName=new_name)
    body = fill(
        "convert",
        id=widget_id(),
        post=attribute(target),
        info=attribute(call.links.to("onlyoffice/open/get-info", guid=file.guid)),
        name=attribute(file.name),
        new_name=attribute(new_name),
    )
    close = ' data-action-click="close" data-ui-widget="onlyoffice.Convert"'
    foot = footer(close)
    return modal("<strong>Convert</strong> document", body, foot, scripts=module_script(call), close=close)


def share(call: Call, file: HumHubFile) -> str:
    links = dict.fromkeys(("view", "edit"), "")
    for secret, (guid, mode) in call.hub.shares.items():
        if guid == file.guid:
            links[mode] = call.origin + call.links.to("onlyoffice/open", share=secret)
    body = fill(
        "share",
        id=widget_id(),
        get=attribute(call.links.to("onlyoffice/share/get", guid=file.guid, mode="edit")),
        remove=attribute(call.links.to("onlyoffice/share/remove", guid=file.guid, mode="edit")),
        view=attribute(links["view"]),
        edit=attribute(links["edit"]),
        view_checked=" checked" if links["view"] else "",
        edit_checked=" checked" if links["edit"] else "",
    )
    return modal("<strong>Share</strong> document", body, footer())
