"""What the menus offer: by format, in the user's language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bridge.connector
from bridge.connector.menu import menu, offers, targets
from bridge.protocol.formats import all_formats, by_name

SCRIPT = Path(bridge.connector.__file__).parent / "static/menu.js"


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("docx", ("edit", "view")),
        ("xlsx", ("edit", "view")),
        ("pptx", ("edit", "view")),
        ("docxf", ("edit", "view")),
        ("oform", ("edit", "view")),
        ("pdf", ("fill", "edit", "view")),
        ("odt", ("view", "convert")),
        ("ods", ("view", "convert")),
        ("odp", ("view", "convert")),
        ("doc", ("view", "convert")),
        ("xls", ("view", "convert")),
        ("ppt", ("view", "convert")),
        ("txt", ("view", "convert")),
        ("csv", ("view", "convert")),
        ("djvu", ("view",)),
        ("vsdx", ("view",)),
    ],
)
def test_a_format_offers_what_can_be_done_with_it(name: str, offered: tuple[str, ...]) -> None:
    found = by_name(name)
    assert found is not None
    assert offers(found) == offered


@pytest.mark.parametrize(
    ("name", "to"),
    [("odt", ("docx",)), ("csv", ("xlsx",)), ("ppt", ("pptx",)), ("xml", ("docx", "xlsx")), ("docx", ()), ("djvu", ())],
)
def test_a_format_is_converted_to_office_open_xml(name: str, to: tuple[str, ...]) -> None:
    found = by_name(name)
    assert found is not None
    assert targets(found) == to


def test_a_lossy_format_is_edited_where_the_admin_allows_it() -> None:
    formats = menu("en", lossy=["odt", "csv", "djvu"])["formats"]
    assert formats["odt"] == ("edit", "view", "convert")
    assert formats["csv"] == ("edit", "view", "convert")
    assert formats["ods"] == ("view", "convert")
    assert formats["djvu"] == ("view",)


def test_every_format_has_a_main_entry() -> None:
    assert all(offers(found) for found in all_formats())


def test_the_kinds_are_named_in_the_users_language() -> None:
    said = menu("de-DE")
    assert said["lang"] == "de"
    assert said["words"]["createDocument"] == "Dokument erstellen"
    assert [(kind["kind"], kind["label"]) for kind in said["kinds"]] == [
        ("docx", "Dokument"),
        ("xlsx", "Tabelle"),
        ("pptx", "Präsentation"),
        ("pdf", "PDF-Formular"),
    ]
    assert menu("fr")["words"]["edit"] == "Edit document"


def test_the_script_is_given_the_words_that_it_says_and_no_others() -> None:
    actions = {"create", "edit", "view", "fill", "convert"}
    named = set(re.findall(r"\bwords(?:\?)?\.(\w+)", SCRIPT.read_text("utf-8")))
    assert named | actions == set(menu("en")["words"])
