"""The log: structured lines, JSON for machines or text for people, every secret and token masked on its way out.

Masking is the last step before a line is printed, over whatever is in it: a token may come in a field, in the text of
an error, deep in a traceback. What counts as one:

* a JWT anywhere, ``eyJ….….…``;
* the value of a query parameter that carries or is a signature (``doc``, ``token``, ``md5``, …), and of a JSON field
  that is named like one;
* the capability in a ``/file/…`` path of ours;
* what stands after ``Cookie:``, ``Authorization:`` and the like, after ``Bearer``, and before the ``@`` of a URL;
* the whole value of a field that is named like a secret, and every :class:`Secret`, which masks itself.

Whoever connects can send what isn't HTTP. The server logs that as an error with a traceback and the bytes it got; here
it becomes one line without them.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any

import structlog
from aiohttp.http import HttpProcessingError

__all__ = ["configure", "mask"]

_MASK = "***"
_TOKEN = re.compile(r"eyJ[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*){1,2}")
_PARAMETER = re.compile(
    r"(?P<name>(?:[?&;\s\"'(,]|^|\\u0026|%3[fF]|%26)(?:doc|token|jwt|md5|share|secret|password|_csrf|sid)(?:=|%3[dD]))[^&\s\"'<>#]+",
    re.IGNORECASE,
)
_CAPABILITY = re.compile(r"(?P<name>/file/)[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)+")
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic|Impersonate)\s+)[^\s\"',]+", re.IGNORECASE)
_JSON = re.compile(r"(?P<name>[\"'](?:token|jwt\w*|secrets?|password)\\*[\"']\s*:\s*\\*[\"'])[^\"'\\]+", re.IGNORECASE)
_HEADER = re.compile(
    r"(?P<name>\b(?:Cookie|(?:Proxy-)?Authorization|X-CSRF-Token)(?:[\"']?\s*:\s*[\"']?|[\"'],\s*[\"']))[^\r\n\"']+",
    re.IGNORECASE,
)
_USER = re.compile(r"(?P<name>\b[a-z][a-z0-9+.-]*://)[^/\s@?#\"']+(?=@)", re.IGNORECASE)
_SECRET_NAME = re.compile(r".*(?:authorization|cookie|csrf|secret|token|password|jwt)s?", re.IGNORECASE | re.DOTALL)


def mask(value: Any) -> Any:
    """Give ``value`` with every secret and token in it masked, however deep."""
    if isinstance(value, str):
        return _masked(value)
    if isinstance(value, bytes):
        return _masked(value.decode("latin-1"))
    if isinstance(value, Mapping):
        return {
            _masked(str(name)): _MASK if inner and _names_a_secret(name) else mask(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return _members(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _masked(str(value))


def _members(values: Collection[Any]) -> list[Any]:
    match values:
        case (str() | bytes() as name, inner) if _names_a_secret(name):
            # A header, as a pair.
            return [mask(name), _MASK if inner else inner]
        case _:
            return [mask(inner) for inner in values]


def _names_a_secret(name: object) -> bool:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return _SECRET_NAME.fullmatch(text) is not None


def _masked(text: str) -> str:
    text = _TOKEN.sub("eyJ" + _MASK, text)
    for pattern in (_CAPABILITY, _PARAMETER, _JSON, _HEADER, _BEARER, _USER):
        text = pattern.sub(rf"\g<name>{_MASK}", text)
    return text


def _mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    masked: dict[str, Any] = mask(event)
    return masked


class _Malformed(logging.Filter):
    """Let a malformed request be one warning, without what was sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            what = error.message.strip().partition(":")[0]
            record.msg, record.args = "%s: %s", (record.getMessage(), what)
            record.exc_info = record.exc_text = None
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


_MALFORMED = _Malformed()


def configure(*, level: str, style: str) -> None:
    """Set the log up for the process, aiohttp's own lines included.

    Args:
        level: debug, info, warning or error.
        style: json, one object a line, or text.
    """
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, _mask_event, structlog.processors.JSONRenderer(ensure_ascii=False)]
        if style == "json"
        else [structlog.processors.format_exc_info, _mask_event, structlog.dev.ConsoleRenderer(colors=_colours())]
    )
    structlog.configure(
        processors=[*common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # One canonical line a request is ours; the library's own would say it twice, with tokens.
    logging.getLogger("aiohttp.access").disabled = True
    logging.getLogger("aiohttp.server").addFilter(_MALFORMED)


def _colours() -> bool:
    return sys.stderr.isatty()
