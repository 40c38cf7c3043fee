"""No secret and no token gets into the log, wherever it stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import structlog

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
    ],
    ids=range(16),
)
def test_tokens_are_masked_wherever_they_stand(value: Any) -> None:
    shown = json.dumps(logs.mask({"field": value}))
    for part in (*TOKEN.split("."), "plain-words"):
        assert part not in shown or part == TOKEN.split(".")[0][:3]


@pytest.mark.parametrize(
    "value", ["k1", "/dashboard", 5, None, True, "eyJ", "/file/file/download?guid=a-b", {"key": "k1"}]
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert logs.mask({"field": value}) == {"field": value}


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


def test_text_is_readable_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(level="warning", style="text")
    structlog.get_logger("a").warning("request", leg="docs")
    line = capsys.readouterr().err
    assert "leg=docs" in line
    assert "\x1b[" not in line
