"""What of HumHub's pages a script from elsewhere holds on to: elements with their attributes, and what they lie in.

Of a page only these are kept, in order, so that a recorded page and the small HumHub's can be compared.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

VOID = {"input", "meta", "link", "img", "br", "hr"}
# Attributes that hooks are made of, by how their names begin.
ATTRIBUTES = re.compile(
    r"data-(cfiles-|file-|preview-guid|upload-|reload-file-list-url|import-url|delete-url|content-key|stream$|"
    r"action-process|action-params)"
)
WIDGETS = re.compile(r"^(file|cfiles)\.|stream\.(StreamEntry|wall\.WallStream)$|post\.Post$|comment\.Form$")
IDS = re.compile(
    r"^(cfiles-\w+|cfilesUploadFiles|fileList|bs-table|contentForm\w*|contentForm_message-file-upload|post_upload_\d+|"
    r"post_edit_\d+|post_input_\d+-file-upload|comment_create_upload_\w+|newCommentForm_\w+-file-upload|"
    r"comments_area_\w+|comment_\d+|wall_content_\w+|post-content-\d+|file-file_name|version_file_\d+|layout-content)$"
)
NAMES = re.compile(r"^(File\[file_name\]|File\[description\]|Post\[message\]|Comment\[message\]|files\[\])$")
ADDRESS = re.compile(r"post/post/|onlyoffice/|cfiles/edit/file")
WANTED = (
    ("data-ui-widget", WIDGETS),
    ("id", IDS),
    ("name", NAMES),
    ("data-action-url", ADDRESS),
    ("data-action-click-url", ADDRESS),
    ("href", re.compile(r"variant=|cfiles/version")),
    ("src", re.compile(r"^http.*\.js")),
)
INSIDE = {
    "btn-group": ".btn-group",
    "dropdown-menu": ".dropdown-menu",
    "wall-entry": ".wall-entry",
    "post-file-list": ".post-file-list",
    "comment_create": ".comment_create",
}
HOLDERS = {"layout-content", "cfiles-form", "cfiles-folderView", "fileList", "contentFormBody"}
# The small HumHub has no ZIP files, pictures of spaces, activities or rich text, and progress bars of its own.
LEFT_OUT = re.compile(
    r"cfilesUploadZipFile|_progress(_|$)|contentForm_message$|space/manage/image|/activity|^#h\d+w\d+$"
)
DEMO = "what the small HumHub adds of its own"
LOOKED_AT = ("id", "data-action-target", "data-upload-url", "data-stream")


class Hooks(HTMLParser):
    """Collects the hooks of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[Any]] = []
        self._open: list[tuple[str, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        kept = _kept(tag, values)
        if kept and DEMO not in (mark for _, marks in self._open for mark in marks):
            self.found.append([tag, kept, [mark for _, marks in self._open for mark in marks]])
        if tag not in VOID:
            self._open.append((tag, _marks(values)))

    def handle_endtag(self, tag: str) -> None:
        if any(tag == opened for opened, _ in self._open):
            while self._open.pop()[0] != tag:
                pass


def _kept(tag: str, values: dict[str, str]) -> dict[str, Any]:
    if any(LEFT_OUT.search(values.get(name, "")) for name in LOOKED_AT):
        return {}
    kept: dict[str, Any] = {name: value for name, value in values.items() if ATTRIBUTES.match(name)}
    kept |= {name: values[name] for name, wanted in WANTED if name in values and wanted.search(values[name])}
    if values.get("data-action-click", "").startswith("file."):
        kept |= _of(values, "data-action-click", "data-action-target")
    if kept.keys() & {"data-content-key", "data-upload-url"}:
        kept |= _of(values, "data-fid", "data-content-container-id")
    if values.get("data-ui-widget") == "file.Preview" and "data-ui-init" in values:
        kept["data-ui-init"] = json.loads(values["data-ui-init"] or "[]")
    if "data-file-download" in values or "/file/view" in values.get("href", ""):
        kept |= _of(values, "href", "target", "data-bs-target", "data-pjax-prevent")
    if tag == "html" or (tag == "meta" and values.get("name", "").startswith("csrf-")):
        kept |= _of(values, "lang", "name")
    return kept


def _of(values: dict[str, str], *names: str) -> dict[str, str]:
    return {name: values[name].strip() for name in names if name in values}


def _marks(values: dict[str, str]) -> list[str]:
    if "data-demo" in values:
        return [DEMO]
    classes = values.get("class", "").split()
    marks = [INSIDE[name] for name in classes if name in INSIDE]
    if marks == [".btn-group"] and "d-none" in classes:
        marks = [".btn-group.d-none"]
    return [*marks, f"#{values['id']}"] if values.get("id") in HOLDERS else marks


def hooks(text: str) -> dict[str, Any]:
    """Give the hooks of a page or a fragment, and what its configuration says of the user and the space."""
    parser = Hooks()
    parser.feed(text)
    parser.close()
    found: dict[str, Any] = {"hooks": parser.found}
    for name in ("user", "content.container"):
        told = re.search(rf'"{re.escape(name)}":(\{{[^}}]*\}})', text)
        if told and "humhub.config.set" in text:
            found[name] = json.loads(told[1])
    return found
