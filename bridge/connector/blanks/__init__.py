"""Empty documents in a user's language, made by code: what *Create document* stores.

What they are is the simplest that other programs take for their own: the fonts, styles and layouts that people expect,
the paper of their region, their proofing language, and nothing of a person, a time or a machine, so that the same call
gives the same bytes. A PDF form is described in :mod:`bridge.connector.blanks.form`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from bridge.connector.blanks.form import form
from bridge.connector.blanks.slides import slides
from bridge.connector.blanks.table import table
from bridge.connector.blanks.word import word
from bridge.connector.tongues import Tongue, tongue
from bridge.protocol.errors import BadRequestError

__all__ = ["KINDS", "blank"]

_MAKERS: Final[Mapping[str, Callable[[Tongue], bytes]]] = MappingProxyType(
    {"docx": word, "xlsx": table, "pptx": slides, "pdf": form}
)
KINDS: Final = tuple(_MAKERS)
"""What can be created, in the order of menus."""


def blank(kind: str, language: str) -> bytes:
    """Make an empty document; ``language`` is a tag such as ``de`` or ``pt-BR``.

    Raises:
        BadRequestError: no such kind.
    """
    maker = _MAKERS.get(kind)
    if maker is None:
        raise BadRequestError(f"There is no new document of the kind “{kind[:20]}”: name one of {', '.join(KINDS)}.")
    return maker(tongue(language))
