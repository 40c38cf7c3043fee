"""What the module offers for a file by its extension: open, edit, convert.

The module's own table is ONLYOFFICE's published list of document formats. TXT and CSV are there to be viewed; the list
offers no conversion for them, and so neither does the module.
"""

from __future__ import annotations

from dataclasses import dataclass

OOXML = "application/vnd.openxmlformats-officedocument."
ODF = "application/vnd.oasis.opendocument."


@dataclass(frozen=True, slots=True)
class Format:
    """One extension; `convert` is what it is converted to."""

    kind: str
    mime: str
    edit: bool = False
    convert: str | None = None


FORMATS = {
    "docx": Format("word", f"{OOXML}wordprocessingml.document", edit=True),
    "docm": Format("word", "application/vnd.ms-word.document.macroenabled.12", edit=True),
    "dotx": Format("word", f"{OOXML}wordprocessingml.template", edit=True),
    "docxf": Format("word", f"{OOXML}wordprocessingml.document.docxf", edit=True),
    "oform": Format("word", f"{OOXML}wordprocessingml.document.oform", edit=True),
    "doc": Format("word", "application/msword", convert="docx"),
    "odt": Format("word", f"{ODF}text", convert="docx"),
    "ott": Format("word", f"{ODF}text-template", convert="docx"),
    "rtf": Format("word", "application/rtf", convert="docx"),
    "epub": Format("word", "application/epub+zip", convert="docx"),
    "html": Format("word", "text/html", convert="docx"),
    "txt": Format("word", "text/plain"),
    "xlsx": Format("cell", f"{OOXML}spreadsheetml.sheet", edit=True),
    "xlsm": Format("cell", "application/vnd.ms-excel.sheet.macroenabled.12", edit=True),
    "xls": Format("cell", "application/vnd.ms-excel", convert="xlsx"),
    "ods": Format("cell", f"{ODF}spreadsheet", convert="xlsx"),
    "csv": Format("cell", "text/csv"),
    "pptx": Format("slide", f"{OOXML}presentationml.presentation", edit=True),
    "pptm": Format("slide", "application/vnd.ms-powerpoint.presentation.macroenabled.12", edit=True),
    "ppsx": Format("slide", f"{OOXML}presentationml.slideshow", edit=True),
    "ppt": Format("slide", "application/vnd.ms-powerpoint", convert="pptx"),
    "odp": Format("slide", f"{ODF}presentation", convert="pptx"),
    "pdf": Format("pdf", "application/pdf"),
    "djvu": Format("pdf", "image/vnd.djvu"),
    "xps": Format("pdf", "application/vnd.ms-xpsdocument"),
    "vsdx": Format("diagram", "application/vnd.ms-visio.drawing.main+xml"),
}

ICONS = {
    "word": "mime-word",
    "cell": "mime-excel",
    "slide": "mime-powerpoint",
    "pdf": "mime-pdf",
    "diagram": "mime-file",
}

NEW_DOCUMENTS = {"docx": "Document", "xlsx": "Spreadsheet", "pptx": "Presentation", "pdf": "PDF form"}


def mime_of(extension: str) -> str:
    found = FORMATS.get(extension)
    return found.mime if found else "application/octet-stream"


def icon_of(extension: str) -> str:
    found = FORMATS.get(extension)
    return ICONS[found.kind] if found else "mime-file"


def is_form(head: bytes) -> bool:
    """A PDF made by ONLYOFFICE as a form says so at its head."""
    return b"ONLYOFFICEFORM" in head[:300]
