"""Names of files as HumHub spells, stores and compares them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import unquote

__all__ = ["are_alike", "cleaned", "disposed_name", "free_name", "is_made_of"]

# Source: the file module's fileNameValidationPattern; HumHub compares names before it applies it.
_REFUSED: Final = re.compile(r'[\x00-\x1f\x80-\xa0<>"/:*?|{}\[\]\\]')
_DISPOSITION: Final = re.compile(r"""filename(\*)?=(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))""", re.IGNORECASE)
_NUMBERED: Final = re.compile(r" \([0-9]+\)(\.[^.]*)?$")
_BEYOND: Final = "\uffff"


def disposed_name(header: str) -> str:
    """Give the file's name in a Content-Disposition; empty where there is none."""
    names = {bool(found[1]): found[2] or found[3] or "" for found in _DISPOSITION.finditer(header)}
    if True in names:
        return unquote(names[True].partition("''")[2])
    return re.sub(r"\\(.)", r"\1", names.get(False, ""))


def cleaned(name: str) -> str:
    """Spell a name as HumHub will store it: no sign that it refuses, and the ending in lower case."""
    name = _REFUSED.sub("_", name).strip() or "_"
    stem, dot, ending = name.rpartition(".")
    return f"{stem}{dot}{ending.lower()}" if dot else name


def are_alike(one: str, other: str) -> bool:
    """Say whether HumHub's database may take two names for the same: case, accents and blanks at the end don't count.

    Whether ``ß`` is ``s`` or ``ss`` depends on its collation, and beyond the first plane all signs can be one.
    """
    return bool(_folds(one) & _folds(other))


def free_name(name: str, taken: list[str]) -> str:
    """Give the name, with a number before its ending where it is, or may be, among those taken."""
    name = cleaned(name)
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    folded = {fold for other in taken for fold in _folds(other)}
    number, candidate = 1, name
    while _folds(candidate) & folded:
        number += 1
        candidate = f"{stem} ({number}){dot}{ending}"
    return candidate


def is_made_of(name: str, wanted: str) -> bool:
    """Say whether a name is the wanted one, or a free one that was made of it."""
    return are_alike(name, wanted) or are_alike(_NUMBERED.sub(r"\1", name), wanted)


def _folds(name: str) -> set[str]:
    """Spell a name in the ways of which one in common makes two names the same."""
    return {_fold(name), _fold(name.replace("ß", "s").replace("ẞ", "s"))}


def _fold(name: str) -> str:
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return "".join(min(sign, _BEYOND) for sign in plain).casefold().rstrip()
