"""What an administrator is told of an entry: the same on the command line and on the admin leg.

:func:`brief` is an entry by itself, as a list shows it. A :class:`Standing` is one looked at closely: its body on the
disk, its place among the saves of its document, and why it isn't delivered yet. Tokens and HumHub's addresses, which
hold some, are no part of either.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bridge.protocol.signatures import fits_signature
from bridge.saves.rules import is_adrift
from bridge.store.records import Entry, Record, State

__all__ = ["UNDELIVERED", "Body", "Standing", "brief", "instant", "look_at", "standing_of", "users_of"]

# What HumHub doesn't have.
UNDELIVERED: Final = (State.WAITING, State.DEAD)
_CHUNK: Final = 1 << 20
_HEAD: Final = 16


class Body(enum.StrEnum):
    """How an entry's body was found on the disk."""

    SOUND = "sound"  # as it was saved
    UNFIT = "unfit"  # as it was saved, and not what its type says
    DAMAGED = "damaged"  # no longer as it was saved
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An entry, looked at closely. ``held_up`` says why it isn't delivered at this moment, in words; empty else.

    ``newest`` says that no newer save of its document is known: only such a one is ever delivered.
    """

    entry: Entry
    record: Record
    body: Body
    newest: bool
    held_up: str

    def json(self) -> dict[str, Any]:
        """Give it as JSON: all of :func:`brief`, and more."""
        record, entry = self.record, self.entry
        flight = record.flight
        return {
            **brief(entry),
            "newest": self.newest,
            "body": self.body.value,
            "held_up": self.held_up or None,
            "attempt": None
            if flight is None
            else {
                "number": flight.number,
                "entry": flight.entry,
                "status": flight.status,
                "pulled": flight.pulled,
                "under_way": not is_adrift(record),
                "until": instant(flight.until),
            },
            "callbacks": len(record.callbacks),
            "not_before": instant(record.cooling) if record.cooling else None,
            "node": record.node,
            "source": entry.source,
        }


def brief(entry: Entry) -> dict[str, Any]:
    """Give an entry as JSON; times are ISO 8601 in UTC, sizes bytes."""
    waits = entry.state is State.WAITING
    return {
        "id": entry.id,
        "state": entry.state.value,
        "site": entry.site,
        "key": entry.key,
        "filetype": entry.filetype,
        "size": entry.size,
        "sha256": entry.sha256,
        "held": entry.held,
        "kept": instant(entry.kept),
        "ended": instant(entry.ended) if entry.ended is not None else None,
        "tries": entry.tries,
        "due": instant(entry.due) if waits else None,
        "why": entry.why or None,
        "status": entry.status,
        "delivered_as": entry.delivered_as,
        "inferred": entry.inferred,
        "forgotten": entry.forgotten,
        "users": users_of(entry),
    }


def users_of(entry: Entry) -> list[str]:
    """Name the users that the callback named: HumHub's ids of who edited last."""
    users = entry.fields.get("users")
    return [str(user) for user in users] if isinstance(users, list) else []


def instant(when: float) -> str:
    """Write a time of the store for people and machines."""
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def look_at(path: Path, entry: Entry) -> Body:
    """Read the whole body of an entry and compare it with what was saved; blocks for as long as that takes."""
    digest, head = hashlib.sha256(), b""
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                head = head or chunk[:_HEAD]
                digest.update(chunk)
    except FileNotFoundError:
        return Body.GONE
    except OSError:
        return Body.DAMAGED
    if digest.hexdigest() != entry.sha256:
        return Body.DAMAGED
    fits = entry.filetype is None or fits_signature(entry.filetype, head)
    return Body.SOUND if fits else Body.UNFIT


def standing_of(record: Record, entry: Entry, body: Body, *, sites: Collection[str], now: float) -> Standing:
    """Put together what is known of an entry; ``sites`` are those of the configuration."""
    return Standing(
        entry=entry,
        record=record,
        body=body,
        newest=record.leads(entry),
        held_up=_held_up(record, entry, sites, now) if entry.state is State.WAITING else "",
    )


def _held_up(record: Record, entry: Entry, sites: Collection[str], now: float) -> str:
    if entry.site not in sites:
        return f"the site {entry.site} is not in the configuration"
    if record.target is None:
        return "where HumHub takes this document's saves isn't known until somebody opens it"
    if record.flight is not None:
        return "what became of the last attempt is being found out" if is_adrift(record) else "an attempt is under way"
    if any(callback.entry == entry.id for callback in record.callbacks):
        return "ONLYOFFICE Docs still waits for the answer to it"
    if record.cooling > now:
        return f"HumHub may still be storing what the last attempt brought, until {instant(record.cooling)}"
    return f"the next attempt is due at {instant(entry.due)}" if entry.due > now else ""
