"""Errors in the shape that each party expects."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from bridge.legs.answers import Failure, Kind, answer
from bridge.protocol.errors import (
    BadAnswerError,
    BadRequestError,
    BridgeError,
    NoRouteError,
    OverloadError,
    RefusedError,
    StorageError,
    TokenError,
    TooLargeError,
    UnreachableError,
    UpstreamTimeoutError,
)


def body_of(error: Exception, kind: Kind) -> tuple[int, bytes]:
    given = answer(Failure.of(error), kind, error=1, request_id="r1")
    body = given.body if isinstance(given, web.Response) else None
    return given.status, bytes(body) if isinstance(body, bytes) else b""


@pytest.mark.parametrize(
    ("error", "conversion", "command"),
    [
        (TokenError("x"), -8, 6),
        (BadRequestError("x"), -7, 5),
        (RefusedError("x"), -7, 3),
        (TooLargeError("x"), -7, 3),
        (NoRouteError("x"), -7, 3),
        (UpstreamTimeoutError("x"), -2, 3),
        (UnreachableError("x"), -1, 3),
        (BadAnswerError("x"), -1, 3),
        (ValueError("x"), -1, 3),
    ],
)
def test_docs_own_codes_to_humhub(error: Exception, conversion: int, command: int) -> None:
    assert body_of(error, Kind.CONVERSION) == (200, f'{{"error":{conversion}}}'.encode())
    status, xml = body_of(error, Kind.CONVERSION_XML)
    assert status == 200
    assert xml.endswith(f"<FileResult><Error>{conversion}</Error></FileResult>".encode())
    assert body_of(error, Kind.COMMAND) == (200, json.dumps({"error": command}).encode())


@pytest.mark.parametrize(
    ("error", "status"),
    [(TokenError("x"), 403), (BadAnswerError("x"), 502), (StorageError("x"), 507), (web.HTTPNotFound(), 404)],
)
def test_messages_and_files(error: Exception, status: int) -> None:
    assert body_of(error, Kind.FILE) == (status, b"")
    found, raw = body_of(error, Kind.MESSAGE)
    assert found == status
    assert json.loads(raw)["error"] == 1
    assert json.loads(raw)["request_id"] == "r1"


def test_a_callback_never_hears_what_docs_would_repeat() -> None:
    for error in (StorageError("x"), OverloadError("x"), BadAnswerError("x"), ValueError("x")):
        status, raw = body_of(error, Kind.CALLBACK)
        assert (status, json.loads(raw)["error"]) == (200, 1)
    assert body_of(TokenError("x"), Kind.CALLBACK)[0] == 403


def test_a_page_escapes_what_it_shows() -> None:
    given = answer(Failure.of(BridgeError("<b>&")), Kind.PAGE, error=True, request_id='"><script>')
    assert isinstance(given, web.Response)
    assert given.text is not None
    assert "<b>" not in given.text
    assert "<script>" not in given.text
    assert "&lt;b&gt;&amp;" in given.text


def test_remedies_are_for_the_log_alone() -> None:
    error = BadAnswerError("What.", remedy="Inner advice.", upstream="http://10.0.0.1")
    for kind in Kind:
        assert b"Inner" not in body_of(error, kind)[1]
        assert b"10.0.0.1" not in body_of(error, kind)[1]


def test_headers_of_the_protocol_stay() -> None:
    given = answer(Failure.of(web.HTTPMethodNotAllowed("PUT", ["GET"])), Kind.FILE, error=1, request_id="r")
    assert given.headers["Allow"] == "GET"
    given = answer(Failure.of(OverloadError("x")), Kind.MESSAGE, error=1, request_id="r")
    assert given.headers["Retry-After"]
