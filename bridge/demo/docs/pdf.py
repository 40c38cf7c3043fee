"""A minimal valid PDF with a text on A4 pages, the text of such a PDF, and forms.

A form is what ONLYOFFICE takes for one: a PDF whose first object is a stream that says `ONLYOFFICEFORM` and holds a
docx. That is what people edit and fill in; the pages are written anew at every save.
"""

from __future__ import annotations

import hashlib
import re

_LINES_A_PAGE, _WIDTH = 52, 90
_MARK = re.compile(rb"%\xcd\xca\xd2\xa9\r1 0 obj\n<<\n[^\r]*?/ONLYOFFICEFORM \[ (\d+) (\d+) \][^\r]*?stream\r\n")
_MARKED = 300  # bytes, in which the mark is looked for
_SHOWN = re.compile(rb"\(((?:\\.|[^()\\])*)\) Tj")


def make(text: str) -> bytes:
    """Write a text as PDF; letters outside Latin-1 become question marks."""
    return _file(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", _objects(text, 1), root=1)


def make_form(document: bytes, text: str) -> bytes:
    """Write a form that holds a docx and shows its text."""
    name = hashlib.md5(document, usedforsecurity=False).hexdigest().upper().encode()
    head = b"<<\n/ID <%s>\n/Length %d\n/ONLYOFFICEFORM [ 0 %d ]\n/Type /MetaOForm\n>>\nstream\r\n"
    meta = head % (name, len(document), len(document)) + document + b"\nendstream"
    return _file(b"%PDF-1.7\r%\xcd\xca\xd2\xa9\r", [meta, *_objects(text, 2)], root=2)


def form(data: bytes) -> bytes | None:
    """Return the docx of a form; None for any other PDF."""
    found = _MARK.search(data[:_MARKED])
    if found is None:
        return None
    start, length = int(found.group(1)), int(found.group(2))
    return data[found.end() + start :][:length]


def _objects(text: str, first: int) -> list[bytes]:
    """Write the objects of a text's pages, which are numbered from `first`: the root, its pages, a font."""
    pages_at, font_at, page_at = first + 1, first + 2, first + 3
    lines = [part for line in text.splitlines() or [""] for part in _wrapped(line)]
    pages = [lines[at : at + _LINES_A_PAGE] for at in range(0, len(lines), _LINES_A_PAGE)]
    kids = " ".join(f"{page_at + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        f"<< /Type /Catalog /Pages {pages_at} 0 R >>".encode(),
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for at, page in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent {pages_at} 0 R /MediaBox [0 0 595 842] /Contents {page_at + 2 * at + 1} 0 R "
            f"/Resources << /Font << /F1 {font_at} 0 R >> >> >>".encode()
        )
        shown = b"\n".join(b"(" + _escaped(line) + b") Tj T*" for line in page)
        stream = b"BT /F1 11 Tf 14 TL 56 786 Td\n" + shown + b"\nET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    return objects


def _file(head: bytes, objects: list[bytes], *, root: int) -> bytes:
    out = bytearray(head)
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, root, start)
    return bytes(out)


def _wrapped(line: str) -> list[str]:
    parts = [""]
    for word in line.split(" "):
        if len(parts[-1]) + len(word) >= _WIDTH and parts[-1]:
            parts.append(word)
        else:
            parts[-1] = f"{parts[-1]} {word}" if parts[-1] else word
    return parts


def _escaped(line: str) -> bytes:
    raw = line.encode("cp1252", errors="replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def text(data: bytes) -> str:
    """Return the text of a PDF that `make` wrote."""
    shown = (re.sub(rb"\\(.)", rb"\1", found) for found in _SHOWN.findall(data))
    return "\n".join(line.decode("cp1252", errors="replace") for line in shown)
