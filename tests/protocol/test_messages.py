"""Callbacks, conversions and commands: what is read, what survives, what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.protocol.errors import BadAnswerError, BadRequestError
from bridge.protocol.messages import Callback, Command, Conversion, Status, parse_object

SAVE: dict[str, Any] = {
    "key": "k1",
    "status": 2,
    "url": "http://docs/cache/files/data/k1_1/output.docx/output.docx?md5=a",
    "changesurl": "http://docs/cache/files/data/k1_1/changes.zip/changes.zip?md5=b",
    "history": {"serverVersion": "9", "changes": [{"created": "now"}]},
    "users": ["u1"],
    "unheard": {"of": [1, None]},
}


def mark(url: str) -> str:
    return f"mapped({url})"


def test_a_callback_keeps_what_it_does_not_know_and_maps_its_files() -> None:
    callback = Callback.parse({**SAVE, "formsdataurl": "http://docs/f"})
    assert callback.mapped(mark, url="http://bridge/file/1") == {
        **SAVE,
        "url": "http://bridge/file/1",
        "changesurl": mark(SAVE["changesurl"]),
        "formsdataurl": mark("http://docs/f"),
        "filetype": "docx",
    }


@pytest.mark.parametrize(
    ("fields", "filetype"),
    [({}, "docx"), ({"filetype": "odt"}, "odt"), ({"url": "http://docs/cache/files/x"}, None), ({"url": None}, None)],
)
def test_the_file_type_is_always_there(fields: dict[str, Any], filetype: str | None) -> None:
    assert Callback.parse({**SAVE, **fields}).filetype == filetype


@pytest.mark.parametrize(
    ("status", "url", "brings"),
    [(0, True, False), (1, True, False), (2, True, True), (2, False, False), (3, True, True), (3, False, False)]
    + [(4, True, False), (5, True, False), (6, True, True), (7, True, True), (7, False, False)],
)
def test_which_callbacks_bring_a_file(status: int, url: bool, brings: bool) -> None:
    message = {**SAVE, "status": status, "url": SAVE["url"] if url else None}
    assert Callback.parse(message).brings_file is brings
    assert Callback.parse(message).status is Status(status)


@pytest.mark.parametrize(
    "fields",
    [{"key": None}, {"key": "a/b"}, {"key": 5}, {"status": 8}, {"status": "2"}, {"status": True}, {"status": None}]
    + [{"status": 2.0}, {"url": 5}, {"filetype": []}],
)
def test_a_callback_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        Callback.parse({**SAVE, **fields})


def test_a_conversion_maps_its_file_and_its_result() -> None:
    request = Conversion.parse({"key": "k", "url": "http://hub/x", "async": True, "new": 1})
    assert request.outbound(mark) == {"key": "k", "url": mark("http://hub/x"), "async": True, "new": 1}
    answer = Conversion.answer(b'{"fileUrl":"http://docs/f","percent":100,"new":[1]}', mark)
    assert answer == {"fileUrl": mark("http://docs/f"), "percent": 100, "new": [1]}
    assert Conversion.answer(b'{"error":-4}', mark) == {"error": -4}


@pytest.mark.parametrize("fields", [{"url": "u"}, {"key": "", "url": "u"}, {"key": "k"}, {"key": "k", "url": 5}])
def test_a_conversion_without_key_or_file_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequestError):
        Conversion.parse(fields)


def test_commands() -> None:
    assert Command.parse({"c": "version"}).key is None
    assert Command.parse({"c": "info", "key": "k", "userdata": "u"}).fields["userdata"] == "u"
    assert Command.answer(b'{"error":0,"url":"http://docs/f"}', mark)["url"] == mark("http://docs/f")
    for fields in ({}, {"c": ""}, {"c": "info", "key": "a/b"}, {"c": 5}):
        with pytest.raises(BadRequestError):
            Command.parse(fields)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        parse_object(raw)
    with pytest.raises(BadAnswerError):
        Conversion.answer(raw, mark)
