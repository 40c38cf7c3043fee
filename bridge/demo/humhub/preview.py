"""The text of a stored document, so that a person and a browser test see what HumHub has."""

from __future__ import annotations

import asyncio
import re
import zipfile
from pathlib import Path

from bridge.demo.humhub.answers import Answer, as_json
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile

LONGEST = 2000
LARGEST = 5_000_000


async def preview(call: Call) -> Answer:
    """Answer with a file's text, its version and its fingerprint."""
    file = call.the_file()
    # What is stored while the text is being read must not give an older text its own version.
    head = {"guid": file.guid, "name": file.name, "version": file.version, "sha1": file.sha1}
    return as_json({**head, "text": await asyncio.to_thread(text_of, file)})


def text_of(file: HumHubFile) -> str:
    """Read the text of a document; what isn't one is shown as it lies there."""
    readers = {"docx": _docx, "xlsx": _xlsx, "pptx": _pptx, "odt": _odt}
    if file.size > LARGEST:
        return ""
    reader = readers.get(file.extension)
    try:
        text = reader(file.path) if reader else _raw(file.path)
    except Exception:  # noqa: BLE001  # the real HumHub stores error pages as documents: show what is there
        text = f"not a {file.extension} document: {_raw(file.path)}"
    return text[:LONGEST]


def _docx(path: Path) -> str:
    from docx import Document  # noqa: PLC0415  # the extra `demo`

    document = Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells).strip()


def _xlsx(path: Path) -> str:
    from openpyxl import load_workbook  # noqa: PLC0415  # the extra `demo`

    with path.open("rb") as file:
        book = load_workbook(file, read_only=True)
        rows = [row for sheet in book.worksheets for row in sheet.iter_rows(values_only=True)]
    return "\n".join("\t".join("" if cell is None else str(cell) for cell in row) for row in rows).strip()


def _pptx(path: Path) -> str:
    from pptx import Presentation  # noqa: PLC0415  # the extra `demo`

    shapes = [shape for slide in Presentation(str(path)).slides for shape in slide.shapes]
    return "\n".join(shape.text_frame.text for shape in shapes if shape.has_text_frame).strip()


def _odt(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        content = archive.read("content.xml").decode()
    paragraphs = re.split(r"</text:[ph]>", content)
    return "\n".join(re.sub(r"<[^>]+>", " ", paragraph).strip() for paragraph in paragraphs).strip()


def _raw(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(LONGEST)
    return "" if head.startswith(b"%PDF") else head.decode(errors="replace")
