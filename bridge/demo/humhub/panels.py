"""HumHub's fragments: posts, file lists, and what modals show."""

from __future__ import annotations

import secrets
import time
from typing import Any

from bridge.demo.humhub import infos
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile, short_size
from bridge.demo.humhub.formats import FORMATS, NEW_DOCUMENTS
from bridge.demo.humhub.markup import attribute, fill, json_attribute
from bridge.demo.humhub.words import say


def initials(name: str) -> str:
    return "".join(word[0] for word in name.split()[:2] if word[0].isalpha()).upper()


def widget_id() -> str:
    return f"h{secrets.randbelow(900000) + 100000}w0"


# Uploads


def upload_menu(
    call: Call,
    target: str,
    label: str,
    attributes: str,
    *,
    look: str = "btn-light",
    group: str = "",
    side: str = "",
    beside: str = "",
) -> str:
    """Write the button that uploads, with its menu of other ways to come by a file."""
    create = attribute(call.links.to("onlyoffice/create"))
    entry = (
        f'<li><a class="dropdown-item" href="#" data-action-url="{create}" data-action-click="ui.modal.load" '
        'data-modal-id="onlyoffice-modal" data-modal-close="" data-action-process="file-handler">Create file '
        "<small>(Text, Spreadsheet, Presentation, PDF form)</small></a></li>"
    )
    button = fill("upload_button", id=target, look=look, label=label or "…", attributes=attributes)
    return fill(
        "upload_menu",
        button=button,
        look=look,
        group=group,
        side=f" dropdown-menu-{side}" if side else "",
        create=entry if call.hub.settings.onlyoffice else "",
        beside=beside,
    )


def rich_menu(call: Call, target: str) -> str:
    """Write the hidden menu of a rich text editor, which looks like its form's own."""
    return upload_menu(call, target, "", ' data-upload-hide-in-stream="1"', group=" d-none")


# Files


def file_buttons(call: Call, file: HumHubFile) -> list[str]:
    """Give what a file is opened with, in HumHub's order: what shows it, its download, what changes it."""
    buttons = [_handler_button(label, url, editor=editor) for label, url, editor in infos.handlers(call, file)]
    url = call.links.to("file/file/download", download=0, guid=file.guid, hash_sha1=file.sha1[:8])
    download = (
        f'<a class="btn btn-light" href="{attribute(url)}" data-pjax-prevent {infos.download_attributes(call, file)} '
        f'target="_blank" data-action-process="file-handler">{say("Download")}</a>'
    )
    return [*buttons[:1], download, *buttons[1:]]


def _handler_button(label: str, url: str, *, editor: bool) -> str:
    modal_id = "onlyoffice-modal" if editor else "globalModal"
    return (
        f'<a class="btn btn-light" href="#" data-action-url="{attribute(url)}" data-action-click="ui.modal.load" '
        f'data-modal-id="{modal_id}" data-modal-close="" data-action-process="file-handler">{label}</a>'
    )


# Modals


def in_space(call: Call) -> str:
    """Tell the page's scripts, in a fragment, which space it is about."""
    guid = call.hub.space.guid
    return f'<script{call.nonce_attribute()}>humhub.config.set({{"content.container":{{"guid":"{guid}"}}}})</script>'


def modal(title: str, body: str, foot: str, *, scripts: str = "", size: str = "", close: str = "") -> str:
    content = fill("modal_parts", title=title, body=body, footer=foot, close_attributes=close)
    return frame(content, scripts=scripts, size=size)


def frame(content: str, *, scripts: str = "", size: str = "") -> str:
    return fill("modal", id=widget_id(), content=content, scripts=scripts, size=size)


def footer(attributes: str = ' data-modal-close=""') -> str:
    close = say("Close")
    return f'<div class="modal-footer"><button type="button" class="btn btn-light"{attributes}>{close}</button></div>'


def module_script(call: Call) -> str:
    return f'<script src="{call.links.module_asset("humhub.onlyoffice.js")}?v=1"{call.nonce_attribute()}></script>\n'


def file_view(call: Call, file: HumHubFile) -> str:
    owner = call.hub.user(file.owner)
    buttons = " ".join(f'<div class="btn-group">{button}</div>' for button in file_buttons(call, file))
    body = (
        f"<h3>{attribute(file.name)}</h3><p>{say('Size')}: {short_size(file.size)}<br>"
        f"{say('Created by')}: {attribute(owner.name) if owner else ''}</p><div>{buttons}</div>"
    )
    return modal(say("<strong>Open</strong> file"), body, footer())


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
