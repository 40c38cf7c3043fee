"""What stands in an OOXML file: the tests of flows compare what was typed with what was stored."""

from __future__ import annotations

import io

import docx
import openpyxl
import pptx


def words(body: bytes, kind: str = "docx") -> str:
    """Return all texts of a document, a line each."""
    source = io.BytesIO(body)
    if kind == "xlsx":
        sheets = openpyxl.load_workbook(source).worksheets
        return "\n".join(str(cell.value) for sheet in sheets for row in sheet.rows for cell in row if cell.value)
    if kind == "pptx":
        slides = pptx.Presentation(source).slides
        return "\n".join(shape.text_frame.text for slide in slides for shape in slide.shapes if shape.has_text_frame)
    return "\n".join(paragraph.text for paragraph in docx.Document(source).paragraphs)
