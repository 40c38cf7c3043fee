"""HumHub's pages: recognised in every spelling that HumHub and PHP take."""

from __future__ import annotations

import pytest

from bridge.protocol.pages import Asked, Page, info_target, names_backend, page_of, spelt_once

OPEN, CONVERT = Page.OPEN, Page.CONVERT


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [
        ("/onlyoffice/open", "guid=a&mode=edit", OPEN),
        ("/onlyoffice/open/", "guid=a", OPEN),
        ("/onlyoffice/open/index", "guid=a", OPEN),
        ("/onlyoffice/open", "share=a&r=x", OPEN),
        ("/OnlyOffice/Open", "guid=a", OPEN),
        ("/only%6fffice/open", "guid=a", OPEN),
        ("/index.php/onlyoffice/open", "guid=a", OPEN),
        ("/s/team/onlyoffice/open", "guid=a", OPEN),
        ("/u/alice/onlyoffice/open/index", "guid=a", OPEN),
        ("/index.php/s/team/onlyoffice/open", "guid=a", OPEN),
        ("/index.php", "r=onlyoffice%2Fopen&guid=a", OPEN),
        ("/index.php", "r=onlyoffice/open&guid=a", OPEN),
        ("/index.php", "guid=a&r=%2Fonlyoffice%2Fopen%2Findex", OPEN),
        ("/index.php", "r=dashboard&r=onlyoffice%2Fopen", OPEN),
        ("/index.php", "+r[]=onlyoffice%2Fopen", OPEN),
        ("/", "r=onlyoffice%2Fopen", OPEN),
        ("/anything", "r=onlyoffice%2Fopen", OPEN),
        ("/hub/onlyoffice/open", "guid=a", OPEN),
        ("/hub/s/team/onlyoffice/open", "guid=a", OPEN),
        ("/hub/index.php", "r=onlyoffice%2Fopen&guid=a", OPEN),
        ("/onlyoffice/convert/convert", "guid=a&ts=1&newName=b", CONVERT),
        ("/hub/index.php", "r=onlyoffice%2Fconvert%2Fconvert&guid=a", CONVERT),
        ("/onlyoffice/convert", "guid=a", None),
        ("/onlyoffice/open/get-info", "guid=a", None),
        ("/onlyoffice/opened", "", None),
        ("/xonlyoffice/open", "guid=a", None),
        ("/onlyoffice/open/x", "guid=a", None),
        ("/search", "q=onlyoffice/open", None),
        ("/dashboard", "", None),
        ("/", "", None),
    ],
)
def test_pages_that_may_make_a_key_are_recognised(path: str, query: str, page: Page | None) -> None:
    assert page_of(path, query) == page


@pytest.mark.parametrize(
    ("query", "share", "guid"),
    [
        ("guid=a-1&mode=edit", "", "a-1"),
        ("mode=edit&guid=b&guid=a-1", "", "a-1"),
        ("guid=b&guid[]=a-1", "", "a-1"),
        ("+guid=a-1", "", "a-1"),
        ("share=5f&guid=a-1", "5f", "a-1"),
        ("share=&guid=a-1", "", "a-1"),
        ("share=0&guid=a-1", "", "a-1"),
        ("GUID=a-1", "", ""),
        ("", "", ""),
    ],
)
def test_an_open_names_its_file_as_php_reads_it(query: str, share: str, guid: str) -> None:
    assert Asked.parse(query) == Asked(share, guid)


@pytest.mark.parametrize("text", ["1A2b-3c", "1a2b-3C", "1a2b-3c ", "1\u00e02b-3c", "1a2b3c"])
def test_what_the_database_takes_for_equal_is_spelt_alike(text: str) -> None:
    assert spelt_once(text) == "1a2b3c"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/onlyoffice/open", "/onlyoffice/open/get-info?share=5f%26"),
        ("/onlyoffice/open/", "/onlyoffice/open/get-info?share=5f%26"),
        ("/hub/onlyoffice/open/index", "/hub/onlyoffice/open/get-info?share=5f%26"),
        ("/index.php/s/team/onlyoffice/open", "/index.php/s/team/onlyoffice/open/get-info?share=5f%26"),
        ("/hub/index.php", "/hub/index.php?r=onlyoffice%2Fopen%2Fget-info&share=5f%26"),
        ("/", "/?r=onlyoffice%2Fopen%2Fget-info&share=5f%26"),
    ],
)
def test_a_share_links_file_is_asked_for_beside_the_open(path: str, target: str) -> None:
    assert info_target(path, "5f&") == target


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/onlyoffice/backend/download", ""),
        ("/ONLYOFFICE/Backend/track", ""),
        ("/onlyoffice%2Fbackend%2Ftrack", ""),
        ("/onlyoffice//backend/track", ""),
        ("/onlyoffice%5Cbackend/track", ""),
        ("/index.php/onlyoffice/backend/track", ""),
        ("/hub/onlyoffice/backend/track", ""),
        ("/s/space/onlyoffice/backend/track", ""),
        ("/index.php", "r=onlyoffice%2Fbackend%2Ftrack"),
        ("/index.php", "a=1&r=user/login&r=/onlyoffice/backend/track"),
        ("/index.php", "+r=onlyoffice/backend/track"),
        ("/index.php", "r%00=onlyoffice/backend/track"),
        ("/index.php", "r[]=onlyoffice/backend/track"),
        ("/dashboard", "r=OnlyOffice/Backend/download"),
    ],
)
def test_browsers_reach_no_backend_route_in_any_spelling(path: str, query: str) -> None:
    assert names_backend(path, query)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/onlyoffice/open", "guid=x"),
        ("/dashboard", ""),
        ("/search", "q=onlyoffice/backend/download"),
        ("/s/backend/", ""),
        ("/onlyoffice/backends", ""),
    ],
)
def test_other_pages_are_no_backend_routes(path: str, query: str) -> None:
    assert not names_backend(path, query)
