"""What an editor is told about the document that it opens: the configuration of the ONLYOFFICE API, yet unsigned.

Every field is one of the API's documented ones (ONLYOFFICE API, "Config", "Document", "Permissions", "Editor",
"Customization"). What is documented as the default isn't said, but for what somebody could gain by its absence. The
official module says less and some other things; the tests list the differences, field by field, beside its recordings.

Three rules of the API shape the permissions:

- `fillForms` counts only where `edit`, `review` and `comment` are false, and needs the mode `edit`;
- a viewer with `permissions.edit` is offered the button *Edit current file*: it is the page that then opens it anew;
- the mode `view` and `permissions` stand in the token, so nobody gets more by changing them in the page.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from bridge.connector.storage import Visitor
from bridge.connector.tongues import tongue
from bridge.connector.words import msgid
from bridge.protocol.errors import BadRequestError
from bridge.protocol.formats import Format

__all__ = ["Chosen", "Device", "Mode", "Opened", "configuration", "device_for", "mode_for", "mode_of"]

_LONGEST: Final = 128  # of a title, a name and an id. Source: ONLYOFFICE API.

# The devices that the module sends the mobile editor to, as far as they can still be met: phones and tablets alike.
_HANDHELD: Final = re.compile(
    r"android|ip(hone|od|ad)|windows phone|iemobile|blackberry|bb10|playbook|kindle|silk|opera m(ob|in)i|fennec|mobile",
    re.IGNORECASE,
)


class Mode(enum.StrEnum):
    """What a document is opened for."""

    EDIT = "edit"
    FILL = "fill"
    VIEW = "view"


class Device(enum.StrEnum):
    """Which of the editors' looks is shown. Source: ONLYOFFICE API, config.type."""

    DESKTOP = "desktop"
    MOBILE = "mobile"
    EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The mode that a document is opened in; ``why`` says in English why it is less than was asked for, if it is."""

    mode: Mode
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A document as it is opened for somebody.

    ``url`` and ``callback_url`` are for Docs; ``back``, ``save_url`` and ``share_url`` for the browser, and empty where
    there is none. ``may_edit`` says of a viewer whether they may change to editing. ``framed`` is a page inside another
    one. ``is_form`` is only for a PDF, and None where that isn't known: the editors look then themselves.
    """

    key: str
    url: str
    callback_url: str
    title: str
    format: Format
    visitor: Visitor
    mode: Mode
    device: Device = Device.DESKTOP
    may_edit: bool = False
    framed: bool = False
    back: str = ""
    save_url: str = ""
    share_url: str = ""
    owner: str = ""
    folder: str = ""
    uploaded: str = ""
    is_form: bool | None = None


def mode_of(text: str) -> Mode:
    """Read a mode from a request.

    Raises:
        BadRequestError: it is none.
    """
    try:
        return Mode(text)
    except ValueError as error:
        known = ", ".join(Mode)
        raise BadRequestError(f"A document can't be opened for “{text[:20]}”: name one of {known}.") from error


def mode_for(format_: Format, wanted: Mode, *, may_write: bool, lossy: Collection[str] = ()) -> Chosen:
    """Decide for what a document is opened: never for more than was asked, the format allows, and the user may.

    ``lossy`` names the formats that are edited although something is lost when they are saved.
    """
    if wanted is Mode.VIEW:
        return Chosen(Mode.VIEW)
    if not may_write:
        return Chosen(Mode.VIEW, msgid("You may view this document, but not change it."))
    return _filling(format_) if wanted is Mode.FILL else _editing(format_, lossy)


def _filling(format_: Format) -> Chosen:
    if format_.can("fill"):
        return Chosen(Mode.FILL)
    return Chosen(Mode.VIEW, msgid("A document of this format has nothing to fill in."))


def _editing(format_: Format, lossy: Collection[str]) -> Chosen:
    if format_.can("edit") or (format_.can("lossy-edit") and format_.name in lossy):
        return Chosen(Mode.EDIT)
    if format_.can("convert"):
        return Chosen(Mode.VIEW, msgid("A document of this format is not edited as it is: convert it first."))
    return Chosen(Mode.VIEW, msgid("A document of this format can only be viewed."))


