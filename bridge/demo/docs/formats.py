"""Formats: what the small Docs can open, edit, read as text and convert, with the numbers that Docs uses for them."""

from __future__ import annotations

import csv
import html
import io
import re
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lxml import etree

from bridge.demo.docs import ooxml, pdf

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = {"docx": "word", "xlsx": "cell", "pptx": "slide"}

CODES = {
    "docx": 65, "doc": 66, "odt": 67, "rtf": 68, "txt": 69, "html": 70,
    "pptx": 129, "ppt": 130, "odp": 131,
    "xlsx": 257, "xls": 258, "ods": 259, "csv": 260,
    "pdf": 513, "jpg": 1025, "png": 1029, "ooxml": 2055, "odf": 2056,
}  # fmt: skip

TYPES = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "csv": "text/csv",
    "html": "text/html",
    "zip": "application/zip",
    "png": "image/png",
    "jpg": "image/jpeg",
    "json": "application/json",
    "bin": "application/octet-stream",
}

_ODF_FAMILY = {"odt": "docx", "ods": "xlsx", "odp": "pptx"}
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
_TAG = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_MAX_REPEAT = 64


class CantConvertError(ValueError):
    """This conversion is beyond the small Docs."""


@dataclass(frozen=True, slots=True)
class Source:
    """A document by what it really is: an OOXML kind with its bytes, or a text."""

    kind: str
    data: bytes
    text: str = ""


def sniff(data: bytes, filetype: str) -> Source:
    """Find out what a document is; what is neither OOXML nor ODF nor PDF is a text, as the real converter has it.

    An empty body is a blank document.
    """
    if not data:
        data = ooxml.blank(filetype if filetype in KINDS else "docx")
    if data.startswith(b"%PDF"):
        return Source("pdf", data)
    if data.startswith(b"PK\x03\x04"):
        return _sniff_zip(data)
    text = data.decode("utf-8-sig", errors="replace")
    if re.match(r"\s*<(!doctype html|html)\b", text, re.IGNORECASE):
        text = _plain(text)
    return Source("csv" if filetype == "csv" else "text", data, text)


def _plain(page: str) -> str:
    lines = (line.strip() for line in html.unescape(_TAG.sub("\n", page)).splitlines())
    return "\n".join(line for line in lines if line)


def _sniff_zip(data: bytes) -> Source:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            odf = archive.read("mimetype").decode(errors="replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise ooxml.CorruptError(f"a broken archive: {error}") from error
    for kind, folder in (("word", "word/"), ("cell", "xl/"), ("slide", "ppt/")):
        if any(name.startswith(folder) for name in names):
            return Source(kind, data)
    for filetype, mime in TYPES.items():
        if filetype in _ODF_FAMILY and odf.strip() == mime:
            return Source(filetype, data)
    raise ooxml.CorruptError("an archive, but no document")


def text_of(source: Source) -> str:
    """Return a document's text."""
    reader = _TEXTS.get(source.kind)
    return source.text if reader is None else reader(source)


_TEXTS: dict[str, Callable[[Source], str]] = {
    "word": lambda source: "\n".join(block.text for block in ooxml.read(source.data, "word").blocks),
    "slide": lambda source: "\n".join(block.text for block in ooxml.read(source.data, "slide").blocks),
    "cell": lambda source: as_csv(table_of(source)),
    "ods": lambda source: as_csv(table_of(source)),
    "odt": lambda source: "\n".join(_odf_lines(_odf_body(source.data))),
    "odp": lambda source: "\n\n".join("\n".join(lines) for lines in slides_of(source)),
    "pdf": lambda source: _form_text(source.data) or pdf.text(source.data),
}


def _form_text(data: bytes) -> str:
    form = pdf.form(data)
    return "" if form is None else "\n".join(block.text for block in ooxml.read(form, "word").blocks)


def as_csv(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def table_of(source: Source) -> list[list[str]]:
    """Return the first sheet of a table document."""
    if source.kind == "csv":
        return list(csv.reader(io.StringIO(source.text)))
    if source.kind == "cell":
        return _sheet(ooxml.read(source.data, "cell"))
    rows = []
    sheet = _odf_body(source.data).find(f".//{_TABLE}table")
    for row in sheet.iter(f"{_TABLE}table-row") if sheet is not None else ():
        cells: list[str] = []
        for cell in row.iter(f"{_TABLE}table-cell"):
            repeated = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
            cells += ["\n".join(_odf_lines(cell))] * min(repeated, _MAX_REPEAT)
        while cells and not cells[-1]:
            cells.pop()
        rows.append(cells)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _sheet(opened: ooxml.Opened) -> list[list[str]]:
    texts = {block.id: block.text for block in opened.blocks}
    columns, count = opened.parts[0]["columns"], opened.parts[0]["rows"]
    rows = [[texts.get(f"0!{column}{row}", "") for column in columns] for row in range(1, count + 1)]
    for row in rows:
        while row and not row[-1]:
            row.pop()
    while rows and not rows[-1]:
        rows.pop()
    return rows


def slides_of(source: Source) -> list[list[str]]:
    """Return the lines of each slide."""
    return [list(_odf_lines(page)) for page in _odf_body(source.data).iter(f"{_DRAW}page")]


def _odf_body(data: bytes) -> etree._Element:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return etree.fromstring(archive.read("content.xml"), etree.XMLParser(resolve_entities=False))
    except (zipfile.BadZipFile, KeyError, etree.XMLSyntaxError) as error:
        raise ooxml.CorruptError(f"no OpenDocument file: {error}") from error


def _odf_lines(element: etree._Element) -> list[str]:
    return ["".join(str(t) for t in p.itertext()) for p in element.iter(f"{_TEXT}p", f"{_TEXT}h")]


def written(data: bytes, kind: str, texts: dict[str, str], order: list[str]) -> bytes:
    """Return a document, or a form, with its blocks as they are now."""
    form = pdf.form(data)
    if form is None:
        return ooxml.written(data, kind, texts, order)
    return pdf.make_form(ooxml.written(form, kind, texts, order), "\n".join(texts[block] for block in order))


def convert(source: Source, target: str) -> bytes:
    """Convert a document; raise CantConvertError where that is beyond the small Docs."""
    if KINDS.get(target, target) == source.kind:
        return source.data
    for kinds, way in _WAYS.get(target, ()):
        if not kinds or source.kind in kinds:
            return way(source)
    raise CantConvertError(f"{source.kind} to {target}")


# The ways to each target, with the kinds that each is for; none named: all.
_WAYS: dict[str, tuple[tuple[frozenset[str], Callable[[Source], bytes]], ...]] = {
    "txt": ((frozenset(), lambda source: text_of(source).encode("utf-8-sig")),),
    "pdf": ((frozenset(), lambda source: pdf.make(text_of(source))),),
    "csv": ((frozenset({"cell", "ods"}), lambda source: as_csv(table_of(source)).encode()),),
    "docx": ((frozenset({"odt", "text", "csv"}), lambda source: ooxml.from_text(text_of(source))),),
    "xlsx": ((frozenset({"ods", "csv"}), lambda source: ooxml.from_table(table_of(source))),),
    "pptx": ((frozenset({"odp"}), lambda source: ooxml.from_slides(slides_of(source))),),
}


def ooxml_target(filetype: str) -> str:
    """Say what `ooxml` means as a target for a document of this type."""
    if filetype in {"xls", "ods", "csv", "xlsx"}:
        return "xlsx"
    return "pptx" if filetype in {"ppt", "odp", "pptx"} else "docx"
