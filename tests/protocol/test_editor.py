"""The editor page: what is changed, and that nothing else is."""

from __future__ import annotations

import gzip
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bridge.protocol.editor import Edits, encode, rewrite
from bridge.protocol.errors import BadAnswerError
from bridge.protocol.notice import element, waiting_notice

PAGES: list[dict[str, str]] = json.loads((Path(__file__).parents[1] / "data/editor/pages.json").read_text())
RECORDINGS = Path(os.environ.get("BRIDGE_RECORDINGS", "")) / "humhub"
NOTHING = Edits(config=lambda value: value, api=lambda value: value, script=lambda source: source)


LINE = 'Your <b>edit</b> & "Größe" - it\'s 中文 \N{GRINNING FACE} waiting'


def whole_page(recorded: dict[str, str]) -> bytes:
    """Read a page as it was recorded."""
    body = json.loads((RECORDINGS / f"{recorded['name']}.json").read_text())["response"]["body"]
    page = body.encode() if isinstance(body, str) else (RECORDINGS / body["file"]).read_bytes()
    return gzip.decompress(page) if page.startswith(b"\x1f\x8b") else page


def page_of(recorded: dict[str, str], *, around: str = "") -> bytes:
    """Write a page of the recorded structure around the recorded attribute values."""
    return (
        f'<style>#modal .content {{height: calc(100vh - 90px);}}</style>\n<script src="{recorded["script"]}" '
        'nonce="n0nce/7W"></script><script src="/assets/1/editor.js?v=1" nonce="n0nce/7W"></script>\n'
        f'<div id="m" class="modal-dialog" data-keyboard="true">{around}\n<div id="e" style="height:100%" '
        f'data-config=\'{recorded["config"]}\' data-edit-mode="edit" data-file-info-url="/x?guid=a&amp;b=1" '
        f'data-api=\'{recorded["api"]}\' data-ui-widget="Editor" data-ui-init><div id="frame"></div></div></div>'
    ).encode()


@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
def test_what_is_not_changed_comes_out_byte_for_byte(recorded: dict[str, str]) -> None:
    page = page_of(recorded)
    assert rewrite(page, NOTHING) == page


@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
def test_only_the_three_places_change(recorded: dict[str, str]) -> None:
    edits = Edits(
        config=lambda value: {**value, "token": "T&'<>/é"},
        api=lambda value: {"saveasUrl": "https://a/b"},
        script=lambda source: f"/ds/{source.rpartition('/')[2]}",
    )
    expected = dict(recorded)
    expected["config"] = encode({**json.loads(recorded["config"]), "token": "T&'<>/é"}).decode()
    expected["api"] = '{"saveasUrl":"https:\\/\\/a\\/b"}'
    expected["script"] = f"/ds/{recorded['script'].rpartition('/')[2]}"
    assert rewrite(page_of(recorded), edits) == page_of(expected)
    assert '"token":"T\\u0026\\u0027\\u003C\\u003E\\/é"' in expected["config"]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="BRIDGE_RECORDINGS names no directory with the full recordings")
@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
def test_a_whole_recorded_page_keeps_every_other_byte(recorded: dict[str, str]) -> None:
    page = whole_page(recorded)
    seen: list[dict[str, Any]] = []

    def look(value: dict[str, Any]) -> dict[str, Any]:
        seen.append(value)
        return {**value, "marked": True}

    rewritten = rewrite(page, Edits(config=look, api=lambda value: value, script=lambda source: source))
    assert rewritten is not None
    assert rewritten.replace(b',"marked":true', b"") == page
    assert json.loads(recorded["config"]) == seen[0]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="BRIDGE_RECORDINGS names no directory with the full recordings")
