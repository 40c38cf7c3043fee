r"""The editor's configuration inside HumHub's page: found, handed out, put back; every other byte stays as it was.

Theory of operation
-------------------
The page is a fragment of HTML with three places of interest (recorded from the module):

* ``<script src="{serverUrl}/web-apps/apps/api/documents/api.js?shardKey={key}" nonce=…>``
* ``data-config='…'``, the configuration of ``DocsAPI.DocEditor``, with the ``token`` that signs it
* ``data-api='…'``, absolute URLs of HumHub's own routes

Both attributes hold JSON as PHP writes it for a single-quoted attribute: ``/`` as ``\/``, and ``&``, ``'``, ``<``,
``>`` as ``\u0026``, ``\u0027``, ``\u003C``, ``\u003E``, the rest of Unicode as it is, in UTF-8, and double quotes bare.
:func:`encode` writes the same, so what isn't changed comes out byte for byte.

The page is handled as Latin-1 text, which maps each byte to one character and back: whatever its encoding is, bytes
outside the places that change can't be harmed. Places are found by the standard library's HTML parser, which knows
comments, scripts and quoting; a ``data-config`` inside a script or comment is none.

Where there is something to tell whoever opens the document, one element with that line is added, as the first inside
the element that has the configuration.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Any

from bridge.protocol.errors import BadAnswerError
from bridge.protocol.notice import element
from bridge.protocol.urls import api_script

__all__ = ["Edits", "encode", "rewrite"]

Json = dict[str, Any]

# As PHP's JSON_HEX_TAG | JSON_HEX_AMP | JSON_HEX_APOS | JSON_UNESCAPED_UNICODE do, with PHP's own escaped slash and, as
# always there, JavaScript's two line ends.
_ESCAPES = str.maketrans(
    {
        "/": r"\/",
        "\u2028": r"\u2028",
        "\u2029": r"\u2029",
        "&": r"\u0026",
        "'": r"\u0027",
        "<": r"\u003C",
        ">": r"\u003E",
    }
)
_ATTRIBUTE = re.compile(r"""\s(?P<name>[^\s"'<>/=]+)\s*=\s*(?P<quote>["'])(?P<value>.*?)(?P=quote)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Edits:
    """What to do with each place: functions from what stands there to what shall stand there."""

    config: Callable[[Json], Json]
    api: Callable[[Json], Json]
    script: Callable[[str], str]
    notice: Callable[[str, str], str | None] | None = None
    """Gives a line to show for the edited configuration's document key and its language, "" where it names none."""


def encode(value: Json) -> bytes:
    """Write JSON as HumHub does inside a single-quoted attribute."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_ESCAPES)
    # Half of a surrogate pair, which JSON can hold and UTF-8 can't, gets its escape back.
    return text.encode("utf-8", "backslashreplace")


def rewrite(page: bytes, edits: Edits) -> bytes | None:
    """Give ``page`` with its editor configuration edited, or None when it has none.

    Raises:
        BadAnswerError: the page has a configuration that can't be read, or two.
    """
    text = page.decode("latin-1")
    finder = _Finder(text)
    finder.feed(text)
    finder.close()
    configs = [place for place in finder.places if place.name == "data-config"]
    if not configs:
        return None
    if len(configs) > 1:
        raise BadAnswerError(
            "HumHub's page holds two editor configurations.",
            remedy="Does another module or theme of HumHub put an editor into the page, too? Switch it off.",
        )
    config = edits.config(_json(configs[0]))
    changes = [(place.start, place.end, _edited(place, edits, config)) for place in finder.places]
    changes.append((configs[0].inside, configs[0].inside, _notice(config, edits)))
    parts, done = [], 0
    for start, end, new in sorted(changes):
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]]).encode("latin-1")


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    start: int
    end: int
    inside: int
    """Where the content of its element begins."""
    value: str


def _edited(place: _Place, edits: Edits, config: Json) -> str:
    if place.name == "src":
        return edits.script(place.value)
    value = config if place.name == "data-config" else edits.api(_json(place))
    return encode(value).decode("latin-1")


def _notice(config: Json, edits: Edits) -> str:
    key, lang = _text_in(config, "document", "key"), _text_in(config, "editorConfig", "lang")
    line = edits.notice(key, lang) if edits.notice is not None and key else None
    return element(line) if line else ""


def _text_in(config: Json, part: str, name: str) -> str:
    inner = config.get(part)
    value = inner.get(name) if isinstance(inner, dict) else None
    return value if isinstance(value, str) else ""


def _json(place: _Place) -> Json:
    # The module writes no entities; a HumHub behind another filter may, and an HTML parser would decode them.
    raw = place.value.encode("latin-1")
    for reading in (raw.decode("utf-8", "replace"), unescape(raw.decode("utf-8", "replace"))):
        try:
            value = json.loads(reading)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise BadAnswerError(
        f"The editor page of HumHub has a {place.name} that can't be read.",
        remedy="Compare the version of HumHub's onlyoffice module with the supported ones.",
    )


class _Finder(HTMLParser):
    """Collects the places of one page; offsets are of its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.places: list[_Place] = []
        self._lines = [0]
        for match in re.finditer("\n", text):
            self._lines.append(match.end())

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        wanted = {"data-config", "data-api"} if "data-config" in names else ({"src"} if tag == "script" else set())
        if not wanted & names:
            return
        line, column = self.getpos()
        start, tag_text = self._lines[line - 1] + column, self.get_starttag_text() or ""
        for match in _ATTRIBUTE.finditer(tag_text):
            name, value = match["name"].lower(), match["value"]
            if name not in wanted or (name == "src" and api_script(unescape(value)) is None):
                continue
            here, end = start + match.start("value"), start + match.end("value")
            self.places.append(_Place(name, here, end, start + len(tag_text), value))
