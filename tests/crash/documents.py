"""The documents of a story: small real ones, each save of which is unique, and what was written into them."""

from __future__ import annotations

import io
import random
import re
import zipfile

__all__ = ["blank", "mark", "marks_in"]

_MARK = re.compile(r"«([^»]+)»")
_TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Default Extension="bin" ContentType="application/octet-stream"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{0}" '
    'Target="{1}"/></Relationships>'
)
_DOCUMENT = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
    "<w:body><w:p><w:r><w:t>Minutes</w:t></w:r></w:p></w:body></w:document>"
)


def blank(ballast: int, chance: random.Random) -> bytes:
    """Make a docx that is at least ``ballast`` bytes long: a long one takes many pieces to bring over."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr("_rels/.rels", _RELATIONS.format("officeDocument", "word/document.xml"))
        archive.writestr("word/document.xml", _DOCUMENT)
        if ballast:
            archive.writestr("word/_rels/document.xml.rels", _RELATIONS.format("oleObject", "noise.bin"))
            archive.writestr("word/noise.bin", chance.randbytes(ballast))
    return out.getvalue()


def mark(name: str) -> str:
    """Give what is typed so that it is found again."""
    return f"«{name}»"


def marks_in(body: bytes) -> frozenset[str]:
    """Read what was typed out of a document; nothing out of what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            text = archive.read("word/document.xml").decode()
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        return frozenset()
    return frozenset(_MARK.findall(re.sub(r"<[^>]+>", "", text)))
