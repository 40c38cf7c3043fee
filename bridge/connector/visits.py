"""Who was here before, and for whom the bridge still acts."""

from __future__ import annotations

from bridge.connector.storage import Visitor
from bridge.store.documents import Visit

__all__ = ["visit_of", "visitor_of"]


def visitor_of(visit: Visit) -> Visitor:
    """Give somebody who was here before, to act for them."""
    return Visitor(
        id=visit.id,
        name=visit.name,
        language=visit.language,
        image=visit.image,
        number=visit.number,
        cookies=visit.cookies,
    )


def visit_of(site: str, visitor: Visitor) -> Visit:
    """Give what is remembered of somebody."""
    return Visit(
        site=site,
        id=visitor.id,
        name=visitor.name,
        language=visitor.language,
        image=visitor.image,
        number=visitor.number,
        cookies=visitor.cookies,
    )
