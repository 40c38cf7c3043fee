"""What the connector says to people, in their language.

The sentences stand in the code in English and are the msgids of gettext catalogues. A catalogue,
``locale/<language>/LC_MESSAGES/connector.po``, is read as it stands: who adds or changes one starts the bridge again,
and nothing has to be compiled. CONTRIBUTING tells how to add a language.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import polib

from bridge.protocol.errors import BridgeError

__all__ = ["CatalogueError", "Words", "msgid", "words"]

_LOCALE: Final = Path(__file__).with_name("locale")
_ENGLISH: Final = "en"


class CatalogueError(BridgeError):
    """A catalogue can't be read, or a translation names a value that its sentence hasn't."""

    reason = "catalogue"


@dataclass(frozen=True, slots=True)
class Words:
    """The sentences of one language, named by its tag, such as ``de``; a sentence that it lacks stays English."""

    language: str
    sentences: Mapping[str, str]

    def __call__(self, sentence: str, /, **values: object) -> str:
        """Give ``sentence`` in this language, with ``values`` in the places of its ``{names}``."""
        text = self.sentences.get(sentence, sentence)
        return text.format(**values) if values else text


def words(language: str, locale: Path = _LOCALE) -> Words:
    """Give the words for a tag as browsers and HumHub write it (``de``, ``de-AT``, ``pt_BR``): English for any other.

    Raises:
        CatalogueError: a catalogue in ``locale`` is broken.
    """
    known = _catalogues(locale)
    tag = _tag(language)
    return known.get(tag) or known.get(tag.partition("-")[0]) or known[_ENGLISH]


def msgid(sentence: str) -> str:
    """Mark a sentence that stands in a table and is said later: every one of them has to be in the catalogues."""
    return sentence


@cache
def _catalogues(locale: Path) -> dict[str, Words]:
    found = {_ENGLISH: Words(_ENGLISH, {})}
    for folder in locale.iterdir():
        file = folder.joinpath("LC_MESSAGES", "connector.po")
        if file.is_file():
            tag = _tag(folder.name)
            found[tag] = Words(tag, dict(_sentences(file)))
    return found


def _sentences(file: Path) -> Iterator[tuple[str, str]]:
    """Read what is translated in a catalogue: what is empty or marked as fuzzy isn't."""
    try:
        entries = polib.pofile(file.read_text("utf-8")).translated_entries()
    except (OSError, ValueError) as error:
        raise _broken(file, str(error)) from error
    for entry in entries:
        try:
            foreign = _names(entry.msgstr) - _names(entry.msgid)
        except ValueError as error:
            raise _broken(file, f"{entry.msgstr!r} (line {entry.linenum}): {error}") from error
        if foreign:
            what = f"{entry.msgstr!r} (line {entry.linenum}) names {', '.join(sorted(foreign))}: its sentence does not"
            raise _broken(file, what)
        yield entry.msgid, entry.msgstr


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _broken(file: Path, what: str) -> CatalogueError:
    remedy = "Mend the catalogue; `msgfmt --check` shows more."
    return CatalogueError(
        "A catalogue of the connector's words is broken.", catalogue=str(file), what=what, remedy=remedy
    )


def _tag(language: str) -> str:
    return language.strip().replace("_", "-").lower()
