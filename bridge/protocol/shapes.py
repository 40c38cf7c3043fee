"""The two shapes of the conversion service's answers, JSON and XML, and which of them a request asks for.

``/converter`` speaks JSON and ``/ConvertService.ashx`` XML, unless ``Accept`` prefers the other one. XML goes by the
name of ``application/xml`` there, and is labelled ``text/xml`` (source: ONLYOFFICE/server, ``fillResponse``; recorded).
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Shape", "labelled", "shape_of", "written"]

_ESCAPED: Final = str.maketrans({
    "<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&apos;", '"': "&quot;",
    "\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;", "\xa0": "&#xA0;",
})  # fmt: skip
_NEITHER: Final = (0.0, 0, 0)


class Shape(enum.Enum):
    """How an answer is written; the value is the name that ``Accept`` knows it by."""

    JSON = "application/json"
    XML = "application/xml"


def shape_of(path: str, accept: str | None) -> Shape:
    """Say what a request to the conversion service asks for.

    Of what ``Accept`` takes, the higher quality wins, then the more exact name, then the earlier one; one that takes
    neither counts as none (source: the negotiation of Docs' web framework).
    """
    own, other = (Shape.XML, Shape.JSON) if path.endswith("/ConvertService.ashx") else (Shape.JSON, Shape.XML)
    if accept is None:
        return own
    ranges = [_range(text) for text in accept.split(",") if "/" in text]
    # At equal rank the route's own shape, which is asked first, stays.
    return max((own, other), key=lambda shape: _rank(shape, ranges))


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    return name, float(quality) if re.fullmatch(r"\d+(\.\d*)?|\.\d+", quality) else 0.0


def _rank(shape: Shape, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    names = ("*/*", "application/*", shape.value)
    found = [(names.index(name), -place, quality) for place, (name, quality) in enumerate(ranges) if name in names]
    exactness, place, quality = max(found, default=(0, 0, 0.0))
    return (quality, exactness, place) if quality else _NEITHER


def labelled(shape: Shape) -> str:
    """Give the Content-Type of an answer."""
    return f"{'application/json' if shape is Shape.JSON else 'text/xml'}; charset=UTF-8"


def written(answer: Mapping[str, Any], shape: Shape) -> str:
    """Write an answer as Docs does; XML has room for the known fields alone, and an error stands by itself."""
    if shape is Shape.JSON:
        return json.dumps(answer, separators=(",", ":"), ensure_ascii=False)
    if "error" in answer:
        inner = _element("Error", answer["error"])
    else:
        inner = _element("FileUrl", answer.get("fileUrl")) + _element("FileType", answer.get("fileType"))
        inner += (
            f"{_element('Percent', answer.get('percent', 0))}<EndConvert>{bool(answer.get('endConvert'))}</EndConvert>"
        )
    return f'<?xml version="1.0" encoding="utf-8"?><FileResult>{inner}</FileResult>'


def _element(name: str, value: object) -> str:
    return f"<{name}/>" if value in (None, "") else f"<{name}>{str(value).translate(_ESCAPED)}</{name}>"
