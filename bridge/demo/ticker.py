"""What crosses the bridge, as short lines for a person who watches the demo.

Made from the bridge's own log lines: the steps of a document's life are told, assets and pages are not; what went
wrong always is. No path and no token gets in.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

Say = Callable[[str], None]

_WORDS = {
    ("docs", "GET"): "Docs downloads the document from HumHub",
    ("docs", "POST"): "Docs calls HumHub back",
    ("humhub", "GET"): "HumHub fetches a file",
    ("humhub", "POST"): "HumHub calls Docs",
}
# Of the connector's own documents, which somebody's visit stands behind.
_OWN = {
    ("docs", "GET"): "Docs downloads the document",
    ("docs", "POST"): "Docs calls back",
    ("browser", "create"): "a document is created",
    ("browser", "close"): "a page is closed, and its document saved",
    ("browser", "convert"): "a document is converted",
}


def install(say: Say | None) -> None:
    """Send the bridge's log lines to `say`, shortened; with None they are dropped."""

    def process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> NoReturn:
        line = tell(event) if say is not None else None
        if say is not None and line is not None:
            say(f"{time.strftime('%H:%M:%S')}  {line}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.processors.add_log_level, process],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )


def tell(event: Mapping[str, Any]) -> str | None:
    """Shorten one log line; None for what isn't told."""
    if event.get("event") != "request":
        return f"{event.get('level', '')}: {event['event']}" if event.get("level") in {"warning", "error"} else None
    leg, status = str(event.get("leg")), event.get("status")
    if event.get("why") and event.get("remedy"):
        why = str(event["why"]).rstrip(".")
        return f"{leg:<8} {why[:1].upper()}{why[1:]}. {event['remedy']}"
    what = _what(event, leg)
    if what is None:
        return None
    key = f"  {event['key']}" if event.get("key") else ""
    failed = isinstance(status, int) and status >= 400
    return f"{leg:<8} {what}{key}{_size(event)}{f'  {status}' if failed else ''}"


def _what(event: Mapping[str, Any], leg: str) -> str | None:
    if event.get("editor") or event.get("mode"):
        return (
            f"an editor's page, to {event['mode']}" if event.get("mode") else "an editor's page, signed anew for Docs"
        )
    words = _OWN if event.get("visitor") else _WORDS
    if event.get("callback"):
        said = str(event["callback"]).replace("_", " ")
        return f"{words['docs', 'POST']}: {said}, {event.get('outcome')}"
    if event.get("conversion") is not None:
        return f"HumHub has a document converted: {event['conversion']}"
    if event.get("command"):
        return f"HumHub sends the command {event['command']}"
    if leg == "browser" and event.get("method") == "POST":
        return _OWN.get((leg, str(event.get("path")).rpartition("/")[2]))
    return words.get((leg, str(event.get("method"))))


def _size(event: Mapping[str, Any]) -> str:
    size = event.get("bytes_out")
    return f"  {size / 1000:.1f} kB" if isinstance(size, int) and size >= 1000 else ""
