"""What Docs does about one key: it calls back, hears, is not heard, keeps a forgotten copy, lets an old one go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from bridge.protocol.messages import Status
from bridge.store.records import OpenCallback
from tests.model.move import Move
from tests.model.setting import Setting
from tests.model.world import Callback, Content, Document, Saving, Session, show

__all__ = ["called_back", "cut", "docs_moves", "force_saved", "heard", "left", "unheard"]

# A save that was not answered is sent again so many times (the real one tries three times more).
_TRIES: Final = 1


def docs_moves(setting: Setting, document: Document, *, faults: bool) -> Iterator[Move]:
    """Give the moves of Docs alone."""
    saving = document.saving
    if saving is not None and all(callback.deaf or callback.source != saving.source for callback in document.callbacks):
        label = f"Docs calls back: {saving.status} with {show(saving.content)}"
        yield Move(label, called_back(document, saving.content, saving.status, saving.source))
    if faults:
        for callback in document.callbacks:
            if not callback.deaf:
                after = cut(document, callback) if setting.deaf_handlers else ended(document, callback)
                yield Move(
                    f"the connection of the {callback.status} with {show(callback.content)} breaks", after, cost=1
                )


def called_back(
    document: Document, content: Content, status: int, source: int, *, iat: float | None = None
) -> Document:
    """Send a callback, dated ``iat`` or now; it arrives, and gets its place in the order."""
    ticket = document.next_ticket
    callback = Callback(content, status, source, document.next_iat if iat is None else iat, ticket)
    known = (*document.record.callbacks, OpenCallback(ticket=ticket, owner=""))
    return replace(
        document,
        callbacks=(*document.callbacks, callback),
        record=replace(document.record, callbacks=known, arrived=ticket),
    )


def force_saved(document: Document, session: Session, *, hasty: bool) -> Document:
    """Save while people edit; ``hasty``: in the second of the forgotten copy that the session began from."""
    iat = document.forgotten_at if hasty and document.forgotten is not None else None
    return called_back(document, session.content, Status.FORCED_SAVE, document.next_source, iat=iat)


def left(document: Document, session: Session, status: int) -> Document:
    """End a session whose last member leaves: with a save, if it has something to save."""
    if not session.changed and document.forgotten is None:
        return replace(document, session=None)
    saving = Saving(session.content, status, document.next_source, 0)
    return replace(document, session=None, saving=saving, acknowledged=False)


def closed(document: Document, callback: Callback) -> Document:
    """Let a callback go, whatever it was told."""
    known = tuple(known for known in document.record.callbacks if known.ticket != callback.ticket)
    return replace(
        document,
        callbacks=tuple(other for other in document.callbacks if other.ticket != callback.ticket),
        record=replace(document.record, callbacks=known),
    )


def heard(document: Document, callback: Callback, error: int) -> Document:
    """Let Docs hear an answer: an acknowledged save is forgotten nowhere, a refused one is kept as forgotten."""
    document = closed(document, callback)
    saving = document.saving
    if callback.deaf or saving is None or saving.source != callback.source:
        return document
    if error == 0:
        return replace(document, saving=None, forgotten=None, acknowledged=True)
    return _forgot(document, saving)


def cut(document: Document, callback: Callback) -> Document:
    """Cut the connection of a callback: its handler goes on, but Docs doesn't hear what it says."""
    callbacks = tuple(
        other._replace(deaf=True) if other.ticket == callback.ticket else other for other in document.callbacks
    )
    return unheard(replace(document, callbacks=callbacks), callback)


def ended(document: Document, callback: Callback) -> Document:
    """End a callback whose connection broke, and its handler; nobody awaits the attempt that it was making."""
    posts = tuple(
        post._replace(awaited=False, ticket=None) if post.ticket == callback.ticket else post for post in document.posts
    )
    cut_off = post_number(document, callback)
    record = document.record
    if cut_off is not None and record.flight is not None and record.flight.number == cut_off:
        record = replace(record, alive=False)
    return closed(unheard(replace(document, posts=posts, record=record), callback), callback)


def post_number(document: Document, callback: Callback) -> int | None:
    """Give the number of the attempt that a callback is making."""
    return next((post.number for post in document.posts if post.ticket == callback.ticket), None)


def unheard(document: Document, callback: Callback) -> Document:
    """Let Docs miss the answer to a callback: it sends a save again, and in the end keeps it as forgotten."""
    saving = document.saving
    if callback.deaf or saving is None or saving.source != callback.source:
        return document
    if saving.tries >= _TRIES:
        return _forgot(document, saving)
    return replace(document, saving=saving._replace(tries=saving.tries + 1))


def _forgot(document: Document, saving: Saving) -> Document:
    at = document.next_iat
    return replace(document, saving=None, forgotten=saving.content, forgotten_at=at, cached=None, acknowledged=False)
