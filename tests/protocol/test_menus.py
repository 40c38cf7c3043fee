"""The tag is put into whole pages, in one place, however they come."""

from __future__ import annotations

import gzip
import itertools
import json
import os
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.errors import BadAnswerError, CutError
from bridge.protocol.menus import Injector, Injects, Repacked, injector, nonce_of, tag, takes_menus

RECORDINGS = Path(os.environ.get("BRIDGE_RECORDINGS", "/nowhere")) / "humhub"
TAG = b'<script src="/onlyoffice-bridge/menu.js" defer></script>'
PAGE = b"<!DOCTYPE html><html><head><title>x</title></head><body>y</body></html>"
HTML = {"Content-Type": "text/html; charset=UTF-8"}

# Each with `@` where the tag belongs; without one, nowhere.
PAGES = [
    b"<!DOCTYPE html><html><head><title>x</title>@</head><body>y</body></html>",
    b"<HTML><HEAD>@</HEAD ><BODY>y",
    b"<html><head><title>no end of the head</title>@<body class='a'>y",
    b"<p>a part of a page</p>",
    b"",
    b"<head><header>@</head>",
    b"<head><bodyguard>@<body>",
    b"<head><!-- </head> -->@</head>",
    b"<head><!-->@</head>",
    b"<head><!-- a -- b --->@</head>",
    b"<head><!-- never ended </head><body>",
    b"<head><script>let a = '</head><body>'</script>@</head>",
    b"<head><SCRIPT src=x>'</head>'</Script >@</head>",
    b"<head><script>never ended </head><body>",
    b"<head><scripted>@</head>",
    b"<head><style>a { content: '</head>' }</style><title></head></title>@</head>",
    b"<head><noscript><link href=a></noscript><script></script><!----><script></script>@</head>",
    "<head><title>Größe \N{SNOWMAN} 1 < 2</title>@</head>".encode(),
    b"<head><<</headless></ head>@</head></head><body></head>",
]


def passed(it: Injects, *chunks: bytes) -> bytes:
    return b"".join([*(it.feed(chunk) for chunk in chunks), it.end()])


def cut(page: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(page) + 1) for place in places), len(page)]
    return [page[start:end] for start, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("marked", PAGES)
def test_the_tag_stands_before_the_end_of_the_head(marked: bytes) -> None:
    page = marked.replace(b"@", b"")
    expected = marked.replace(b"@", TAG)
    it = Injector(TAG)
    assert passed(it, page) == expected
    assert it.injected is (b"@" in marked)
    assert passed(Injector(TAG), *[page[n : n + 1] for n in range(len(page))]) == expected


@given(st.sampled_from(PAGES), st.lists(st.integers(min_value=0, max_value=200)))
def test_how_a_page_is_cut_makes_no_difference(marked: bytes, places: list[int]) -> None:
    page = marked.replace(b"@", b"")
    assert passed(Injector(TAG), *cut(page, places)) == marked.replace(b"@", TAG)


PIECES = [
    "<head>",
    "</head>",
    "<body>",
    "</body",
    "<!--",
    "-->",
    "--",
    "<script>",
    "</script>",
    "<style ",
    "</style>",
    "<",
    ">",
    "a",
    " ",
]


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.integers(min_value=0, max_value=400)), st.integers(0, 80))
def test_whatever_is_cut_comes_out_as_the_whole_would(pieces: list[str], places: list[int], limit: int) -> None:
    page = "".join(pieces).encode()
    whole = passed(Injector(TAG, limit), page)
    assert passed(Injector(TAG, limit), *cut(page, places)) == whole
    assert whole.replace(TAG, b"", 1) == page


@given(st.binary(), st.lists(st.integers(min_value=0, max_value=200)))
def test_what_has_no_head_passes_as_it_is(page: bytes, places: list[int]) -> None:
    assert passed(Injector(TAG), *cut(page, places)).replace(TAG, b"", 1) == page


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
def test_a_head_that_does_not_end_in_time_stays_without_the_tag(step: int) -> None:
    page = b"<head>" + b"<meta name=a>" * 100 + b"</head><body>"
    chunks = [page[n : n + step] for n in range(0, len(page), step)]
    assert passed(Injector(TAG, limit=1200), *chunks) == page
    assert TAG in passed(Injector(TAG, limit=1400), *chunks)


def test_little_of_a_page_is_held() -> None:
    it = Injector(TAG)
    sent = it.feed(b"<head>" + b"x" * 1000)
    assert len(sent) > 980
    assert it.feed(b"</head>" + b"y" * 1000).endswith(TAG + b"</head>" + b"y" * 1000)
    assert it.feed(b"z") == b"z"
    assert it.end() == b""


@pytest.mark.parametrize("step", [1, 9, 1 << 20])
def test_a_packed_page_is_unpacked_and_packed_again(step: int) -> None:
    packed = gzip.compress(PAGE * 50)
    out = passed(Repacked(Injector(TAG)), *[packed[n : n + step] for n in range(0, len(packed), step)])
    assert gzip.decompress(out) == (PAGE * 50).replace(b"</head>", TAG + b"</head>", 1)


