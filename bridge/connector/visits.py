"""Who was here before, and for whom the bridge still acts."""

from __future__ import annotations

import dataclasses
from typing import Final

from bridge.connector.storage import Visitor
from bridge.store.documents import Visit

__all__ = ["visit_of", "visitor_of"]

_COMMON: Final = tuple(field.name for field in dataclasses.fields(Visitor))


def visitor_of(visit: Visit) -> Visitor:
    """Give somebody who was here before, to act for them."""
    return Visitor(**{name: getattr(visit, name) for name in _COMMON})


def visit_of(site: str, visitor: Visitor) -> Visit:
    """Give what is remembered of somebody."""
    return Visit(site=site, **{name: getattr(visitor, name) for name in _COMMON})
