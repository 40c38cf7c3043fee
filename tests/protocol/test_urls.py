"""Routes inside URLs: recognised in every spelling that their reader takes, and in no other."""

from __future__ import annotations

import pytest
from yarl import URL

from bridge.protocol.errors import BadRequestError, BridgeError, RefusedError
from bridge.protocol.urls import (
    Backend,
    api_script,
    backend_target,
    docs_file,
    homeward,
    split,
    with_shard,
)


@pytest.mark.parametrize(
    ("path", "query", "base", "route"),
    [
        ("/onlyoffice/backend/download", "doc=x", "", Backend.DOWNLOAD),
        ("/onlyoffice/backend/empty-file", "doc=x", "", Backend.EMPTY),
        ("/onlyoffice/backend/track", "doc=x", "", Backend.TRACK),
        ("/index.php", "r=onlyoffice%2Fbackend%2Fdownload&doc=x", "", Backend.DOWNLOAD),
        ("/index.php", "r=onlyoffice/backend/track&doc=x", "", Backend.TRACK),
        ("/", "r=onlyoffice%2Fbackend%2Ftrack&doc=x", "", Backend.TRACK),
        ("/hub/onlyoffice/backend/download", "doc=x", "/hub", Backend.DOWNLOAD),
        ("/hub/index.php", "r=onlyoffice%2Fbackend%2Fdownload&doc=x", "/hub", Backend.DOWNLOAD),
        ("/onlyoffice/backend/download", "doc=x", "/hub", None),
        ("/hubs/onlyoffice/backend/download", "doc=x", "/hub", None),
        ("/onlyoffice/backend/other", "doc=x", "", None),
        ("/onlyoffice/backend/downloads", "doc=x", "", None),
        ("/x/onlyoffice/backend/download", "doc=x", "", None),
        ("/index.php", "r=user%2Fauth%2Flogin&doc=x", "", None),
        ("/index.php", "r=onlyoffice%2Fbackend%2Ftrack&r=onlyoffice%2Fbackend%2Fdownload&doc=x", "", None),
        ("/dashboard", "", "", None),
    ],
)
def test_backend_routes_are_recognised(path: str, query: str, base: str, route: Backend | None) -> None:
    found = backend_target(path, query, base_path=base)
    assert (found.route if found else None) == route
    if found:
        assert (found.target, found.doc) == (f"{path}?{query}", "x")


@pytest.mark.parametrize(
    "query", ["", "doc=a&doc=b", "doc=a&+doc=b", "doc=a&doc%00x=b", "doc=a&doc[]=b", "doc=a&%20doc=b"]
)
def test_a_link_names_one_document(query: str) -> None:
    with pytest.raises(RefusedError):
        backend_target("/onlyoffice/backend/download", query, base_path="")


FILE = "/cache/files/data/k_1/output.docx/%D0%A2%20a%26b%20(x).docx?md5=a&expires=1&shardkey=k&filename=x"


@pytest.mark.parametrize(
    "url",
    [
        FILE,
        f"http://127.0.0.1:8088{FILE}",
        f"https://office.example.com/ds{FILE}",
        f"https://pub.example:8443/a/b{FILE}",
    ],
)
def test_of_a_docs_file_only_path_and_query_count(url: str) -> None:
    assert docs_file(url) == FILE


def test_the_version_before_a_docs_file_goes_since_docs_refuses_it() -> None:
    assert docs_file(f"http://docs/ds/9.0.4-0a1b2c{FILE}") == FILE


@pytest.mark.parametrize(
    "url",
    [
        "http://docs/internal/x",
        "http://docs/cache/files/../../internal/x",
        "http://docs/cache/files/%2e%2e/%2e%2e/internal",
        "http://docs/cache/files//x",
        "http://docs/cache/files/a%2f..%2fb",
        "ftp://docs/cache/files/data/k_1/output.docx",
        "file:///cache/files/data/k_1/output.docx",
        "javascript:/cache/files/",
        "http://docs/?/cache/files/data/x",
        "http://docs/cache/files/a b",
        "http://docs/cache/files/a\tb",
        "http://[/cache/files/a",
        "//docs/cache/files/data/k_1/x",
        "http:///cache/files/data/k_1/x",
    ],
)
def test_anything_else_is_no_docs_file(url: str) -> None:
    with pytest.raises(BridgeError):
        docs_file(url)


