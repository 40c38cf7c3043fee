"""The layouts of a new presentation: which placeholders there are, where, and how their text looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["BODY", "FEET", "LAYOUTS", "TITLE", "Layout", "Place"]

Box = tuple[int, int, int, int]
"""Left, top, width and height, in thousandths of the slide's width; a slide of 16:9 is 562 high."""


@dataclass(frozen=True, slots=True)
class Place:
    """A placeholder: its kind and number as PowerPoint has them, ``""`` for any content.

    ``anchor`` is where in the box its text stands; a ``size``, in points, is said where it isn't the master's, and such
    a text has no bullets. ``align`` is start, middle or end of the line.
    """

    kind: str
    number: int
    box: Box | None = None
    anchor: str = "t"
    size: int | None = None
    align: str = "start"


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout; by their ``kind`` programs know the usual ones, and name them in their own language."""

    kind: str
    name: str
    places: tuple[Place, ...]


TITLE: Final = Place("title", 0, (69, 30, 862, 109), "ctr")
BODY: Final = Place("body", 1, (69, 150, 862, 357))
FEET: Final = (
    Place("dt", 10, (69, 521, 225, 30), "ctr", 12),
    Place("ftr", 11, (331, 521, 338, 30), "ctr", 12, "middle"),
    Place("sldNum", 12, (706, 521, 225, 30), "ctr", 12, "end"),
)
LAYOUTS: Final = (
    Layout(
        "title",
        "Title Slide",
        (
            Place("ctrTitle", 0, (125, 92, 750, 196), "b", 54, "middle"),
            Place("subTitle", 1, (125, 300, 750, 130), "t", 24, "middle"),
        ),
    ),
    Layout("obj", "Title and Content", (TITLE, Place("", 1, BODY.box))),
    Layout(
        "secHead",
        "Section Header",
        (Place("title", 0, (69, 140, 862, 234), "b", 54), Place("body", 1, (69, 380, 862, 123), "t", 24)),
    ),
    Layout("twoObj", "Two Content", (TITLE, Place("", 1, (69, 150, 425, 357)), Place("", 2, (506, 150, 425, 357)))),
    Layout("titleOnly", "Title Only", (TITLE,)),
    Layout("blank", "Blank", ()),
)
