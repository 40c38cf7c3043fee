"""The named steps of a save, in the order in which an undisturbed one takes them.

Whoever wants to follow saves hands an :data:`Observer` to the bridge; it is called synchronously, at each step. What it
does there is its own affair: tests kill the process.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

__all__ = ["Observer", "Step", "unobserved"]


class Step(enum.StrEnum):
    """What has just been done; the next thing hasn't begun."""

    ARRIVED = "arrived"  # the callback has its place in the order, durably
    FETCHING = "fetching"  # the first bytes of the body are written, under a temporary name
    FETCHED = "fetched"  # the whole body is written
    FLUSHED = "flushed"  # … and flushed to the disk
    LABELLED = "labelled"  # the file that says what it is lies beside it
    RENAMED = "renamed"  # the body has its name
    PUBLISHED = "published"  # … and its directory is flushed
    ENTERED = "entered"  # the index has its row: the entry is durable
    NUMBERED = "numbered"  # an attempt is in the index, nothing has been sent
    PULLING = "pulling"  # HumHub has begun to pull the body, or it is about to be uploaded
    PULLED = "pulled"  # that it has been pulled whole is in the index, its last byte hasn't left
    GIVEN = "given"  # the last byte has left; of an upload, it is stored
    HEARD = "heard"  # HumHub's answer is read
    RECORDED = "recorded"  # … and what it means is in the index
    PROBING = "probing"  # HumHub is asked whether it still knows the key of an attempt whose end isn't known
    SETTLED = "settled"  # the answer is in the index
    ANSWERING = "answering"  # it is decided what Docs hears
    DEPARTED = "departed"  # the callback is closed in the index; Docs hears next
    LISTED = "listed"  # a node has named its forgotten files
    TAKEN = "taken"  # a forgotten file is an entry
    FORGETTING = "forgetting"  # Docs is about to be told to delete a forgotten file
    FORGOT = "forgot"  # it has deleted it
    UNLINKED = "unlinked"  # the body of an entry that is done is deleted, its row still says that it is there
    EXPIRED = "expired"  # … and no longer


Observer = Callable[[Step, str, str], None]
"""Called with the step, the site's name and the document key, from whichever thread does the work."""


def unobserved(_step: Step, _site: str, _key: str) -> None:
    """Look away."""
