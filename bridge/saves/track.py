"""HumHub's track route: told of a callback, and its answer read by the table of ``docs/saves.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from bridge.protocol.messages import Callback, Status
from bridge.saves.flights import End
from bridge.store.records import Entry

__all__ = ["Told", "callback_of", "fields_of", "lasting", "read_answer"]

# What a later delivery tells of a save besides its file. Links to Docs' own files (changesurl) are over by then.
_LASTING: Final = ("users", "lastsave", "userdata")

_GONE: Final = "The document was deleted, or replaced elsewhere. What was saved of it since: humhub-bridge saves list."
_REFUSED: Final = "Compare the secret and header of this site's jwt with HumHub's module, and the clocks."
_MOVED: Final = "End the maintenance mode; if it is off, compare the site's upstream with HumHub's base URL and scheme."
_FAILED: Final = "See HumHub's log (protected/runtime/logs/app.log) and its web server's."


@dataclass(frozen=True, slots=True)
class Told:
    """What HumHub said to an attempt, or what became of it instead; ``why`` in words, ``about`` more for the log."""

    end: End
    why: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


def fields_of(entry: Entry, status: int) -> dict[str, Any]:
    """Give the message by which a save is delivered when its callback is over: a forced save, by command."""
    fields = {"key": entry.key, "status": status, "filetype": entry.filetype, **lasting(entry.fields)}
    return {**fields, "forcesavetype": 0}


def lasting(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a callback that a later delivery tells: who saved, and when. A history can be megabytes."""
    return {name: fields[name] for name in _LASTING if name in fields}


def callback_of(entry: Entry, status: int) -> Callback:
    """Give that message as a callback."""
    return Callback(entry.key, Status(status), None, entry.filetype, fields_of(entry, status))


def read_answer(status: int, raw: bytes) -> Told:
    """Read HumHub's answer to a callback.

    404 means that the key is cleared: saved before, or the file was replaced; 403 that secrets or clocks differ.
    """
    if status == HTTPStatus.OK and _confirms(raw):
        return Told(End.CONFIRMED)
    if status == HTTPStatus.NOT_FOUND:
        return Told(End.GONE, "HumHub no longer knows this key (404)", {"remedy": _GONE})
    if status == HTTPStatus.FORBIDDEN:
        why = f"HumHub refuses our token (403): {_said(raw)}; compare secrets and clocks"
        return Told(End.REFUSED, why, {"remedy": _REFUSED})
    if status == HTTPStatus.FOUND:
        # To its login page. Source: HumHub's access rules, and the module's backend controller.
        why = "HumHub redirects (302): it is in maintenance mode, or has another address or scheme"
        return Told(End.FAILED, why, {"remedy": _MOVED})
    if status > HTTPStatus.INTERNAL_SERVER_ERROR:
        # The word of a proxy or web server that has given PHP up: that may go on, and store what it pulled.
        return Told(End.UNREAD, f"the server before HumHub answered {status}", {"remedy": _FAILED})
    return Told(End.FAILED, f"HumHub answered {status}: {_said(raw)}", {"remedy": _FAILED})


def _confirms(raw: bytes) -> bool:
    try:
        answer = json.loads(raw)
    except ValueError:
        return False
    return isinstance(answer, dict) and answer.get("error") == 0 and not isinstance(answer.get("error"), bool)


def _said(raw: bytes) -> str:
    """Give what HumHub said in a word or two, for the log."""
    try:
        answer = json.loads(raw)
    except ValueError:
        return "no JSON" if raw else "nothing"
    return str(answer.get("message", answer) if isinstance(answer, dict) else answer)[:200]
