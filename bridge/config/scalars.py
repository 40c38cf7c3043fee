"""The single values of bridge.yaml: each function reads one kind of them, or refuses it with a remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ByteSize, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError
from yarl import URL

from bridge.protocol.formats import all_formats, by_name
from bridge.protocol.secret import Secret

__all__ = [
    "parse_base_path",
    "parse_count",
    "parse_docs_path",
    "parse_duration",
    "parse_file",
    "parse_header",
    "parse_name",
    "parse_place",
    "parse_secret",
    "parse_size",
    "parse_span",
    "parse_store",
    "parse_tls_version",
    "read_text",
    "refuse",
]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<count>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d)")
_NAME = re.compile(r"[a-z0-9-]+")
_HEADER = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")
_SEGMENTS = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_SIZE = TypeAdapter(ByteSize)
_TLS_VERSIONS = ("1.2", "1.3")


def refuse(message: str, remedy: str) -> NoReturn:
    """Refuse a value; both sentences are for an administrator."""
    raise PydanticCustomError("refused", "{message}", {"message": message, "remedy": remedy})


def read_text(value: Any, what: str, example: str) -> str:
    """Read a text of which ``what`` and ``example`` tell the administrator."""
    if value is None or value == "":
        refuse(f"{what} is missing", f"Write it here, such as {example}.")
    if not isinstance(value, str):
        refuse(f"{what} is expected here, not {_shown(value)}", f"Write it as a text in quotes, such as {example}.")
    return value.strip()


def parse_secret(value: Any) -> Secret:
    """Read a secret, at whatever length."""
    text = read_text(value, "a secret", '"${NAME}" or "file:NAME"')
    if text.startswith("file://"):
        refuse("a file is named without slashes in front", f'Write "file:{text.removeprefix("file://")}".')
    return Secret(text)


def parse_name(value: Any) -> str:
    """Read the name of a site or node, which stands in URLs and metrics."""
    text = read_text(value, "a name", "social")
    if not _NAME.fullmatch(text):
        tame = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-") or "social"
        refuse(f"{text} can't be a name", f'Use small letters, digits and "-" only, such as "{tame}".')
    return text


def parse_header(value: Any) -> str:
    """Read the name of an HTTP header."""
    text = read_text(value, "the name of a header", "Authorization")
    if not _HEADER.fullmatch(text):
        refuse(f"{text} can't be a header's name", 'Use letters, digits and "-"; names with "_" get lost in proxies.')
    return text


def parse_base_path(value: Any) -> str:
    """Read the path that a HumHub lives below; empty is the root."""
    if value in ("", None):
        return ""
    return _path(read_text(value, "a path", '"/humhub"'), "/humhub")


def parse_docs_path(value: Any) -> str:
    """Read the path that browsers find ONLYOFFICE Docs below."""
    return _path(read_text(value, "a path", "/ds"), "/ds")


def _path(text: str, example: str) -> str:
    if not _SEGMENTS.fullmatch(text) or {".", ".."} & set(text.split("/")):
        tame = "/" + text.strip("/")
        better = tame if _SEGMENTS.fullmatch(tame) and not {".", ".."} & set(tame.split("/")) else example
        refuse(f'"{text}" can\'t be such a path', f'Begin with "/", end without: "{better}".')
    return text


def parse_duration(value: Any) -> float:
    """Read ``500ms``, ``60s``, ``5m``, ``24h``, ``7d`` or a plain 0, in seconds."""
    remedy = 'Write a number and its unit, such as "500ms", "60s", "5m", "24h" or "7d".'
    if value in (0, "0") and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        plain = f'Write its unit, such as "{value}s" for seconds.'
        refuse(f"{_shown(value)} is no duration", plain if _is_number(value) else remedy)
    return float(match["count"]) * _UNITS[match["unit"]]


def parse_span(value: Any) -> float:
    """Read a duration that can't be 0, such as a time limit."""
    seconds = parse_duration(value)
    if seconds <= 0:
        refuse(f"{_shown(value)} leaves no time", 'Write a duration above 0, such as "60s".')
    return seconds


def parse_tls_version(value: Any) -> str:
    """Read a version of TLS; YAML takes one without quotes for a number."""
    text = str(value).strip().upper().removeprefix("TLSV").removeprefix("TLS").strip()
    if text not in _TLS_VERSIONS:
        refuse(f"{_shown(value)} is no version of TLS that can be asked for", 'Write "1.2" or "1.3".')
    return text


def parse_size(value: Any) -> int:
    """Read ``64KiB``, ``100MiB``, ``1GiB``, ``100MB`` or a plain number of bytes."""
    try:
        size = int(_SIZE.validate_python(value if not isinstance(value, bool) else "no"))
    except ValidationError:
        size = 0
    if size <= 0:
        refuse(f"{_shown(value)} is no size", 'Write a number and its unit, such as "64KiB", "100MiB" or "1GiB".')
    return size


def parse_count(value: Any) -> int:
    """Read a whole number from 1 up."""
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) < 1:
        refuse(f"{_shown(value)} is no whole number from 1 up", "Write one, such as 1.")
    return int(text)


def _is_number(value: Any) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?", str(value)) is not None


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value in (None, "") else str(value)


def _join(text: str, info: ValidationInfo) -> Path:
    """Let a relative path begin at the directory of bridge.yaml."""
    base: Path = info.context["directory"] if info.context else Path()
    return base / Path(text).expanduser()


def parse_file(value: Any, info: ValidationInfo) -> Path:
    """Read the path of a file; a relative one begins at the directory of bridge.yaml."""
    return _join(read_text(value, "a path", "/etc/humhub-bridge/cert.pem"), info)


def parse_directory(value: Any, info: ValidationInfo) -> Path:
    """Read a directory of documents; a relative one begins at the directory of bridge.yaml."""
    return _join(read_text(value, "a directory", "/srv/documents"), info)


def parse_format(value: Any) -> str:
    """Read a format that can be edited although something of it gets lost."""
    text = read_text(value, "a format", "odt").lower().removeprefix(".")
    found = by_name(text)
    if found is None or not found.can("lossy-edit"):
        lossy = ", ".join(each.name for each in all_formats() if each.can("lossy-edit"))
        refuse(f"{text} is no format that is edited with losses", f"Name some of: {lossy}.")
    return text


def parse_place(value: Any, info: ValidationInfo) -> Path | URL:
    """Read a directory, or the URL of an object store."""
    text = read_text(value, "a directory", "./data/saves")
    return URL(text) if "://" in text else _join(text, info)


def parse_store(value: Any, info: ValidationInfo) -> str:
    """Read the URL of the store, as its driver takes it: three slashes and a relative path, or four and an absolute."""
    text = read_text(value, "a store", '"sqlite:///./data/bridge.db"')
    scheme, found, rest = text.partition("://")
    if not found or scheme not in ("sqlite", "redis", "rediss"):
        refuse("that is no store", 'Write "sqlite:///PATH", "redis://HOST" or "rediss://HOST".')
    if scheme != "sqlite":
        return text
    if not rest.strip("/"):
        refuse("that store has no path", 'Write "sqlite:///./data/bridge.db".')
    return f"sqlite:///{_join(rest.removeprefix('/'), info)}"