def test_a_page_packed_in_two_parts_is_one_page() -> None:
    packed = gzip.compress(PAGE[:30]) + gzip.compress(PAGE[30:])
    assert gzip.decompress(passed(Repacked(Injector(TAG)), packed)) == PAGE.replace(b"</head>", TAG + b"</head>")


def test_a_page_that_unpacks_to_very_much_is_unpacked_in_pieces() -> None:
    page = PAGE + b"\0" * (10 << 20)
    out = passed(Repacked(Injector(TAG)), gzip.compress(page))
    assert len(out) < 100_000
    assert len(gzip.decompress(out)) == len(page) + len(TAG)


def test_no_page_at_all_stays_none() -> None:
    assert passed(Repacked(Injector(TAG))) == b""


def test_a_broken_page_does_not_look_whole() -> None:
    packed = gzip.compress(os.urandom(5000))
    it = Repacked(Injector(TAG))
    it.feed(packed[:3000])
    with pytest.raises(CutError):
        it.end()
    with pytest.raises(BadAnswerError):
        Repacked(Injector(TAG)).feed(b"no gzip at all")


@pytest.mark.parametrize(
    ("coding", "kind"),
    [
        ("", Injector),
        ("identity", Injector),
        ("gzip", Repacked),
        ("X-GZIP", Repacked),
        ("br", None),
        ("gzip, gzip", None),
    ],
)
def test_a_coding_that_is_not_known_is_left_alone(coding: str, kind: type[Injects] | None) -> None:
    made = injector(TAG, coding)
    assert made is None if kind is None else type(made) is kind


@pytest.mark.parametrize(
    ("status", "answered", "method", "asked", "takes"),
    [
        (200, HTML, "GET", {}, True),
        (200, {"Content-Type": "TEXT/HTML"}, "GET", {"Sec-Fetch-Dest": "document"}, True),
        (200, HTML, "GET", {"Sec-Fetch-Dest": "empty"}, False),
        (200, HTML, "GET", {"X-Requested-With": "XMLHttpRequest"}, False),
        (200, HTML, "GET", {"X-PJAX": "true"}, False),
        (200, HTML, "HEAD", {}, False),
        (200, HTML, "POST", {}, False),
        (403, HTML, "GET", {}, False),
        (206, HTML, "GET", {}, False),
        (200, {**HTML, "Content-Disposition": 'attachment; filename="a.html"'}, "GET", {}, False),
        (200, {"Content-Type": "application/json"}, "GET", {}, False),
        (200, {}, "GET", {}, False),
    ],
)
def test_only_whole_pages_take_menus(
    status: int, answered: dict[str, str], method: str, asked: dict[str, str], takes: bool
) -> None:
    assert takes_menus(status, answered, method=method, asked=asked) is takes


@pytest.mark.parametrize(
    ("policies", "nonce"),
    [
        ([], None),
        (["default-src *; script-src 'nonce-a/b+c=' 'self' 'unsafe-inline'; style-src *"], "a/b+c="),
        (["script-src 'self'", "SCRIPT-SRC 'NONCE-abc'"], "abc"),
        (["default-src 'nonce-abc'"], "abc"),
        (["default-src 'nonce-abc'; script-src 'self'"], None),
        (["script-src 'nonce-abc'; script-src 'nonce-late'"], "abc"),
        (["script-src-elem 'nonce-elem'; script-src 'nonce-abc'"], "elem"),
        (["style-src 'nonce-abc';;"], None),
        (["img-src *, script-src 'nonce-second'"], "second"),
    ],
)
def test_the_nonce_is_the_one_that_scripts_may_have(policies: list[str], nonce: str | None) -> None:
    assert nonce_of(policies) == nonce


def test_the_tag_names_the_script_and_nothing_else() -> None:
    assert tag("/onlyoffice-bridge/menu.js") == TAG
    assert tag('/ü"b/menu.js', 'a"b') == b'<script src="/&#252;&quot;b/menu.js" defer nonce="a&quot;b"></script>'


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="BRIDGE_RECORDINGS names no directory with the full recordings")
def test_recorded_pages_take_the_tag_and_parts_of_pages_do_not() -> None:
    whole = set()
    for path in sorted(RECORDINGS.glob("8*.json")):
        if path.name.endswith(".resp.json"):
            continue
        it = json.loads(path.read_text("utf-8"))
        answered, asked = dict(it["response"]["headers"]), dict(it["request"]["headers"])
        body = it["response"]["body"]
        raw = (RECORDINGS / body["file"]).read_bytes() if isinstance(body, dict) else body.encode()
        if takes_menus(it["response"]["status"], answered, method="GET", asked=asked):
            whole.add(path.stem)
            nonce = nonce_of([answered["Content-Security-Policy"]])
            assert nonce is not None
            vouched = tag("/onlyoffice-bridge/menu.js", nonce)
            page = passed(Injector(vouched), raw)
            assert page.replace(vouched, b"", 1) == raw
            assert vouched + b"</head>" in page
            packed = zlib.compress(raw, wbits=31)
            assert gzip.decompress(passed(Repacked(Injector(vouched)), packed)) == page
    names = ("cfiles-browse", "dashboard", "post-view", "space-page")
    assert whole == {f"8{kind}-{name}" for kind in ("nomod", "withmod") for name in names}
