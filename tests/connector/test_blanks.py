"""Empty documents, as other people's libraries read them."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import docx
import openpyxl
import pptx
import pypdf
import pytest
from openxml_audit import AppPrediction, OpenXmlValidator, predict

from bridge.connector.blanks import KINDS, blank
from bridge.protocol.errors import BadRequestError

LANGUAGES = ("en-US", "en-GB", "de", "es-419", "ar", "he", "ja", "zh-TW", "")
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"

# language: (paper's width and height in points, proofing language, right to left)
PAPERS = {
    "en-US": (612, 792, "en-US", False),
    "en-GB": (595, 842, "en-GB", False),
    "de": (595, 842, "de-DE", False),
    "es-419": (612, 792, "es-MX", False),
    "ar": (595, 842, "ar-SA", True),
    "he": (595, 842, "he-IL", True),
}


def archive(data: bytes) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(data))


def xml(data: bytes, name: str) -> ET.Element:
    return ET.fromstring(archive(data).read(name))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_a_package_names_every_part_and_every_relation_leads_to_one(kind: str, language: str) -> None:
    data = blank(kind, language)
    names = set(archive(data).namelist())
    assert archive(data).namelist()[0] == "[Content_Types].xml"
    types = xml(data, "[Content_Types].xml")
    named = {part.get("PartName", "").removeprefix("/") for part in types if part.tag.endswith("Override")}
    relations = {name for name in names if name.endswith(".rels")}
    assert named == names - relations - {"[Content_Types].xml"}
    reached = set()
    for name in relations:
        folder = name.rpartition("_rels/")[0]
        for relation in xml(data, name):
            target = f"{folder}{relation.get('Target')}"
            while "/../" in target:
                target = re.sub(r"[^/]+/\.\./", "", target, count=1)
            reached.add(target)
    assert reached == named
    for name in names:
        ET.fromstring(archive(data).read(name))


@pytest.mark.parametrize("language", ["de", "es-419", "ar", "ja"])
@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_a_package_is_one_that_office_opens_as_it_is(kind: str, language: str, tmp_path: Path) -> None:
    file = tmp_path / f"new.{kind}"
    file.write_bytes(blank(kind, language))
    result = OpenXmlValidator().validate(file)
    assert (result.errors, result.warning_count) == ([], 0)
    assert predict(result).prediction is AppPrediction.OPENS_CLEAN


@pytest.mark.parametrize("kind", KINDS)
def test_a_blank_has_the_same_bytes_whenever_it_is_made(kind: str) -> None:
    assert blank(kind, "de") == blank(kind, "de-DE")
    assert blank(kind, "de") != blank(kind, "en")


@pytest.mark.parametrize("language", PAPERS)
def test_a_text_has_the_paper_and_the_spelling_of_its_region(language: str) -> None:
    width, height, proofing, rtl = PAPERS[language]
    text = docx.Document(io.BytesIO(blank("docx", language)))
    section = text.sections[0]
    assert section.page_width is not None
    assert section.page_height is not None
    assert (round(section.page_width.pt), round(section.page_height.pt)) == (width, height)
    assert [paragraph.text for paragraph in text.paragraphs] == [""]
    spelling = text.styles.element.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr/{W}lang")
    assert spelling.get(f"{W}bidi" if rtl else f"{W}val") == proofing
    assert (text.styles["Normal"].element.find(f"{W}pPr/{W}bidi") is not None) is rtl
    assert text.core_properties.language == proofing.replace("es-MX", "es-419")
    assert (text.core_properties.author, text.core_properties.last_modified_by) == ("", "")


def test_a_text_has_the_styles_that_people_look_for() -> None:
    text = docx.Document(io.BytesIO(blank("docx", "de")))
    for style in (*(f"Heading {level}" for level in range(1, 7)), "Title", "Subtitle", "List Paragraph", "Header"):
        text.add_paragraph("Text", style=style)
    text.add_table(2, 2, style="Table Grid")
    assert text.styles["Heading 1"].font.size.pt == 16


@pytest.mark.parametrize(("language", "eastern"), [("ja", "ja-JP"), ("zh-TW", "zh-TW"), ("ko", "ko-KR")])
def test_an_east_asian_text_has_a_font_and_a_spelling_for_its_letters(language: str, eastern: str) -> None:
    styles = xml(blank("docx", language), "word/styles.xml")
    spelling = styles.find(f".//{W}lang")
    assert spelling is not None
    assert (spelling.get(f"{W}val"), spelling.get(f"{W}eastAsia")) == ("en-US", eastern)
    theme = xml(blank("docx", language), "word/theme/theme1.xml")
    fonts = {font.get("typeface") for font in theme.iter(f"{A}ea")}
    assert len(fonts) == 1
    assert fonts != {""}


@pytest.mark.parametrize(
    ("language", "sheet", "paper", "rtl"),
    [("en-US", "Sheet1", 1, None), ("de", "Tabelle1", 9, None), ("fr", "Feuil1", 9, None), ("ar", "ورقة1", 9, True)],
)
def test_a_table_has_one_sheet_with_the_name_of_its_language(
    language: str, sheet: str, paper: int, rtl: bool | None
) -> None:
    book = openpyxl.load_workbook(io.BytesIO(blank("xlsx", language)))
    (only,) = book.worksheets
    assert only.title == sheet
    assert str(only.page_setup.paperSize) == str(paper)
    assert only.sheet_view.rightToLeft is rtl
    assert only["A1"].value is None
    assert only["A1"].font.name == "Arial"


@pytest.mark.parametrize(("language", "proofing"), [("de", "de-DE"), ("en", "en-US"), ("ar", "ar-SA")])
def test_a_presentation_begins_with_a_title_slide_in_its_language(language: str, proofing: str) -> None:
    data = blank("pptx", language)
    deck = pptx.Presentation(io.BytesIO(data))
    assert deck.slide_width / deck.slide_height == pytest.approx(16 / 9, rel=1e-4)
    (slide,) = deck.slides
    assert slide.slide_layout.name == "Title Slide"
    assert [shape.placeholder_format.type.name for shape in slide.placeholders] == ["CENTER_TITLE", "SUBTITLE"]
    assert {text.get("lang") for text in xml(data, "ppt/slides/slide1.xml").iter(f"{A}endParaRPr")} == {proofing}
    assert {text.get("lang") for text in xml(data, "ppt/presentation.xml").iter(f"{A}defRPr")} == {proofing, None}
    assert (xml(data, "ppt/presentation.xml").get("rtl") == "1") is (language == "ar")


def test_every_layout_of_a_presentation_takes_text() -> None:
    deck = pptx.Presentation(io.BytesIO(blank("pptx", "de")))
    kinds: dict[str, Any] = {}
    for layout in deck.slide_layouts:
        slide = deck.slides.add_slide(layout)
        kinds[layout.name] = len(slide.placeholders)
        for shape in slide.placeholders:
            shape.text = "Text"
            assert 0 <= shape.left <= shape.left + shape.width <= deck.slide_width
            assert 0 <= shape.top <= shape.top + shape.height <= deck.slide_height
    assert kinds == {
        "Title Slide": 2,
        "Title and Content": 2,
        "Section Header": 2,
        "Two Content": 3,
        "Title Only": 1,
        "Blank": 0,
    }
    saved = io.BytesIO()
    deck.save(saved)
    assert len(pptx.Presentation(saved).slides) == 7


def is_onlyoffice_form(head: bytes) -> bool:
    """Say what ONLYOFFICE says of a PDF, by its first 300 bytes.

    Source: ONLYOFFICE API, "Checking PDF forms": the comment's bytes, an object that begins the file, its mark before
    its stream, and numbers after the mark.
    """
    mark = rb"%\xcd\xca\xd2\xa9\r1 0 obj\n<<\n(?:(?!stream\r\n).)*ONLYOFFICEFORM...\S* \S* .*stream\r\n"
    return re.search(mark, head[:300], re.DOTALL) is not None


@pytest.mark.parametrize("language", PAPERS)
def test_a_pdf_form_is_one_to_onlyoffice_and_holds_the_text_that_it_edits(language: str) -> None:
    data = blank("pdf", language)
    assert is_onlyoffice_form(data)
    found = re.search(rb"/ID <(\w+)>\n/Length (\d+)\n/ONLYOFFICEFORM \[ (\d+) (\d+) \]\n", data)
    assert found is not None
    length, start, size = map(int, found.groups()[1:])
    inside = data[data.index(b"stream\r\n") + 8 :][:length]
    assert inside[start : start + size] == blank("docx", language)
    assert data.count(found.group(1)) == 3, "the object's ID is the trailer's"
    assert found.group(1).decode().lower() == hashlib.sha256(inside).hexdigest()[:32]


@pytest.mark.parametrize("language", PAPERS)
def test_a_pdf_form_is_one_page_to_any_other_reader(language: str) -> None:
    width, height, proofing, _ = PAPERS[language]
    reader = pypdf.PdfReader(io.BytesIO(blank("pdf", language)), strict=True)
    (page,) = reader.pages
    assert (page.mediabox.width, page.mediabox.height) == (width, height)
    assert page.extract_text() == ""
    root: Any = reader.root_object
    assert root["/Lang"] == proofing
    assert root["/AcroForm"]["/Fields"] == []
    assert reader.get_fields() == {}
    # Whoever writes it anew, as other programs do, gets a whole file.
    copy = io.BytesIO()
    pypdf.PdfWriter(clone_from=reader).write(copy)
    assert len(pypdf.PdfReader(copy, strict=True).pages) == 1


@pytest.mark.parametrize("kind", ["doc", "DOCX", "", "exe", "docx/../x", "x" * 500])
def test_another_kind_is_refused_and_the_kinds_are_named(kind: str) -> None:
    with pytest.raises(BadRequestError, match="docx, xlsx, pptx, pdf") as refused:
        blank(kind, "en")
    assert len(refused.value.message) < 120
