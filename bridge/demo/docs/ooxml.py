"""Real OOXML: a document's editable blocks are read out of it, and edited blocks end up in it again.

Blocks: `p3` a body paragraph of a docx, `0!B2` a cell of an xlsx, `0/2/1` a paragraph of a shape on a slide of a pptx.
Everything else in the file (styles, images, tables, macros' absence) stays as the library keeps it.
"""

from __future__ import annotations

import copy
import io
import re
from dataclasses import dataclass, field
from typing import Any

import docx
import openpyxl
import pptx
from openpyxl.utils import get_column_letter

MAX_ROWS, MAX_COLUMNS = 200, 26
MIN_ROWS, MIN_COLUMNS = 24, 10

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?")


class CorruptError(ValueError):
    """The bytes aren't a document of this kind."""


@dataclass(frozen=True, slots=True)
class Block:
    """One editable text, with how it is to be shown."""

    id: str
    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an editor gets to see of a document."""

    kind: str
    """word, cell, slide or text (read-only)."""
    blocks: tuple[Block, ...] = ()
    parts: tuple[dict[str, Any], ...] = ()
    """Sheets or slides."""
    extra: dict[str, Any] = field(default_factory=dict)


def blank(filetype: str) -> bytes:
    """Make an empty document."""
    out = io.BytesIO()
    match filetype:
        case "xlsx":
            openpyxl.Workbook().save(out)
        case "pptx":
            deck = pptx.Presentation()
            deck.slides.add_slide(deck.slide_layouts[0])
            deck.save(out)
        case _:
            document = docx.Document()
            document.add_paragraph("")
            document.save(out)
    return out.getvalue()


def from_text(text: str) -> bytes:
    """Make a docx that holds the lines of a text."""
    document = docx.Document()
    for line in text.splitlines() or [""]:
        document.add_paragraph(_printable(line))
    return _saved(document)


def from_table(rows: list[list[str]]) -> bytes:
    """Make an xlsx that holds a table."""
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        if sheet is not None:
            sheet.append([_value(cell) for cell in row])
    return _saved(book)


def from_slides(slides: list[list[str]]) -> bytes:
    """Make a pptx with a title and a text for each slide."""
    deck = pptx.Presentation()
    for lines in slides or [[]]:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = _printable(lines[0]) if lines else ""
        slide.placeholders[1].text = _printable("\n".join(lines[1:]))
    return _saved(deck)


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _load(data: bytes, kind: str) -> Any:
    try:
        match kind:
            case "cell":
                return openpyxl.load_workbook(io.BytesIO(data))
            case "slide":
                return pptx.Presentation(io.BytesIO(data))
            case _:
                return docx.Document(io.BytesIO(data))
    except Exception as error:
        raise CorruptError(f"no {kind} document: {error}") from error


def read(data: bytes, kind: str) -> Opened:
    """Read the blocks of an OOXML document of the kind word, cell or slide."""
    document = _load(data, kind)
    match kind:
        case "cell":
            return _read_cells(document)
        case "slide":
            return _read_slides(document)
        case _:
            blocks = tuple(
                Block(f"p{at}", paragraph.text, paragraph.style.name if paragraph.style else "")
                for at, paragraph in enumerate(document.paragraphs)
            )
            return Opened("word", blocks or (Block("p0", ""),))


def _read_cells(book: Any) -> Opened:
    blocks, parts = [], []
    for at, sheet in enumerate(book.worksheets):
        rows = min(max(sheet.max_row, MIN_ROWS), MAX_ROWS)
        columns = min(max(sheet.max_column, MIN_COLUMNS), MAX_COLUMNS)
        parts.append({"name": sheet.title, "rows": rows, "columns": [get_column_letter(n + 1) for n in range(columns)]})
        for row in sheet.iter_rows(max_row=min(sheet.max_row, rows), max_col=min(sheet.max_column, columns)):
            blocks += [Block(f"{at}!{cell.coordinate}", str(cell.value)) for cell in row if cell.value is not None]
    return Opened("cell", tuple(blocks), tuple(parts))


def _read_slides(deck: Any) -> Opened:
    blocks, parts = [], []
    for at, slide in enumerate(deck.slides):
        ids = []
        for number, shape in enumerate(slide.shapes):
            if not shape.has_text_frame:
                continue
            look = "title" if shape.is_placeholder and shape.placeholder_format.idx == 0 else ""
            for line, paragraph in enumerate(shape.text_frame.paragraphs):
                ids.append(f"{at}/{number}/{line}")
                blocks.append(Block(ids[-1], paragraph.text.replace("\v", "\n"), look))
        parts.append({"blocks": ids})
    return Opened("slide", tuple(blocks), tuple(parts))


def written(data: bytes, kind: str, texts: dict[str, str], order: list[str]) -> bytes:
    """Return the document with its blocks as they are now."""
    document = _load(data, kind)
    match kind:
        case "cell":
            _write_cells(document, texts)
        case "slide":
            _write_slides(document, texts)
        case _:
            _write_paragraphs(document, texts, order)
    return _saved(document)


def _write_paragraphs(document: Any, texts: dict[str, str], order: list[str]) -> None:
    if not document.paragraphs:
        document.add_paragraph("")
    known = {f"p{at}": paragraph for at, paragraph in enumerate(document.paragraphs)}
    previous = None
    for block in order:
        paragraph = known.pop(block, None)
        if paragraph is None:
            paragraph = _paragraph_after(document, previous)
        _set_text(paragraph, texts[block])
        previous = paragraph
    for paragraph in known.values():
        paragraph._p.getparent().remove(paragraph._p)  # noqa: SLF001 - python-docx has no other way to take one away


def _paragraph_after(document: Any, previous: Any) -> Any:
    if previous is None:
        return document.paragraphs[0].insert_paragraph_before("")
    element = copy.deepcopy(previous._p)  # noqa: SLF001 - nor to put one after another
    previous._p.addnext(element)  # noqa: SLF001
    paragraph = type(previous)(element, previous._parent)  # noqa: SLF001
    paragraph.clear()
    return paragraph


def _set_text(paragraph: Any, text: str) -> None:
    """Write a paragraph's text, keeping the look of its first run."""
    text = _printable(text)
    if paragraph.text == text:
        return
    runs = list(paragraph.runs)
    if not runs:
        paragraph.add_run().text = text
        return
    runs[0].text = text
    for run in runs[1:]:
        run._r.getparent().remove(run._r)  # noqa: SLF001 - runs can't be taken away either


def _write_cells(book: Any, texts: dict[str, str]) -> None:
    for block, text in texts.items():
        sheet, _, coordinate = block.partition("!")
        cell = book.worksheets[int(sheet)][coordinate]
        if (str(cell.value) if cell.value is not None else "") != text:
            cell.value = _value(text)


def _value(text: str) -> str | int | float | None:
    text = _printable(text)
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _write_slides(deck: Any, texts: dict[str, str]) -> None:
    for at, slide in enumerate(deck.slides):
        for number, shape in enumerate(slide.shapes):
            if not shape.has_text_frame:
                continue
            for line, paragraph in enumerate(shape.text_frame.paragraphs):
                text = texts.get(f"{at}/{number}/{line}")
                if text is not None:
                    _set_text(paragraph, text.replace("\n", "\v"))


def _printable(text: str) -> str:
    """Leave out what XML can't hold."""
    return "".join(
        c
        for c in text
        if c in "\t\n\v" or (c >= " " and not "\ud800" <= c <= "\udfff" and c < "\ufffe") or c > "\uffff"
    )
