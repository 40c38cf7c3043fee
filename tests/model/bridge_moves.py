"""What the bridge does about one key: each decision is asked of the rules, here only its consequence is drawn.

Everything that may be done may also be left for later, so these moves interleave with all others. A callback may give
up whenever it would have to make or to settle an attempt: its time is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.protocol.messages import Status
from bridge.saves.rules import Answer, Forgotten, Send, Settle
from bridge.store.records import Record
from tests.model.docs_moves import heard, unheard
from tests.model.move import Move
from tests.model.rulebook import Rules
from tests.model.setting import Setting
from tests.model.world import (
    NOW,
    STORING,
    Callback,
    Document,
    Find,
    Post,
    Stage,
    content_of,
    entry_of,
    show,
)

__all__ = ["bridge_moves", "killed"]


def bridge_moves(
    rules: Rules, setting: Setting, document: Document, *, knows_key: bool, faults: bool
) -> Iterator[Move]:
    """Give the moves of callbacks' handlers, the courier and the sweep.

    Args:
        rules: what decides.
        setting: what may happen.
        document: all about the key.
        knows_key: whether HumHub knows the key.
        faults: whether a fault may still happen.
    """
    for callback in document.callbacks:
        if all(post.ticket != callback.ticket for post in document.posts):
            yield from _handler(rules, document, callback, knows_key=knows_key, faults=faults)
    yield from _courier(rules, document, knows_key=knows_key)
    yield from _sweep(rules, setting, document)
    record = document.record
    if record.cooling > NOW and not any(isinstance(post.stage, Stage) for post in document.posts):
        yield Move("HumHub can't be storing any more", replace(document, record=replace(record, cooling=NOW)))
    if faults and record.flight is not None and record.alive and not record.flight.over:
        yield Move("the worker sleeps past its lease", replace(document, record=replace(record, alive=False)), cost=1)


def killed(document: Document) -> Document:
    """Kill the bridge and start it again: what was not durable is gone, and nobody awaits HumHub's answers."""
    for callback in document.callbacks:
        document = unheard(document, callback)
    posts = tuple(post._replace(ticket=None, awaited=False) for post in document.posts if isinstance(post.stage, Stage))
    record = replace(document.record, callbacks=(), alive=False)
    return replace(document, callbacks=(), posts=posts, record=record, find=None)


# --- callbacks ------------------------------------------------------------------------------------------------------


def _handler(rules: Rules, document: Document, callback: Callback, *, knows_key: bool, faults: bool) -> Iterator[Move]:
    name = f"the {callback.status} with {show(callback.content)}"
    identity = next(known.entry for known in document.record.callbacks if known.ticket == callback.ticket)
    if identity is None:
        yield Move(f"{name} is durable", _durable(rules, document, callback))
        if faults:
            yield Move(f"the disk is full for {name}: Docs hears 1", heard(document, callback, 1), cost=1)
        return
    if callback.confirmed:
        yield Move(f"Docs hears 0 to {name}", heard(document, callback, 0))
        return
    match rules.for_callback(document.record, identity, callback.status, callback.ticket):
        case Answer(error=error):
            yield Move(f"Docs hears {error} to {name}", heard(document, callback, error))
        case Send() as send:
            yield Move(f"{name} is given up: Docs hears 1", heard(document, callback, 1))
            if send.earliest <= NOW and not callback.spent:
                after = _sent(rules, document, send, ticket=callback.ticket, knows_key=knows_key)
                yield Move(f"the callback sends a {send.status} with {send.entry.sha256}", after)
        case Settle():
            yield Move(f"{name} is given up unsettled: Docs hears 1", heard(document, callback, 1))
            yield from _settled(rules, document, knows_key=knows_key)


def _durable(rules: Rules, document: Document, callback: Callback) -> Document:
    entry = entry_of(
        callback.content,
        status=callback.status,
        source=callback.source,
        iat=callback.iat,
        arrival=callback.ticket,
    )
    record, _ = rules.enter(document.record, entry, ticket=callback.ticket)
    return replace(document, record=record)


