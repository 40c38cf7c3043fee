"""Document keys, and where they are found."""

from __future__ import annotations

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.errors import BadRequestError, RefusedError
from bridge.protocol.keys import is_key, key_of_file, read_doc_hash, stem

INNER = "humhub-internal-0123456789abcdef0123456789"


@pytest.mark.parametrize("key", ["a28961c0398d3d54d007", "Ab-._=9", "x" * 128])
def test_keys(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "x" * 129, "a/b", "a b", "ä", "a\n", None, 5])
def test_what_is_no_key(key: object) -> None:
    assert not is_key(key)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/cache/files/data/a28961c0398d3d54d007_7658/output.docx/output.docx", "a28961c0398d3d54d007"),
        ("/cache/files/data/conv_c1_513/output.pdf/output.pdf", "c1"),
        ("/cache/files/data/with_under_12_7/output.docx/output.docx", "with_under_12"),
        ("/9.0.0-ab12/cache/files/data/k_1/changes.zip/changes.zip", "k"),
        ("/cache/files/data/k/media/image1.png", "k"),
        ("/cache/files/data/k_1/media/image1.png", "k_1"),
        ("/cache/files/data/k_1/Editor.bin/Editor.bin", "k_1"),
        ("/cache/files/data/k_1/origin.pdf/origin.pdf", "k_1"),
        ("/cache/files/data/k_1_2/changes.zip/changes.zip", "k_1"),
        ("/cache/files/data/k_1_2/formsdata.json/formsdata.json", "k_1"),
        (
            "/cache/files/data/conv_a28961c0398d3d54d0071795490541_65/output.docx/x.docx",
            "a28961c0398d3d54d0071795490541",
        ),
        ("/cache/files/data/conv_check_1795490541000_65/output.docx/x.docx", "check_1795490541000"),
        ("/storage-cache/files/data/k_1_2/output.docx/output.docx", "k_1"),
        ("/storage-cache/files/forgotten/k_1/output.docx/output.docx", "k_1"),
        ("/cache/files/data/conv_c7b_1029/output.zip/x.zip", "c7b"),
        ("/cache/files/forgotten/k_1/output.docx/output.docx", "k_1"),
    ],
)
def test_the_key_in_a_files_path(path: str, key: str) -> None:
    assert key_of_file(path) == key


@pytest.mark.parametrize("path", ["/cache/files/", "/internal/k_1/x", "/cache/files/data/a%20b_1/x"])
def test_a_path_without_a_key_is_refused(path: str) -> None:
    with pytest.raises(RefusedError):
        key_of_file(path)


# Where Docs puts files of a key. Source: ONLYOFFICE/server, canvasservice, converterservice and fileuploaderservice.
PLACES = (
    "data/{key}/Editor.bin/Editor.bin",
    "data/{key}/media/image1.png",
    "data/{key}/origin.pdf/origin.pdf",
    "data/{key}_{n}/output.docx/output.docx",
    "data/{key}_{n}/changes.zip/changes.zip",
    "data/{key}_{n}/formsdata.json/formsdata.json",
    "data/conv_{key}_{n}/output.pdf/a b.pdf",
    "data/conv_{key}_{n}/output.zip/thumbnails.zip",
    "forgotten/{key}/output.docx/output.docx",
)
AFFIXED = st.lists(st.sampled_from(["conv_", "_12", "_", "a", "7", "-"]), min_size=1).map("".join)


@given(AFFIXED | st.from_regex(r"[0-9A-Za-z._=-]{1,60}", fullmatch=True), st.integers(0, 10_000))
def test_the_path_of_every_file_tells_its_keys_stem(key: str, n: int) -> None:
    for place in PLACES:
        assert stem(key_of_file("/cache/files/" + place.format(key=key, n=n))) == stem(key)


@pytest.mark.parametrize(
    ("key", "common"),
    [("a28961c0398d3d54d007", "a28961c0398d3d54d007"), ("check_1795", "check"), ("conv_a_1", "a"), ("a_b", "a_b")]
    + [("_1_2", ""), ("", "")],
)
def test_a_stem_is_a_key_without_what_docs_puts_around_it(key: str, common: str) -> None:
    assert stem(key) == common


def test_the_claims_of_a_doc_hash_are_read() -> None:
    found = read_doc_hash(jwt.encode({"key": "k1", "userGuid": "u"}, INNER))
    assert (found.key, found.empty) == ("k1", False)
    found = read_doc_hash(jwt.encode({"isEmpty": True, "key": "k1"}, INNER))
    assert (found.key, found.empty) == (None, True)


@pytest.mark.parametrize("doc", ["", "x", "a.b.c", "a.e30.c", jwt.encode({"key": "a/b"}, INNER), "a.ä.c", "a.W10.c"])
def test_what_is_no_doc_hash_is_named(doc: str) -> None:
    with pytest.raises(BadRequestError):
        read_doc_hash(doc)
