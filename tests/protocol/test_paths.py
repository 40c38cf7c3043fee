"""Paths with more than one reading are refused; spellings of one URL are equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.errors import BadRequestError
from bridge.protocol.paths import normalise, same_target


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/a",
        "/a/",
        "/a/b.c",
        "/a/..b/c",
        "/a/...",
        "/%D0%A2%20a%26b%20(x).pdf",
        "/a;v=1/b",
        "/f%FCr/%e0%a4%85%f0%9f%98%80",
        "/~a/-_.!$'()*+,=:@",
    ],
)
def test_a_path_with_one_reading_passes_as_it_came(path: str) -> None:
    assert normalise(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a",
        "//a",
        "/a//b",
        "/a//",
        "/./a",
        "/a/.",
        "/a/..",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/%2E./b",
        "/a/.%2e",
        "/a/..;x/b",
        "/a/.;/b",
        "/a%2fb",
        "/a%2F..%2Fb",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/a%0d%0ab",
        "/a%7fb",
        "/a b",
        "/a\x00",
        "/a%",
        "/a%4",
        "/a%zz",
        "/a/%c0%ae%c0%ae/b",
        "/a%C1%9Cb",
        "/a%e0%80%afb",
        "/a%F0%80%80%AFb",
        "/a%f8%80%80%80%afb",
        "/a%fc%80%80%80%80%afb",
        "/ä",
        "http://a/b",
        "*",
    ],
)
def test_a_path_with_two_readings_is_refused(path: str) -> None:
    with pytest.raises(BadRequestError):
        normalise(path)


@given(st.text(alphabet="/.%2eEfF5cC;ab\\ \x00", max_size=20))
def test_what_passes_has_no_dots_and_no_empty_segment(tail: str) -> None:
    try:
        path = normalise("/" + tail)
    except BadRequestError:
        return
    assert normalise(path) == path
    lower = path.lower().replace("%2e", ".")
    assert "//" not in lower
    assert "/../" not in f"{lower}/"
    assert "%2f" not in lower


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/b?x=%D1%82 y", "http://a/b?x=т%20y", True),
        ("/a%7Eb%2d", "/a~b-", True),
        ("/%d1%82", "/%D1%82", True),
        ("/a%2fb", "/a/b", False),
        ("/a%3Fb", "/a?b", False),
        ("/a?b=%26", "/a?b=&", False),
        ("/a?b=+", "/a?b=%20", False),
        ("/a", "/b", False),
        ("http://a/b", "http://c/b", False),
    ],
)
def test_spellings_of_one_target_are_the_same(one: str, other: str, same: bool) -> None:
    assert same_target(one, other) is same
