"""An Office Open XML file: parts with their types and relations, packed into the same bytes whenever it is made."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from bridge.connector.tongues import Tongue

__all__ = ["OFFICE", "XML", "Part", "Relation", "common", "pack", "theme"]

XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/main"
_TYPE: Final = "application/vnd.openxmlformats-officedocument."
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the first day that an archive can name
_PLAIN_FILE: Final = 0o644 << 16


@dataclass(frozen=True, slots=True)
class Relation:
    """What a part has to do with another: the last word of the relation's type, and where from here that part is."""

    kind: str
    target: str


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the package; ``type`` is its media type, or what of it follows after ``…officedocument.``."""

    name: str
    type: str
    text: str
    relations: tuple[Relation, ...] = ()


def pack(parts: Sequence[Part]) -> bytes:
    """Write a package; its main part comes first, and relations are numbered from rId1 as they stand."""
    roots = (
        Relation("officeDocument", parts[0].name),
        Relation(f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
        Relation("extended-properties", "docProps/app.xml"),
    )
    files = [("[Content_Types].xml", _types(parts)), ("_rels/.rels", _relations(roots))]
    for part in parts:
        files.append((part.name, part.text))
        if part.relations:
            folder, _, name = part.name.rpartition("/")
            files.append((f"{folder}/_rels/{name}.rels", _relations(part.relations)))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in files:
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, _PLAIN_FILE
            archive.writestr(entry, text.encode())
    return packed.getvalue()


def common(application: Tongue) -> tuple[Part, ...]:
    """Give the parts that say what kind of thing a package is: nothing of a person, and no time."""
    core = (
        f'{XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:language>{application.tag}</dc:language>'
        "</cp:coreProperties>"
    )
    app = (
        f'{XML}<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
        "<Application>HumHub ONLYOFFICE Bridge</Application></Properties>"
    )
    return (
        Part("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml", core),
        Part("docProps/app.xml", "extended-properties+xml", app),
    )


def _types(parts: Sequence[Part]) -> str:
    overrides = "".join(
        f"<Override PartName={quoteattr('/' + part.name)} ContentType={quoteattr(_full(part.type))}/>" for part in parts
    )
    return (
        f'{XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _full(kind: str) -> str:
    return kind if kind.startswith("application/") else f"{_TYPE}{kind}"


def _relations(relations: Sequence[Relation]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{number}" Type={quoteattr(one.kind if ":" in one.kind else f"{OFFICE}/{one.kind}")} '
        f"Target={quoteattr(one.target)}/>"
        for number, one in enumerate(relations, 1)
    )
    return f'{XML}<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


# dark and light text and background, six accents, links: (name, colour)
_COLOURS: Final = (
    ("dk1", "1F2328"), ("lt1", "FFFFFF"), ("dk2", "2F3E4E"), ("lt2", "EEF1F4"), ("accent1", "21699E"),
    ("accent2", "C7642B"), ("accent3", "4C8B4A"), ("accent4", "8459A5"), ("accent5", "2A8C91"), ("accent6", "B3475D"),
    ("hlink", "1B63A5"), ("folHlink", "6F4B8B"),
)  # fmt: skip


def theme(speech: Tongue) -> str:
    """Write a theme: its colours, and Arial, which every editor has or has a twin of."""
    colours = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in _COLOURS)
    faces = f'<a:latin typeface="Arial"/><a:ea typeface="{speech.east_asian_font}"/><a:cs typeface="Arial"/>'
    fill = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
    lines = "".join(f'<a:ln w="{width}">{fill}<a:prstDash val="solid"/></a:ln>' for width in (6350, 12700, 19050))
    effect = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    return (
        f'{XML}<a:theme xmlns:a="{_DRAWING}" name="Bridge"><a:themeElements>'
        f'<a:clrScheme name="Bridge">{colours}</a:clrScheme>'
        f'<a:fontScheme name="Bridge"><a:majorFont>{faces}</a:majorFont><a:minorFont>{faces}</a:minorFont>'
        f'</a:fontScheme><a:fmtScheme name="Bridge"><a:fillStyleLst>{fill * 3}</a:fillStyleLst>'
        f"<a:lnStyleLst>{lines}</a:lnStyleLst><a:effectStyleLst>{effect * 3}</a:effectStyleLst>"
        f"<a:bgFillStyleLst>{fill * 3}</a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>"
    )
