"""What the menus in HumHub's pages offer: the kinds that can be created, and what each format is opened for.

``static/menu.js`` asks for it once a page, as JSON; the same table decides what a request may do, so that the menu
never offers what is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from bridge.connector.words import msgid, words
from bridge.protocol.formats import Format, all_formats

__all__ = ["KINDS", "menu", "offers", "targets"]

KINDS: Final = {
    "docx": msgid("Document"),
    "xlsx": msgid("Spreadsheet"),
    "pptx": msgid("Presentation"),
    "pdf": msgid("PDF form"),
}
"""What can be created, by extension."""

_OFFICE_OPEN_XML: Final = ("docx", "xlsx", "pptx")

# By the names that menu.js has for them.
_WORDS: Final = {
    "createDocument": msgid("Create document"),
    "edit": msgid("Edit document"),
    "view": msgid("View document"),
    "fill": msgid("Fill in"),
    "convert": msgid("Convert"),
    "create": msgid("Create"),
    "cancel": msgid("Cancel"),
    "close": msgid("Close"),
    "dismiss": msgid("Dismiss"),
    "again": msgid("Try again"),
    "name": msgid("Name"),
    "saving": msgid("Saving…"),
    "to": msgid("Convert to"),
    "beside": msgid("Keep the original, and put the new file beside it"),
    "instead": msgid("Replace the original"),
    "converting": msgid("Converting…"),
    "converted": msgid("The new file is {name}."),
    "unsaved": msgid("The document is not stored yet: {reason} Nothing that was written is lost."),
    "unreachable": msgid("The server can't be reached. Try again in a moment."),
}


def menu(language: str, lossy: Collection[str] = ()) -> dict[str, Any]:
    """Say in the words of ``language`` what can be created, and what is offered for each format.

    ``lossy`` are the formats that are edited although something is lost when they are saved. The first that a format
    offers is what a click on it means.
    """
    say = words(language)
    return {
        "lang": say.language,
        "words": {name: say(sentence) for name, sentence in _WORDS.items()},
        "kinds": [{"kind": kind, "label": say(label)} for kind, label in KINDS.items()],
        "formats": {format_.name: offers(format_, lossy) for format_ in all_formats()},
        "targets": {format_.name: found for format_ in all_formats() if (found := targets(format_))},
    }


def offers(format_: Format, lossy: Collection[str] = ()) -> tuple[str, ...]:
    """Give what is offered for a format, of ``fill``, ``edit``, ``view`` and ``convert``, the most usual first."""
    edited = format_.can("edit") or (format_.can("lossy-edit") and format_.name in lossy)
    offered = {
        "fill": format_.can("fill"),
        "edit": edited,
        "view": format_.can("view"),
        "convert": bool(targets(format_)),
    }
    return tuple(action for action, possible in offered.items() if possible)


def targets(format_: Format) -> tuple[str, ...]:
    """Give the Office Open XML formats that a format is converted to: none if it is edited as it is."""
    return () if format_.can("edit") else tuple(name for name in _OFFICE_OPEN_XML if name in format_.convert)