def test_no_recorded_editor_page_is_left_out() -> None:
    found = set()
    for path in RECORDINGS.glob("*.json"):
        exchange = json.loads(path.read_text())
        body = exchange.get("response", {}).get("body") if isinstance(exchange, dict) else None
        raw = (
            (RECORDINGS / body["file"]).read_bytes()
            if isinstance(body, dict) and "file" in body
            else str(body).encode()
        )
        raw = gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
        if re.search(rb"<[^>]+data-config='", raw):
            found.add(path.stem)
    assert found == {page["name"] for page in PAGES}


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"plain text",
        b"<html><body>a post that mentions data-config='{}' in its text</body></html>",
        b"<script>var x = \"<div data-config='{}'>\";</script>",
        b"<!-- <div data-config='{}'> -->",
        "<p>Größe: 5 µm, \u4e2d\u6587</p>".encode(),
        "<p>Größe</p>".encode("latin-1"),
        "<div data-config='{}'>".encode("utf-16"),
        bytes(range(256)) * 40,
        b"<" * 5000,
        b"<div " + b"a='b' " * 5000,
    ],
    ids=range(11),
)
def test_a_page_without_a_configuration_is_left_alone(page: bytes) -> None:
    assert rewrite(page, NOTHING) is None


def test_bytes_of_any_encoding_around_the_configuration_survive() -> None:
    around = bytes(range(128, 256)).decode("latin-1")
    page = page_of(PAGES[0], around="@@").replace(b"@@", around.encode("latin-1"))
    assert rewrite(page, NOTHING) == page


def test_entities_in_the_attribute_are_read_as_a_browser_reads_them() -> None:
    seen: list[dict[str, Any]] = []

    def look(value: dict[str, Any]) -> dict[str, Any]:
        seen.append(value)
        return value

    edits = Edits(config=look, api=NOTHING.api, script=NOTHING.script)
    rewrite(b'<div data-config="{&quot;a&quot;:&quot;x&amp;y&quot;}" data-api="{}">', edits)
    assert seen == [{"a": "x&y"}]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (b"<div data-config='{\"a\":'>", "can't be read"),
        (b"<div data-config='[1]'>", "can't be read"),
        (b"<div data-config='{}'></div><div data-config='{}'>", "two editor configurations"),
        (b"<div data-config='" + b"[" * 100_000 + b"'>", "can't be read"),
    ],
    ids=["broken", "list", "two", "deep"],
)
def test_a_configuration_that_cannot_be_read_is_named(page: bytes, says: str) -> None:
    with pytest.raises(BadAnswerError, match=says):
        rewrite(page, NOTHING)


# --- a line for whoever opens the document -------------------------------------------------------------------------


