"""The form of a save as: its file put below the module's serverUrl, every other byte as it was."""

from __future__ import annotations

from urllib.parse import parse_qs, quote_plus

import pytest

from bridge.protocol.errors import BadAnswerError, BadRequestError, RefusedError
from bridge.protocol.saveas import names_saveas, placed

SERVER = "http://docs.public.test:8701/ds"
FILE = "/cache/files/data/k1_12/output.docx/a%20b%26.docx?md5=x-_y&expires=9&shardkey=k1&filename=a%20b%26.docx"


def form(url: str, before: bytes = b"", after: bytes = b"&name=a+b%26.docx") -> bytes:
    return before + b"url=" + quote_plus(url).encode() + after


@pytest.mark.parametrize(
    "base",
    [
        "http://social.test/ds",
        "https://office2.example.com:8443/ds",
        "http://docs.public.test:8701/ds",
        "http://[::1]:8080/ds/9.0.4-0a1b2c",
        "http://social.test/ds/a/b",
        "http://evil.test/internal/..",
        "",
    ],
)
def test_the_file_comes_below_the_modules_server_whatever_stood_before_it(base: str) -> None:
    found = parse_qs(placed(form(base + FILE), SERVER).decode())
    assert found == {"url": [SERVER + FILE], "name": ["a b&.docx"]}


@pytest.mark.parametrize("server", [SERVER, "https://o.example.com", "http://h/a b/ds", "HTTP://UPPER.test"])
def test_the_server_is_put_there_as_the_module_has_it(server: str) -> None:
    assert parse_qs(placed(form(FILE), server).decode())["url"] == [server + FILE]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"_csrf=a%2Bb==&", b"&name=x"),
        (b"name=%C3%BC+%7e&", b"&&="),
        (b"&a[]=1&a%5B%5D=2&", b""),
        (b"name=\xff%zz&URL=x&urls=y&", b"&u%20rl=z"),
    ],
)
def test_every_other_byte_stays(before: bytes, after: bytes) -> None:
    made = placed(form(f"http://x/ds{FILE}", before, after), SERVER)
    assert made == form(SERVER + FILE, before, after)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"name=x",
        form(FILE) + b"&" + form(FILE),
        form(FILE, before=b"url[]=x&"),
        form(FILE, before=b"url%5B0%5D=x&"),
        form(FILE, before=b"+url=x&"),
        form(FILE, before=b"url%00=x&"),
        form(FILE).replace(b"url=", b"url%00x="),
        form(FILE).replace(b"url=", b"%20url="),
        form(FILE).replace(b"url=", b"url%5B%5D="),
        b'{"url":"http://x"}',
    ],
)
def test_what_names_no_file_or_several_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequestError):
        placed(body, SERVER)


@pytest.mark.parametrize(
    "url",
    [
        "http://docs.public.test:8701/ds/coauthoring/CommandService.ashx",
        "http://docs.public.test:8701/ds/info/info.json",
        "http://169.254.169.254/latest/meta-data",
        "http://evil.test/x?y=/cache/files/data/k_1/x",
        "http://evil.test/x#/cache/files/data/k_1/x",
        "http://x/cache/files/",
        "http://x/cache/files/other/k/x",
        "http://x/cache/files/data/k_1/../../../internal",
        "http://x/cache/files/data/k_1/%2e%2e/x",
        "http://x/cache/files/data/k_1//x",
        "http://x/cache/files/data/k_1/a%2fb",
        "http://x/cache/files/data/k 1/x",
        "http://x/cache/files/data/k_1/x\r\nX: y",
        "file:///cache/files/data/k_1/x",
        "//evil.test/cache/files/data/k_1/x",
        "",
    ],
)
def test_what_is_no_file_of_docs_is_refused(url: str) -> None:
    with pytest.raises((BadRequestError, RefusedError)):
        placed(form(url), SERVER)


@pytest.mark.parametrize("server", ["", "/ds", "//docs.public.test/ds", "ftp://x"])
def test_a_module_without_a_whole_address_takes_nothing(server: str) -> None:
    """Its host is compared with the file's, and a path has none."""
    with pytest.raises(BadAnswerError):
        placed(form(FILE), server)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/onlyoffice/api/saveas", ""),
        ("/hub/onlyoffice/api/saveas", ""),
        ("/s/team/onlyoffice/api/saveas", ""),
        ("/index.php", "r=onlyoffice%2Fapi%2Fsaveas"),
        ("/hub/index.php", "cguid=x&r=onlyoffice/api/saveas"),
        ("/", "r=/onlyoffice//api/saveas/"),
        ("/index.php/onlyoffice/api/saveas", ""),
        ("/onlyoffice/api/SaveAs/", ""),
    ],
)
def test_save_as_is_known_in_every_spelling(path: str, query: str) -> None:
    assert names_saveas(path, query)


@pytest.mark.parametrize(
    ("path", "query"),
    [("/onlyoffice/api/rename", ""), ("/onlyoffice/api/saveas2", ""), ("/index.php", "r=x&q=onlyoffice/api/saveas")],
)
def test_other_routes_are_not_save_as(path: str, query: str) -> None:
    assert not names_saveas(path, query)
