"""Documents: their blocks are read, edited ones end up in real files; conversions between them."""

from __future__ import annotations

import io

import docx
import openpyxl
import pptx
import pypdf
import pytest

from bridge.demo.docs import formats, ooxml, pdf
from tests.demo.docs.storing import odt, opendocument, sample_files

ODS = """<table:table><table:table-row>
<table:table-cell table:number-columns-repeated="2"><text:p>a</text:p></table:table-cell>
<table:table-cell><text:p>1</text:p></table:table-cell><table:table-cell table:number-columns-repeated="900"/>
</table:table-row><table:table-row><table:table-cell><text:p>b</text:p></table:table-cell></table:table-row>
<table:table-row><table:table-cell/></table:table-row></table:table>"""
ODP = """<draw:page><text:p>One</text:p><text:p>text</text:p></draw:page><draw:page><text:p>Two</text:p></draw:page>"""


def texts(opened: ooxml.Opened) -> dict[str, str]:
    return {block.id: block.text for block in opened.blocks}


def test_a_docx_keeps_what_is_not_edited() -> None:
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_paragraph("bold ").add_run("run").bold = True
    document.add_table(1, 1).cell(0, 0).text = "in a table"
    document.add_paragraph("last")
    out = io.BytesIO()
    document.save(out)
    opened = ooxml.read(out.getvalue(), "word")
    assert texts(opened) == {"p0": "Title", "p1": "bold run", "p2": "last"}
    data = ooxml.written(out.getvalue(), "word", {"p0": "Title!", "n": "new", "p2": "last"}, ["p0", "n", "p2"])
    made = docx.Document(io.BytesIO(data))
    assert [paragraph.text for paragraph in made.paragraphs] == ["Title!", "new", "last"]
    style = made.paragraphs[0].style
    assert style is not None
    assert style.name == "Heading 1"
    assert made.tables[0].cell(0, 0).text == "in a table"


def test_an_xlsx_gets_numbers_formulas_and_texts() -> None:
    data = sample_files()["/file/base.xlsx"]
    assert texts(ooxml.read(data, "cell")) == {"0!A1": "a", "0!B1": "1", "0!A2": "b", "0!B2": "2"}
    cells = {"0!A1": "", "0!B1": "1.5", "0!A2": "b", "0!C9": "=SUM(B1:B2)", "0!D1": "007"}
    sheet = openpyxl.load_workbook(io.BytesIO(ooxml.written(data, "cell", cells, []))).worksheets[0]
    assert [sheet[name].value for name in ("A1", "B1", "A2", "C9", "D1")] == [None, 1.5, "b", "=SUM(B1:B2)", "007"]


def test_a_form_is_a_pdf_that_holds_the_docx_which_is_edited() -> None:
    form = pdf.make_form(ooxml.from_text("Name:"), "Name:")
    assert pdf.form(pdf.make("Name:")) is None
    inside = pdf.form(form)
    assert inside is not None
    assert texts(ooxml.read(inside, "word")) == {"p0": "Name:"}
    edited = formats.written(form, "word", {"p0": "Name: Ada", "n": "Größe: 1"}, ["p0", "n"])
    reader = pypdf.PdfReader(io.BytesIO(edited), strict=True)
    assert [page.extract_text().split("\n")[:2] for page in reader.pages] == [["Name: Ada", "Größe: 1"]]
    assert formats.text_of(formats.sniff(edited, "pdf")) == "Name: Ada\nGröße: 1"


def test_a_pptx_gets_its_texts() -> None:
    data = sample_files()["/file/base.pptx"]
    assert texts(ooxml.read(data, "slide")) == {"0/0/0": "Title", "0/1/0": "Text"}
    deck = pptx.Presentation(io.BytesIO(ooxml.written(data, "slide", {"0/0/0": "New", "0/1/0": "Text"}, [])))
    assert deck.slides[0].shapes.title.text == "New"


@pytest.mark.parametrize("filetype", ["docx", "xlsx", "pptx"])
def test_an_empty_body_is_a_blank_document(filetype: str) -> None:
    source = formats.sniff(b"", filetype)
    assert source.kind == formats.KINDS[filetype]
    ooxml.read(source.data, source.kind)


def test_letters_that_xml_cannot_hold_are_left_out() -> None:
    made = docx.Document(io.BytesIO(ooxml.from_text("a\x00b\ud800c😀")))
    assert made.paragraphs[0].text == "abc😀"


@pytest.mark.parametrize("data", [b"PK\x03\x04broken", b"PK\x03\x04" + b"\0" * 100])
def test_a_broken_archive_is_corrupt(data: bytes) -> None:
    with pytest.raises(ooxml.CorruptError):
        formats.sniff(data, "docx")


def test_a_login_page_is_read_as_its_text() -> None:
    page = b"<!DOCTYPE html><html><head><title>x</title></head><body><h1>Sign&nbsp;in</h1><p>now</p></body></html>"
    assert formats.sniff(page, "docx").text == "Sign\xa0in\nnow"


@pytest.mark.parametrize(
    ("source", "filetype", "target", "found"),
    [
        ("/file/base.docx", "docx", "txt", "First line\nSecond line"),
        ("/file/base.odt", "odt", "docx", "First line\nSecond line"),
        ("/file/base.txt", "txt", "docx", "plain"),
        ("/file/base.xlsx", "xlsx", "csv", "a,1\nb,2\n"),
        ("/file/base.pptx", "pptx", "txt", "Title\nText"),
        ("/file/base.docx", "docx", "pdf", "First line\nSecond line"),
        ("/file/base.odt", "odt", "pdf", "First line\nSecond line"),
    ],
)
def test_a_conversion_keeps_the_text(source: str, filetype: str, target: str, found: str) -> None:
    made = formats.convert(formats.sniff(sample_files()[source], filetype), target)
    assert formats.text_of(formats.sniff(made, target)) == found


def test_a_csv_becomes_a_table() -> None:
    made = formats.convert(formats.sniff(b'x,"y, z"\n1,2\n', "csv"), "xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(made)).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.rows] == [["x", "y, z"], [1, 2]]


def test_an_opendocument_table_and_slides_become_ooxml() -> None:
    table = formats.convert(formats.sniff(opendocument("spreadsheet", ODS), "ods"), "xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(table)).worksheets[0]
    assert [[cell.value for cell in row] for row in sheet.rows] == [["a", "a", 1], ["b", None, None]]
    deck = formats.convert(formats.sniff(opendocument("presentation", ODP), "odp"), "pptx")
    assert texts(ooxml.read(deck, "slide")) == {"0/0/0": "One", "0/1/0": "text", "1/0/0": "Two", "1/1/0": ""}


def test_what_is_beyond_the_small_docs_is_refused() -> None:
    with pytest.raises(formats.CantConvertError):
        formats.convert(formats.sniff(odt(), "odt"), "png")


def test_a_long_pdf_has_pages_and_a_sound_index() -> None:
    made = pdf.make("\n".join(f"line {number} (with) \\ signs" for number in range(120)))
    assert made.startswith(b"%PDF-1.4")
    assert made.count(b"/Type /Page ") == 3
    start = int(made.rsplit(b"startxref\n", 1)[1].split()[0])
    assert made[start : start + 4] == b"xref"
    for number, line in enumerate(made[start:].split(b"\n")[3:10], 1):
        assert made[int(line[:10]) :].startswith(b"%d 0 obj" % number)
    assert "line 119 (with) \\ signs" in pdf.text(made)
