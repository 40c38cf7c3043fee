"""What a handler answers, before it is sent: a value with status, headers and a body or a piece of a file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from multidict import CIMultiDict

HTML = "text/html; charset=UTF-8"
JSON = "application/json; charset=UTF-8"


class HumHubError(Exception):
    """An error that HumHub shows: as a page, or as JSON to AJAX."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class RestError(HumHubError):
    """An error of the rest module's own kind; `more` is told beside it."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(status, message)
        self.more = more


class InternalError(HumHubError):
    """An error whose cause HumHub doesn't tell."""

    def __init__(self, cause: str = "") -> None:
        super().__init__(500, "An internal server error occurred.")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a file on disk."""

    path: Path
    start: int
    length: int


@dataclass(slots=True)
class Answer:
    """One answer; `headers` are the handler's own, those of every answer are added later."""

    status: int = 200
    content_type: str | None = HTML
    body: bytes | Piece = b""
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    needs_csrf_cookie: bool = False
    reopens_session: bool = False
    forgets_cache_rules: bool = False
    """It has its own Cache-Control."""

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, Piece) else len(self.body)


def html(text: str, status: int = 200, *, page: bool = False) -> Answer:
    """Answer with a fragment, or with a whole page, which carries the CSRF token."""
    return Answer(status=status, body=text.encode(), needs_csrf_cookie=page)


def as_json(value: Any, status: int = 200) -> Answer:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Answer(status=status, content_type=JSON, body=text.encode())


def plain_json_error(status: int, message: str) -> Answer:
    """The shape of errors on routes whose format is JSON whoever asks."""
    return as_json({"name": HTTPStatus(status).phrase, "message": message, "code": 0, "status": status}, status)
