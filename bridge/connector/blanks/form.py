"""An empty PDF form.

What ONLYOFFICE takes for a form is not a PDF with fields. It looks at the first 300 bytes for ``ONLYOFFICEFORM``: the
file's first object is a stream that says so, and holds the form as a text document, which is what its editor opens and
people edit. The pages beside it are how the form looks in any other reader, and are written anew at every save.
Without that stream a PDF opens in the viewer of PDFs, whatever fields it has. Source: ONLYOFFICE API, "Checking PDF
forms"; the form of ONLYOFFICE's own templates. `document.isForm` in a configuration only saves that look.

So this is such a file of one page: the stream with our empty text document, in the place and spelling that the check
asks for (the binary comment's bytes, CR after it, ``1 0 obj``, CR LF after ``stream``), a blank page of the same size,
and a form without fields. The numbers after ``ONLYOFFICEFORM`` say where in the stream the document begins and how long
it is; the object and the trailer bear the same ID, made from the content.
"""

from __future__ import annotations

import hashlib
from typing import Final

from bridge.connector.blanks.word import word
from bridge.connector.tongues import Tongue

__all__ = ["form"]

_HEAD: Final = b"%PDF-1.7\r%\xcd\xca\xd2\xa9\r"
_LETTER, _A4 = (612, 792), (595, 842)  # points


def form(speech: Tongue) -> bytes:
    """Make an empty PDF form."""
    document = word(speech)
    name = f"<{hashlib.sha256(document).hexdigest()[:32].upper()}>"
    width, height = _LETTER if speech.letter else _A4
    meta = f"<<\n/ID {name}\n/Length {len(document)}\n/ONLYOFFICEFORM [ 0 {len(document)} ]\n/Type /MetaOForm\n>>\n"
    objects = (
        meta.encode() + b"stream\r\n" + document + b"\nendstream",
        f"<<\n/AcroForm 5 0 R\n/Lang ({speech.proofing})\n/Pages 3 0 R\n/Type /Catalog\n>>".encode(),
        b"<<\n/Count 1\n/Kids [ 4 0 R ]\n/Type /Pages\n>>",
        f"<<\n/MediaBox [ 0 0 {width} {height} ]\n/Parent 3 0 R\n/Resources << >>\n/Type /Page\n>>".encode(),
        b"<<\n/Fields [ ]\n>>",
    )
    return _file(objects, name)


def _file(objects: tuple[bytes, ...], name: str) -> bytes:
    """Write numbered objects, the second of which is the root, with a table of where each begins."""
    file = bytearray(_HEAD)
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(file)
    count = len(objects) + 1
    file += b"xref\n0 %d\n0000000000 65535 f\r\n" % count
    file += b"".join(b"%010d 00000 n\r\n" % place for place in places)
    file += f"trailer\n<<\n/ID [ {name} {name} ]\n/Root 2 0 R\n/Size {count}\n>>\n".encode()
    return bytes(file + b"startxref\n%d\n%%%%EOF\n" % table)