# --- attempts -------------------------------------------------------------------------------------------------------


def _courier(rules: Rules, document: Document, *, knows_key: bool) -> Iterator[Move]:
    match rules.for_courier(document.record):
        case Settle():
            yield from _settled(rules, document, knows_key=knows_key)
        case Send() as send if send.earliest <= NOW:
            after = _sent(rules, document, send, ticket=None, knows_key=knows_key)
            yield Move(f"the courier sends a {send.status} with {send.entry.sha256}", after)


def _sent(rules: Rules, document: Document, send: Send, *, ticket: int | None, knows_key: bool) -> Document:
    record, flight = rules.begin(document.record, send, owner="", until=NOW)
    stage = Stage.ASKED if knows_key else Stage.ABSENT
    post = Post(flight.number, content_of(send.entry.sha256), send.status, stage, ticket)
    return replace(document, record=record, posts=(*document.posts, post))


def _settled(rules: Rules, document: Document, *, knows_key: bool) -> Iterator[Move]:
    """Settle an attempt: it is taken over first, and then HumHub is asked, if only HumHub can say what became of it."""
    old = document.record.flight
    assert old is not None
    record: Record = rules.adopt(document.record, old, owner="", until=NOW, now=NOW, storing=STORING)
    if not old.over:
        yield Move("the attempt that is adrift is taken over", replace(document, record=record))
        return
    flight = record.flight
    assert flight is not None
    record = rules.after_probe(record, flight.number, knows_key=knows_key, now=NOW)
    yield Move(
        f"HumHub is asked: it {'knows' if knows_key else 'does not know'} the key", replace(document, record=record)
    )


# --- the sweep ------------------------------------------------------------------------------------------------------


def _sweep(rules: Rules, setting: Setting, document: Document) -> Iterator[Move]:
    """List, read and settle Docs' forgotten copy; others act in between."""
    find, copy = document.find, document.forgotten
    if copy is None:
        if find is not None:
            yield Move("the sweep finds nothing any more", replace(document, find=None))
        return
    if find is None:
        yield Move("the sweep lists the forgotten copy", replace(document, find=Find(document.next_ticket)))
        return
    states = tuple(entry.state for entry in document.record.entries)
    read = find._replace(content=copy, modified=document.forgotten_at, states=states)
    if find.content is None and not setting.slow_sweep:
        yield from _settling(rules, setting, document, read)
    elif find.content is None:
        if not document.callbacks:
            yield Move(f"the sweep reads the forgotten copy: {show(copy)}", replace(document, find=read))
    elif find.states == states:
        yield from _settling(rules, setting, document, find)
    else:
        yield Move("the sweep comes again later: something has just happened", replace(document, find=None))


def _settling(rules: Rules, setting: Setting, document: Document, find: Find) -> Iterator[Move]:
    """Settle what was read of the forgotten copy. A key counts as open until the save of its session has come."""
    is_open = document.session is not None or document.saving is not None
    modified = None if setting.undated else find.modified
    for open_session in (is_open, None) if setting.blind_sweep else (is_open,):
        yield _settled_find(rules, document, find, modified, open_session=open_session)


def _settled_find(
    rules: Rules, document: Document, find: Find, modified: float | None, *, open_session: bool | None
) -> Move:
    record, done, content = document.record, replace(document, find=None), find.content or frozenset()
    match rules.for_forgotten(record, show(content), ticket=find.ticket, open_session=open_session, modified=modified):
        case Forgotten.DELETE:
            return Move("the sweep deletes the forgotten copy", replace(done, forgotten=None))
        case Forgotten.TAKE:
            iat = rules.place_of_forgotten(record, find.ticket, modified)
            entry = entry_of(content, status=Status.SAVE, source=document.next_source, iat=iat, arrival=find.ticket)
            taken, _ = rules.enter(record, entry, ticket=None)
            return Move(f"the sweep takes the forgotten copy {show(content)}", replace(done, record=taken))
        case _:
            return Move("the sweep leaves the forgotten copy", done)
