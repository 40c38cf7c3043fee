"""Posts as streams show them: their files, their comments, and the forms that write all of these.

The list of a post's files is data: HumHub's script makes the items of it, and so does this one's.
"""

from __future__ import annotations

import time
from typing import Any

from bridge.demo.humhub import infos, panels, preview
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.formats import NEW_DOCUMENTS
from bridge.demo.humhub.markup import attribute, fill, json_attribute
from bridge.demo.humhub.people import may_edit
from bridge.demo.humhub.posts import COMMENT_MODEL, POST_MODEL, Comment, Post
from bridge.demo.humhub.words import say

BACKSLASH = "\\"


def post_form(call: Call) -> str:
    target = "contentFormFiles"
    return fill(
        "post_form",
        action=attribute(call.links.in_space("")),
        submit=attribute(call.links.in_space("post/post/post")),
        csrf=call.csrf_token(),
        space=call.hub.space.guid,
        rich=panels.rich_menu(call, "contentForm_message-file-upload"),
        menu=panels.upload_menu(
            call,
            target,
            f"<span>{say('Attach Files')}</span>",
            _upload_attributes(target, zone="#contentFormBody"),
            beside=_kinds(call),
        ),
        preview=_preview(f"{target}_preview", editing=True),
    )


def _kinds(call: Call) -> str:
    """Offer new documents beside HumHub's own menu, where the module is there: a shortcut of this small HumHub's."""
    if not call.hub.settings.onlyoffice:
        return ""
    entries = (
        f'<li><a class="dropdown-item create-{extension}" href="#" data-action-click="ui.modal.load" '
        f'data-modal-id="onlyoffice-modal" data-action-url="{attribute(panels.create_url(call, extension))}" '
        f'data-action-process="file-handler">{label}</a></li>'
        for extension, label in NEW_DOCUMENTS.items()
    )
    return fill("kinds", kinds="".join(entries))


def _upload_attributes(target: str, *, zone: str) -> str:
    progress = target.replace("_upload_", "_upload_progress_") if "_upload_" in target else f"{target}_progress"
    shown = target.replace("_upload_", "_upload_preview_") if "_upload_" in target else f"{target}_preview"
    return (
        f' data-upload-progress="#{progress}" data-upload-preview="#{shown}" data-upload-drop-zone="{zone}"'
        ' data-max-number-of-files="50"'
    )


# A post


def post(call: Call, entry: Post, *, context: str = "") -> str:
    author = call.hub.user(entry.author)
    name = author.name if author else entry.author
    edit = attribute(call.links.in_space("post/post/edit", id=entry.number))
    return fill(
        "post",
        id=panels.widget_id(),
        number=str(entry.number),
        container=str(call.hub.space.container),
        content=str(entry.content),
        context=context,
        initials=attribute(panels.initials(name)),
        author=attribute(name),
        href=attribute(call.links.in_space("post/post/view", id=entry.number)),
        menu=fill("post_menu", url=edit) if may_edit(call.user, entry.author) else "",
        text=attribute(entry.text).replace("\n", "<br>"),
        files=_file_list(call, _files(call, entry.guids)),
        comments="".join(comment(call, one) for one in entry.comments),
        comment_form=_comment_form(call, POST_MODEL, entry.number),
        **_moment(entry.created),
    )


def _moment(at: float) -> dict[str, str]:
    moment = time.gmtime(at)
    return {
        "iso": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", moment),
        "when": time.strftime("%b %d, %Y - %H:%M", moment),
    }


def _files(call: Call, guids: list[str]) -> list[HumHubFile]:
    return [call.hub.files[guid] for guid in guids if guid in call.hub.files]


def _file_list(call: Call, files: list[HumHubFile]) -> str:
    return _preview(panels.widget_id(), _rows(call, files)) + "".join(_extra(call, file) for file in files)


def _rows(call: Call, files: list[HumHubFile]) -> list[dict[str, Any]]:
    return [{**infos.infos(call, file), "highlight": False} for file in files]


def _preview(identity: str, rows: list[dict[str, Any]] | None = None, *, editing: bool = False) -> str:
    own = ' data-file-edit data-exclude-media-files-preview="0"' if editing else ' data-exclude-media-files-preview="1"'
    shown = "" if rows is None else " " + json_attribute("data-ui-init", rows)
    return fill("preview", id=identity, attributes=own + shown)


def _extra(call: Call, file: HumHubFile) -> str:
    """Write what this small HumHub shows beside a file, for its script to put there: entries, and the stored text."""
    return fill(
        "file_extra",
        guid=file.guid,
        actions=" ".join(panels.file_buttons(call, file)) if call.hub.settings.onlyoffice else "",
        preview=attribute(call.links.to("demo/preview", guid=file.guid)),
        version=str(file.version),
        text=attribute(preview.text_of(file)),
    )


def edit_post(call: Call, entry: Post) -> str:
    target = f"post_upload_{entry.number}"
    return panels.in_space(call) + fill(
        "post_edit",
        number=str(entry.number),
        url=attribute(call.links.in_space("post/post/edit", id=entry.number)),
        csrf=call.csrf_token(),
        text=attribute(entry.text),
        rich=panels.rich_menu(call, f"post_input_{entry.number}-file-upload"),
        menu=panels.upload_menu(
            call,
            target,
            say("Attach Files"),
            _upload_attributes(target, zone=f"#post_edit_{entry.number}:parent"),
            side="end",
        ),
        preview=_preview(f"post_upload_preview_{entry.number}", _rows(call, _files(call, entry.guids)), editing=True),
    )


# Comments


def comment(call: Call, one: Comment) -> str:
    author = call.hub.user(one.author)
    return fill(
        "comment",
        number=str(one.number),
        author=attribute(author.name if author else one.author),
        text=attribute(one.text).replace("\n", "<br>"),
        files=_file_list(call, _files(call, one.guids)) if one.guids else "",
        replies=_comment_form(call, COMMENT_MODEL, one.number),
        **_moment(one.created),
    )


def _comment_form(call: Call, model: str, number: int) -> str:
    """Write the form for comments at a post, or at another comment."""
    key = f"{model.replace(BACKSLASH, '')}_{number}"
    target = f"comment_create_upload_{key}"
    return fill(
        "comment_form",
        key=key,
        model=model,
        number=str(number),
        action=attribute(call.links.to("comment/comment/post")),
        csrf=call.csrf_token(),
        rich=panels.rich_menu(call, f"newCommentForm_{key}-file-upload"),
        menu=panels.upload_menu(
            call,
            target,
            say("Attach Files"),
            _upload_attributes(target, zone=f"#comment_create_form_{key}"),
            side="end",
        ),
        preview=_preview(f"comment_create_upload_preview_{key}", editing=True),
    )
