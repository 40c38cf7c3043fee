"""The log: structured lines, JSON for machines or text for people, every secret and token masked on its way out.

Masking is the last step before a line is printed, over whatever is in it: a token may come in a field, in the text of
an error, deep in a traceback. What counts as one:

* a JWT anywhere, ``eyJ….….…``;
* the value of a query parameter that carries or is a signature (``doc``, ``token``, ``md5``, …);
* the capability in a ``/file/…`` path of ours;
* the whole value of a field that is named like a secret, and every :class:`Secret`, which masks itself.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

__all__ = ["configure", "mask"]

_MASK = "***"
_TOKEN = re.compile(r"eyJ[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*){1,2}")
_PARAMETER = re.compile(
    r"(?P<name>(?:[?&\s]|^|%3[fF]|%26)(?:doc|token|jwt|md5|share|secret|password|_csrf|sid)(?:=|%3[dD]))[^&\s\"'<>#]+",
    re.IGNORECASE,
)
_CAPABILITY = re.compile(r"(?P<name>/file/)[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)+")
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic|Impersonate)\s+)[^\s\"',]+", re.IGNORECASE)
_SECRET_NAMES = frozenset(("authorization", "cookie", "set-cookie", "secret", "secrets", "token", "password", "jwt"))


def mask(value: Any) -> Any:
    """Give ``value`` with every secret and token in it masked, however deep."""
    if isinstance(value, str):
        return _masked(value)
    if isinstance(value, bytes):
        return _masked(value.decode("latin-1"))
    if isinstance(value, Mapping):
        return {
            name: _MASK if str(name).lower() in _SECRET_NAMES and inner else mask(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [mask(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _masked(str(value))


def _masked(text: str) -> str:
    text = _TOKEN.sub("eyJ" + _MASK, text)
    for pattern in (_CAPABILITY, _PARAMETER, _BEARER):
        text = pattern.sub(rf"\g<name>{_MASK}", text)
    return text


def _mask_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    masked: dict[str, Any] = mask(event)
    return masked


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


def _colours() -> bool:
    return sys.stderr.isatty()