class Reader(HTMLParser):
    """Reads a page as a browser does: what each element of role status says, and the start tags before it."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.opened: list[tuple[str, dict[str, str | None]]] = []
        self.lines: list[str] = []
        self.before: list[dict[str, str | None]] = []
        self._inside = False
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = ("role", "status") in attrs
        if self._inside:
            self.before += [attributes for _, attributes in self.opened[-1:]]
            self.lines.append("")
        self.opened.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.lines[-1] += data


def test_the_line_is_one_element_of_plain_text_that_needs_no_script() -> None:
    read = Reader(element(LINE).encode())
    ((tag, attributes),) = read.opened
    assert read.lines == [LINE]
    assert (tag, sorted(attributes)) == ("div", ["class", "dir", "role", "style"])
    assert element(LINE).isascii()


@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
def test_the_line_is_added_first_in_the_editor_and_nothing_else_changes(recorded: dict[str, str]) -> None:
    page, asked = page_of(recorded), []

    def notice(key: str, lang: str) -> str:
        asked.append((key, lang))
        return LINE

    edited = rewrite(page, replace(NOTHING, notice=notice))
    assert edited is not None
    added = element(LINE).encode()
    assert edited.count(added) == 1
    assert edited.replace(added, b"") == page
    read = Reader(edited)
    assert read.lines == [LINE]
    assert "data-config" in read.before[0]
    config = json.loads(recorded["config"])
    assert asked == [(config["document"]["key"], config["editorConfig"]["lang"])]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="BRIDGE_RECORDINGS names no directory with the full recordings")
@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
def test_in_a_whole_recorded_page_the_line_stands_before_the_bar(recorded: dict[str, str]) -> None:
    page, added = whole_page(recorded), element(LINE).encode()
    edited = rewrite(page, replace(NOTHING, notice=lambda _key, _lang: LINE))
    assert edited is not None
    assert edited.replace(added, b"") == page
    assert re.search(rb" data-ui-init>" + re.escape(added) + rb'<div style="height:50px;', edited)


@pytest.mark.parametrize("recorded", PAGES, ids=lambda page: page["name"])
@pytest.mark.parametrize("line", [None, ""])
def test_without_a_line_the_page_is_as_it_was(recorded: dict[str, str], line: str | None) -> None:
    page = page_of(recorded)
    assert rewrite(page, replace(NOTHING, notice=lambda _key, _lang: line)) == page


def test_the_line_is_for_the_document_of_the_edited_configuration() -> None:
    asked: list[tuple[str, str]] = []
    verified = {"document": {"key": "verified"}, "editorConfig": {"lang": "de"}}
    edits = replace(NOTHING, config=lambda _: verified, notice=lambda key, lang: asked.append((key, lang)))
    rewrite(page_of(PAGES[0]), edits)
    assert asked == [("verified", "de")]


def test_a_script_after_the_editor_is_still_mapped() -> None:
    script = b'<script src="http://d/ds/web-apps/apps/api/documents/api.js"></script>'
    page = b'<div data-config=\'{"document":{"key":"k"}}\'></div>' + script
    edited = rewrite(page, replace(NOTHING, script=lambda _: "/here", notice=lambda _key, _lang: "waits"))
    added = element("waits").encode()
    assert edited == page.replace(b"'></div>", b"'>" + added + b"</div>").replace(
        script, b'<script src="/here"></script>'
    )


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ('{"document":{"key":"k"},"editorConfig":{"lang":"de-DE"}}', [("k", "de-DE")]),
        ('{"document":{"key":"k"},"editorConfig":{}}', [("k", "")]),
        ('{"document":{"key":"k"},"editorConfig":null}', [("k", "")]),
        ('{"document":{"key":"k"},"editorConfig":{"lang":{"a":1}}}', [("k", "")]),
        ('{"document":{"key":"k"},"editorConfig":{"lang":null}}', [("k", "")]),
        ('{"document":{"key":7},"editorConfig":{"lang":"de"}}', []),
        ('{"document":{"key":""},"editorConfig":{"lang":"de"}}', []),
        ('{"document":["key"],"editorConfig":{"lang":"de"}}', []),
        ("{}", []),
    ],
)
def test_who_is_asked_gets_text_whatever_the_page_holds(config: str, asked: list[tuple[str, str]]) -> None:
    seen: list[tuple[str, str]] = []

    def notice(key: str, lang: str) -> str:
        seen.append((key, lang))
        return "waits"

    edited = rewrite(f"<div data-config='{config}'></div>".encode(), replace(NOTHING, notice=notice))
    assert seen == asked
    assert edited is not None
    assert edited.count(b'role="status"') == len(asked)


@pytest.mark.parametrize(
    "hostile",
    [
        "</div><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        '" onmouseover="alert(1)',
        "&lt;script&gt;",
        "\ud83d",
        "\u2028<!--",
    ],
)
def test_hostile_keys_and_languages_stay_text(hostile: str) -> None:
    config = encode({"document": {"key": hostile}, "editorConfig": {"lang": hostile}})
    page = b"<div data-config='" + config + b"'></div>"
    edited = rewrite(page, replace(NOTHING, notice=lambda key, lang: f"{key} {lang}"))
    assert edited is not None
    read = Reader(edited)
    assert [tag for tag, _ in read.opened] == ["div", "div"]
    # Half of a surrogate pair is no character, and HTML has none for it.
    assert read.lines == [f"{hostile} {hostile}".replace("\ud83d", "\ufffd")]


@pytest.mark.parametrize(
    ("lang", "says"),
    [
        ("en", "HumHub could not store them yet"),
        ("en-US", "HumHub could not store them yet"),
        ("de", "HumHub konnte sie noch nicht speichern"),
        ("de-DE", "HumHub konnte sie noch nicht speichern"),
        ("de_AT", "HumHub konnte sie noch nicht speichern"),
        ("DE", "HumHub konnte sie noch nicht speichern"),
        ("", "HumHub could not store them yet"),
        ("den", "HumHub could not store them yet"),
        ("fr-FR", "HumHub could not store them yet"),
        ("<script>", "HumHub could not store them yet"),
        ("x" * 100_000, "HumHub could not store them yet"),
    ],
    ids=range(11),
)
def test_who_waits_is_told_so_in_their_language(lang: str, says: str) -> None:
    assert says in waiting_notice(lang)
