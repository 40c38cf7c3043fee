"""The first bytes by which a file of a known type is told from an error page."""

from __future__ import annotations

__all__ = ["fits_signature", "is_page", "is_text"]

_ZIP = (b"PK\x03\x04",)
_COMPOUND = (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",)
_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    **dict.fromkeys(("docx", "docm", "dotx", "dotm", "docxf", "xlsx", "xlsm", "xltx", "xltm", "xlsb"), _ZIP),
    **dict.fromkeys(("pptx", "pptm", "ppsx", "ppsm", "potx", "potm", "vsdx"), _ZIP),
    **dict.fromkeys(("odt", "ott", "ods", "ots", "odp", "otp", "odg", "epub"), _ZIP),
    # ONLYOFFICE's form formats: OOXML until version 8, PDF since.
    "oform": (*_ZIP, b"%PDF"),
    "pdf": (b"%PDF",),
    "rtf": (b"{\\rtf",),
    **dict.fromkeys(("doc", "dot", "xls", "xlt", "ppt", "pps", "pot"), _COMPOUND),
}
# Types whose files may be anything, an HTML page and nothing at all included.
_TEXT = frozenset(("txt", "csv", "tsv", "html", "htm", "mht", "mhtml", "xml", "fb2", "md", "json"))

# Types whose files are served as pages are.
_PAGES = frozenset(("html", "htm", "mht", "mhtml", "json"))


def fits_signature(filetype: str, head: bytes) -> bool:
    """Say whether a file that begins with ``head`` (16 bytes or more) can be of ``filetype``; unknown types fit."""
    known = _SIGNATURES.get(filetype.lower())
    return known is None or head.startswith(known)


def is_page(media_type: str, filetype: str | None) -> bool:
    """Say whether what came as ``media_type`` in place of a ``filetype`` is a page about it, such as an error."""
    return media_type in ("text/html", "application/json") and (filetype or "").lower() not in _PAGES


def is_text(filetype: str) -> bool:
    """Say whether files of that type can hold anything, so that their content proves nothing."""
    return filetype.lower() in _TEXT