def device_for(user_agent: str, asked: str = "") -> Device:
    """Give the look for a browser; one that is asked for by name comes first.

    Raises:
        BadRequestError: there is no such look.
    """
    if asked:
        try:
            return Device(asked)
        except ValueError as error:
            known = ", ".join(Device)
            raise BadRequestError(f"There is no editor of the type “{asked[:20]}”: name one of {known}.") from error
    return Device.MOBILE if _HANDHELD.search(user_agent) else Device.DESKTOP


def configuration(opened: Opened, say: Callable[[str], str]) -> dict[str, Any]:
    """Write the configuration; ``say`` gives a sentence in the user's language.

    An embedded editor is a viewer, whatever it is opened for.
    """
    viewed = opened.mode is Mode.VIEW or opened.device is Device.EMBEDDED
    speech = tongue(opened.visitor.language)
    editor: dict[str, Any] = {
        "callbackUrl": opened.callback_url,
        "mode": "view" if viewed else "edit",
        "lang": speech.editor,
        "region": speech.proofing,
        "user": _user(opened.visitor),
        "customization": _customization(opened, say, viewed=viewed),
    }
    if opened.device is Device.EMBEDDED:
        links = {"saveUrl": opened.save_url, "shareUrl": opened.share_url}
        editor["embedded"] = {name: url for name, url in links.items() if url} | {"toolbarDocked": "top"}
    return {
        "type": opened.device.value,
        "documentType": opened.format.type,
        "document": _document(opened),
        "editorConfig": editor,
    }


def _document(opened: Opened) -> dict[str, Any]:
    info = {"owner": opened.owner, "folder": opened.folder, "uploaded": opened.uploaded}
    document: dict[str, Any] = {
        "fileType": opened.format.name,
        "key": opened.key,
        "title": _fitting(opened.title, opened.format.name),
        "url": opened.url,
        "info": {name: text for name, text in info.items() if text},
        "permissions": _permissions(opened),
    }
    if opened.format.name == "pdf" and opened.is_form is not None:
        document["isForm"] = opened.is_form
    return document


def _permissions(opened: Opened) -> dict[str, bool]:
    edits = opened.mode is Mode.EDIT or (opened.mode is Mode.VIEW and opened.may_edit)
    edits = edits and opened.device is not Device.EMBEDDED
    return {
        "edit": edits,
        "review": edits,
        "comment": edits,
        "protect": edits,
        "fillForms": opened.mode is Mode.FILL and opened.device is not Device.EMBEDDED,
        # Whoever reads a document has its file from HumHub anyway.
        "download": True,
        "print": True,
        "copy": True,
        "chat": True,
    }


def _user(visitor: Visitor) -> dict[str, str]:
    user = {"id": visitor.id[:_LONGEST], "name": visitor.name[:_LONGEST], "image": visitor.image}
    return {name: text for name, text in user.items() if text}


def _customization(opened: Opened, say: Callable[[str], str], *, viewed: bool) -> dict[str, Any]:
    custom: dict[str, Any] = {
        "close": {"visible": True, "text": say(msgid("Close"))},
        # The button *Save* stores in HumHub at once, not only when the last one has left.
        "forcesave": not viewed,
        # Nobody is asked for another name than their own, nor told of ONLYOFFICE's support instead of their admin's.
        "anonymous": {"request": False},
        "feedback": False,
    }
    if opened.back:
        # In a frame, the link opens a window of its own: it would bring HumHub into its own modal.
        custom["goback"] = {
            "url": opened.back,
            "text": say(msgid("Open file location")),
            "blank": opened.framed,
        }
    if opened.device is Device.MOBILE and not viewed:
        # Else a phone shows a viewer first, to somebody who chose to edit.
        custom["mobile"] = {"forceView": False}
    return custom


def _fitting(title: str, extension: str) -> str:
    """Shorten a title in its middle, so that it keeps its extension."""
    if len(title) <= _LONGEST:
        return title
    end = f"….{extension}"
    return title[: _LONGEST - len(end)] + end
