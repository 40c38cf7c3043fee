"""What HumHub tells about a file: its JSON and the links that a file has."""

from __future__ import annotations

import time
from html import escape
from typing import Any

from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile, short_size
from bridge.demo.humhub.formats import FORMATS, icon_of, is_form


def infos(call: Call, file: HumHubFile, *, fresh: bool = False) -> dict[str, Any]:
    """Build HumHub's file information; read back from its database, a size is a string."""
    url = download_url(call, file)
    return {
        "name": file.name,
        "guid": file.guid,
        "size": file.size if fresh else str(file.size),
        "mimeType": file.mime,
        "mimeIcon": icon_of(file.extension),
        "size_format": short_size(file.size),
        "url": call.origin + url,
        "relUrl": url,
        "openLink": open_link(call, file),
        "thumbnailUrl": "",
    }


def download_url(call: Call, file: HumHubFile) -> str:
    return call.links.to("file/file/download", guid=file.guid, hash_sha1=file.sha1[:8])


def open_link(call: Call, file: HumHubFile, *, attributes: str = "") -> str:
    """Link to the view modal where the module handles the file, else to the file."""
    if call.hub.settings.onlyoffice and call.user is not None and file.extension in FORMATS:
        href = escape(call.links.to("file/view", guid=file.guid))
        return f'<a {attributes}href="{href}" data-bs-target="#globalModal">{php_escape(file.name)}</a>'
    return (
        f'<a {attributes}href="{escape(call.origin + download_url(call, file))}" target="_blank" data-pjax-prevent '
        f"{download_attributes(call, file)}>{php_escape(file.name)}</a>"
    )


def download_attributes(call: Call, file: HumHubFile) -> str:
    url = call.links.to("file/file/download", download=1, guid=file.guid, hash_sha1=file.sha1[:8])
    return (
        f'data-file-download data-file-url="{escape(call.origin + url)}" data-file-name="{php_escape(file.name)}" '
        f'data-file-mime="{escape(file.mime)}"'
    )


def handlers(call: Call, file: HumHubFile) -> list[tuple[str, str, bool]]:
    """List the module's entries for a file: label, URL, and whether it opens the editor."""
    found = FORMATS.get(file.extension)
    if found is None or call.user is None or not call.hub.settings.onlyoffice:
        return []
    entries = []
    form = file.extension == "pdf" and is_form(file.head())
    if form:
        fill = call.links.to("onlyoffice/open", guid=file.guid, mode="edit", restrict="fill")
        entries.append(("Fill in form in ONLYOFFICE", fill, True))
    else:
        entries.append(("View document", call.links.to("onlyoffice/open", guid=file.guid, mode="view"), True))
    call.file = file
    if call.can_write():
        if found.edit or form:
            entries.append(("Edit document", call.links.to("onlyoffice/open", guid=file.guid, mode="edit"), True))
        if found.convert:
            entries.append(("Convert document", call.links.to("onlyoffice/convert", guid=file.guid), False))
    return entries


def php_escape(text: str) -> str:
    """Encode as PHP does: a single quote is &#039;."""
    return escape(text, quote=True).replace("&#x27;", "&#039;")


def short_date(at: float) -> str:
    """Write a moment as HumHub does in American English, in UTC."""
    moment = time.gmtime(at)
    hour, half = moment.tm_hour % 12 or 12, "AM" if moment.tm_hour < 12 else "PM"
    return f"{moment.tm_mon}/{moment.tm_mday}/{moment.tm_year % 100:02}, {hour}:{moment.tm_min:02} {half}"
