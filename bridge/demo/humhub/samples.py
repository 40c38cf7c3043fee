"""Documents made by code: the module's templates for new ones, and samples for the demo."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.demo.humhub.server import SmallHumHub

ODF = "urn:oasis:names:tc:opendocument:xmlns"


def new_document(extension: str) -> bytes:
    """Make an empty document of a kind that the module creates."""
    makers: dict[str, Callable[[], bytes]] = {"docx": docx, "xlsx": xlsx, "pptx": pptx, "pdf": pdf_form}
    return makers[extension]()


def docx(*paragraphs: str, heading: str | None = None) -> bytes:
    from docx import Document  # noqa: PLC0415  # the extra `demo`

    document = Document()
    if heading:
        document.add_heading(heading, 1)
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx(*rows: tuple[str | float, ...]) -> bytes:
    from openpyxl import Workbook  # noqa: PLC0415  # the extra `demo`

    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def pptx(*slides: tuple[str, str]) -> bytes:
    from pptx import Presentation  # noqa: PLC0415  # the extra `demo`

    presentation = Presentation()
    for title, subtitle in slides or (("", ""),):
        slide = presentation.slides.add_slide(presentation.slide_layouts[0])
        slide.shapes.title.text = title
        slide.placeholders[1].text = subtitle
    out = io.BytesIO()
    presentation.save(out)
    return out.getvalue()


def odt(*paragraphs: str) -> bytes:
    """Make the smallest ODT that editors open."""
    text = "".join(f"<text:p>{paragraph}</text:p>" for paragraph in paragraphs)
    return _opendocument("text", text)


def ods(*rows: tuple[str, ...]) -> bytes:
    """Make the smallest ODS that editors open, with one sheet."""
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    lines = "".join(f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in rows)
    return _opendocument("spreadsheet", f'<table:table table:name="Sheet1">{lines}</table:table>')


def _opendocument(kind: str, body: str) -> bytes:
    """Pack an OpenDocument file: the type first and unpacked, a manifest, the content."""
    mime = f"application/vnd.oasis.opendocument.{kind}"
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{ODF}:office:1.0" '
        f'xmlns:text="{ODF}:text:1.0" xmlns:table="{ODF}:table:1.0" office:version="1.2"><office:body>'
        f"<office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    manifest = (
        f'<?xml version="1.0" encoding="UTF-8"?><manifest:manifest xmlns:manifest="{ODF}:manifest:1.0" '
        f'manifest:version="1.2"><manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), mime)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return out.getvalue()


def pdf(text: str) -> bytes:
    """Make a PDF of one page with one line."""
    line = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET"
    return _pdf(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(line)} >>\nstream\n{line}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )


def pdf_form() -> bytes:
    """Make a PDF of one page with one field to fill in."""
    return _pdf(
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [4 0 R] >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Annots [4 0 R] >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /Rect [72 700 372 724] /P 3 0 R >>",
        comment="ONLYOFFICEFORM",
    )


def _pdf(*objects: str, comment: str = "") -> bytes:
    out = f"%PDF-1.7\n%{comment}\n".encode()
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    return out + f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def seed(hub: SmallHumHub) -> None:
    """Write the demo's posts."""
    guide = docx(
        "We meet on the first Monday of each month.",
        "Everybody may add to this document; it is edited through three networks.",
        heading="Team handbook",
    )
    budget = xlsx(("Item", "Cost"), ("Rooms", 120), ("Coffee", 45), ("Travel", 310))
    slides = pptx(("Year plan", "What we want to do"), ("Next steps", "Write, review, ship"))
    hub.add_post(
        "admin",
        "Welcome! Open the handbook with Edit document, in two windows if you like.",
        [
            hub.add_file("Team handbook.docx", guide),
            hub.add_file("Budget.xlsx", budget),
            hub.add_file("Year plan.pptx", slides),
        ],
    )
    hub.add_post(
        "alice",
        "Some files from elsewhere. They open for reading; an ODT becomes a DOCX by Convert.",
        [
            hub.add_file("Minutes.odt", odt("Minutes of the meeting", "Present: everybody."), owner="alice"),
            hub.add_file("Notes.txt", b"Call the printer.\nOrder coffee.\n", owner="alice"),
            hub.add_file("Members.csv", b"name,town\nAda,London\nGrace,Arlington\n", owner="alice"),
            hub.add_file("Poster.pdf", pdf("Summer party, Friday at six"), owner="alice"),
        ],
    )
