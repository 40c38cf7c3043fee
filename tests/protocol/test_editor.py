"""The editor page: what is changed, and that nothing else is."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from bridge.protocol.editor import Edits, encode, rewrite
from bridge.protocol.errors import BadAnswerError

PAGES: list[dict[str, str]] = json.loads((Path(__file__).parents[1] / "data/editor/pages.json").read_text())
RECORDINGS = Path(os.environ.get("BRIDGE_RECORDINGS", "")) / "humhub"
NOTHING = Edits(config=lambda value: value, api=lambda value: value, script=lambda source: source)


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
    exchange = json.loads((RECORDINGS / f"{recorded['name']}.json").read_text())
    body = exchange["response"]["body"]
    page = body.encode() if isinstance(body, str) else (RECORDINGS / body["file"]).read_bytes()
    page = gzip.decompress(page) if page.startswith(b"\x1f\x8b") else page
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