@pytest.mark.parametrize(
    ("source", "given"),
    [
        ("http://docs.test:8701/ds/web-apps/apps/api/documents/api.js?shardKey=k", "api.js?shardKey=k"),
        ("/ds/web-apps/apps/api/documents/api.js", "api.js"),
        ("https://docs/9.1.0-ab/web-apps/apps/api/documents/api.js?v=1", "api.js?v=1"),
        ("/assets/1/humhub.onlyoffice.js?v=1", None),
        ("data:text/javascript,1", None),
        ("", None),
        ("https://docs/web-apps/apps/api/documents/api.js.map", None),
    ],
)
def test_the_api_script_is_recognised(source: str, given: str | None) -> None:
    assert api_script(source) == (f"/web-apps/apps/api/documents/{given}" if given else None)


@pytest.mark.parametrize("url", ["http:x", "http://", "ftp://a/b", "a b", "http://a/\nb", "http://[::1/x"])
def test_no_address_is_no_address(url: str) -> None:
    with pytest.raises(BadRequestError):
        split(url)


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("md5=a&shardkey=other&filename=x", "md5=a&shardkey=mine&filename=x"),
        ("shardKey=other", "shardkey=mine"),
        ("a=shardkey=x&myshardkey=y", "a=shardkey=x&myshardkey=y"),
        ("", ""),
    ],
)
def test_the_shard_key_is_the_documents_own(query: str, given: str) -> None:
    assert with_shard(query, "mine") == given


@pytest.mark.parametrize(
    ("url", "origin", "given"),
    [
        # HumHub doesn't believe in https.
        ("http://office.test/dashboard?a=%2f#b", "https://office.test", "https://office.test/dashboard?a=%2f#b"),
        ("HTTP://Office.test/x", "https://office.test", "https://office.test/x"),
        ("http://office.test:80/x", "https://office.test", "https://office.test/x"),
        ("http://office.test:8443/x", "https://office.test:8443", "https://office.test:8443/x"),
        ("http://office.test", "https://office.test", "https://office.test"),
        # It names itself as the bridge calls it, or with the port on which it listens.
        ("http://humhub.lan:8600/app/x", "https://office.test", "https://office.test/x"),
        ("http://humhub.lan:8600/x", "http://office.test:8080", "http://office.test:8080/x"),
        ("https://humhub.lan:8600/x", "http://office.test", "http://office.test/x"),
        ("http://office.test:8600/hub/", "http://office.test", "http://office.test/hub/"),
        ("http://[::1]:8600/hub/", "https://[::1]", "https://[::1]/hub/"),
        # It is right, or leads elsewhere, or would go round in circles.
        ("https://office.test/x", "https://office.test", None),
        ("http://office.test/x", "http://office.test", None),
        ("https://office.test/x", "http://office.test", None),
        ("http://office.test:8081/x", "https://office.test", None),
        ("http://other.test/x", "https://office.test", None),
        ("https://login.example.com/sso?to=http://office.test/", "https://office.test", None),
        ("http://office.test.evil.test/x", "https://office.test", None),
        ("http://a@office.test/x", "https://office.test", None),
        ("/dashboard", "https://office.test", None),
        ("//office.test/x", "https://office.test", None),
        ("", "https://office.test", None),
    ],
)
def test_a_redirect_leads_to_where_the_browser_is(url: str, origin: str, given: str | None) -> None:
    assert homeward(url, origin=origin, inner=URL("http://humhub.lan:8600/app")) == (url if given is None else given)
