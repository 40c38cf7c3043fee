"""No secret and no token gets into the log, wherever it stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import structlog
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.secret import Secret
from bridge.watch import logs

TOKEN = jwt.encode({"key": "k1"}, "some-secret-0123456789abcdef0123456789")
SECRET = "some-secret-0123456789abcdef0123456789"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiohttp.access").disabled = False
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "value",
    [
        TOKEN,
        f"Bearer {TOKEN}",
        f"/onlyoffice/backend/download?doc={TOKEN}&x=1",
        f"/index.php?r=x&doc={TOKEN}",
        f"/s/social/file/{TOKEN}",
        {"a": [{"b": (TOKEN,)}]},
        {"token": "plain-words"},
        {"Authorization": "Bearer plain-words", "x": 1},
        TOKEN.encode(),
        ValueError(f"no {TOKEN}"),
        [Secret("plain-words")],
        "/cache/files/data/k_1/x?md5=plain-words&expires=1",
        "Authorization: Bearer plain-words",
        "/open?share=plain-words",
        "r=x&doc=plain-words",
        f"https%3A%2F%2Fa%2Fb%3Fdoc%3D{TOKEN}",
        {TOKEN: 1},
        [("Cookie", "PHPSESSID=plain-words"), (b"X-Jwt", b"plain-words")],
        "<CIMultiDict('Cookie': 'PHPSESSID=plain-words; _identity=plain-words')>",
        "b'Cookie: PHPSESSID=plain-words'",
        "X-CSRF-Token: plain-words",
        {"X-CSRF-Token": "plain-words", "access_token": "plain-words", "AuthorizationJwt": "plain-words"},
        '{"key":"k1","token":"plain-words","jwtSession": "plain-words"}',
        r"{\"token\":\"plain-words\"}",
        "{'secret': 'plain-words'}",
        "redis://:plain-words@cache:6379/0",
        "https://user:plain-words@a.test/x",
        "/open?guid=1&amp;doc=plain-words",
        r"/open?guid=1\u0026doc=plain-words",
    ],
    ids=range(29),
)
def test_tokens_are_masked_wherever_they_stand(value: Any) -> None:
    shown = json.dumps(logs.mask({"field": value}))
    for part in (*TOKEN.split("."), "plain-words"):
        assert part not in shown or part == TOKEN.split(".")[0][:3]


@pytest.mark.parametrize(
    "value",
    [
        "k1",
        "/dashboard",
        5,
        None,
        True,
        "eyJ",
        "/file/file/download?guid=a-b",
        {"key": "k1"},
        {"where": "header Authorization", "token": None},
        "Compare the secret in docs.jwt.secrets with the one that Docs uses; they differ.",
        "https://a.test/x?mail=a@b.test",
        ["token", 1, 2],
    ],
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert logs.mask({"field": value}) == {"field": value}


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_token_is_masked_whatever_is_around_it(before: str, after: str) -> None:
    payload = TOKEN.split(".")[1]
    assert payload not in logs.mask(f"{before}{TOKEN}{after}")


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_traceback_is_masked(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style=style)
    try:
        int(f"bad token {TOKEN}")
    except ValueError:
        structlog.get_logger("a").exception("failed", token=TOKEN)
    line = capsys.readouterr().err
    assert "Traceback" in line
    assert TOKEN.split(".")[1] not in line


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")
    structlog.get_logger("a").info("request", leg="docs", site="söcial")
    structlog.get_logger("a").debug("unseen")
    logging.getLogger("aiohttp.server").warning("from %s", "the library")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["leg"], first["site"], first["level"]) == ("request", "docs", "söcial", "info")
    assert (second["event"], second["level"]) == ("from the library", "warning")


def test_a_malformed_request_is_one_warning_without_what_was_sent(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")
    error = BadHttpMessage("Invalid header value:\n\n    b'X-Secret: plain-words\\xff'")
    logging.getLogger("aiohttp.server").error("Error handling request from %s", "192.0.2.7", exc_info=error)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "Error handling request from 192.0.2.7: Invalid header value"
    assert line["level"] == "warning"
    assert "exception" not in line


def test_an_error_of_the_server_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="info", style="json")
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=ValueError(f"at {TOKEN}"))
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["exception"]) == ("error", "ValueError: at eyJ***")


def test_text_is_readable_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="warning", style="text")
    structlog.get_logger("a").warning("request", leg="docs")
    line = capsys.readouterr().err
    assert "leg=docs" in line
    assert "\x1b[" not in line
