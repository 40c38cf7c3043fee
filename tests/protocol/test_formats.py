from __future__ import annotations

import pytest

from bridge.protocol.formats import all_formats, by_name

OFFICE_OPEN_XML = {"word": "docx", "cell": "xlsx", "slide": "pptx"}


@pytest.mark.parametrize("name", ["docx", "xlsx", "pptx", "docxf", "oform"])
def test_what_is_promised_to_be_edited_is(name: str) -> None:
    found = by_name(name)
    assert found is not None
    assert found.can("edit")
    assert found.can("view")


@pytest.mark.parametrize("name", ["odt", "ods", "odp", "doc", "xls", "ppt", "txt", "pdf"])
def test_what_is_promised_to_be_viewed_is(name: str) -> None:
    found = by_name(name)
    assert found is not None
    assert found.can("view")


@pytest.mark.parametrize("name", ["odt", "ods", "odp", "doc", "xls", "ppt", "txt", "csv"])
def test_what_is_promised_to_be_converted_becomes_office_open_xml(name: str) -> None:
    found = by_name(name)
    assert found is not None
    assert found.can("convert")
    assert OFFICE_OPEN_XML[found.type] in found.convert


@pytest.mark.parametrize(
    ("name", "type_", "mime"),
    [
        ("docx", "word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("csv", "cell", "text/csv"),
        ("odp", "slide", "application/vnd.oasis.opendocument.presentation"),
        ("pdf", "pdf", "application/pdf"),
        ("vsdx", "diagram", "application/vnd.ms-visio.drawing"),
        ("wpt", "word", "application/octet-stream"),
    ],
)
def test_a_format_has_its_type_and_mime(name: str, type_: str, mime: str) -> None:
    found = by_name(name)
    assert found is not None
    assert (found.type, found.mime) == (type_, mime)


def test_an_extension_is_found_in_any_spelling() -> None:
    assert by_name(".DOCX") is by_name("docx")


@pytest.mark.parametrize("name", ["", ".", "exe", "docx.exe", "png"])
def test_an_unknown_extension_has_no_format(name: str) -> None:
    assert by_name(name) is None


def test_formats_are_unique_and_none_converts_to_itself() -> None:
    names = [found.name for found in all_formats()]
    assert len(names) == len(set(names)) == 75
    assert [found.name for found in all_formats() if found.name in found.convert] == []


def test_exceptions_from_the_usual_targets_hold() -> None:
    odd = {name: found.convert for name in ("oform", "gdoc", "htm", "xml") if (found := by_name(name))}
    assert odd["oform"] == ("pdf",)
    assert odd["gdoc"] == ()
    assert "html" not in odd["htm"]
    assert {"docx", "xlsx"} <= set(odd["xml"])
