"""What HumHub's processes do with attempts: they pull, store, answer; or break, half-way or after it, or come late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bridge.saves.flights import End
from bridge.saves.rules import clears
from tests.model.move import Move
from tests.model.rulebook import Rules
from tests.model.world import NOW, STORING, TORN, Document, Post, Stage, show

__all__ = ["humhub_moves"]


def humhub_moves(rules: Rules, document: Document, *, faults: bool) -> Iterator[Move]:
    """Give the moves of the processes that are at work for a key, and of the workers that await them."""
    for post in document.posts:
        if isinstance(post.stage, End):
            yield Move(f"the sleeper reads its answer: {post.stage}", _read(rules, document, post, post.stage))
        elif post.awaited:
            yield from _awaited(rules, document, post, faults=faults)
        else:
            yield from _orphaned(document, post)


def _awaited(rules: Rules, document: Document, post: Post, *, faults: bool) -> Iterator[Move]:
    name = f"the {post.status} with {show(post.content)}"

    def ends(label: str, end: End, **effect: object) -> Iterator[Move]:
        for after, how in _ended(rules, document, post, end):
            yield Move(f"{label}{how}", after, **effect)  # type: ignore[arg-type]

    match post.stage:
        case Stage.ABSENT:
            yield from ends("HumHub answers 404", End.GONE)
            if faults:
                yield from ends("HumHub's 404 is lost", End.UNREAD, cost=1)
        case Stage.ASKED:
            record, may = rules.pulled(document.record, post.number)
            if may:
                after = replace(document, record=record, posts=_with(document, post._replace(stage=Stage.HOLDING)))
                yield Move(f"HumHub pulls {name}", after)
            else:
                yield from ends("HumHub may not pull: the attempt is over", End.FAILED)
            if faults:
                yield from ends(f"HumHub fails before it pulls {name}", End.FAILED, cost=1)
        case Stage.HOLDING:
            stored = {"stores": post.content, "clears": clears(post.status)}
            yield from ends(f"HumHub stores {name} and answers", End.CONFIRMED, **stored)
            if faults:
                yield from ends(f"HumHub fails at {name}", End.FAILED, cost=1)
                torn = frozenset({TORN})
                yield from ends(f"HumHub fails in the middle of writing {name}", End.FAILED, cost=1, stores=torn)
                yield from ends(f"HumHub dies in the middle of writing {name}", End.UNREAD, cost=1, stores=torn)
                yield from ends(f"HumHub stores {name} and then fails", End.FAILED, cost=1, stores=post.content)
                yield from _given_up(rules, document, post)


def _given_up(rules: Rules, document: Document, post: Post) -> Iterator[Move]:
    """Lose the connection to a process that has the body: it may store at any time, until its request must be over."""
    orphan = replace(document, posts=_with(document, post._replace(awaited=False, ticket=None)))
    record = rules.after(document.record, post.number, End.UNREAD, now=NOW, storing=STORING)
    yield Move(
        f"no answer can be read to the {post.status}", _spent(replace(orphan, record=record), post.ticket), cost=1
    )


def _orphaned(document: Document, post: Post) -> Iterator[Move]:
    done = replace(document, posts=_without(document, post))
    yield Move(f"HumHub ends the {post.status} that nobody awaits", done)
    if post.stage is Stage.HOLDING:
        name = f"HumHub stores the {post.status} with {show(post.content)} that nobody awaits"
        yield Move(name, done, stores=post.content, clears=clears(post.status))
        if clears(post.status):
            yield Move(f"{name}, and leaves the key", done, stores=post.content)


def _ended(rules: Rules, document: Document, post: Post, end: End) -> Iterator[tuple[Document, str]]:
    """Give what follows an attempt's end: it is read at once, or later by a worker that sleeps past its lease."""
    yield _read(rules, document, post, end), ""
    flight = document.record.flight
    if flight is None or flight.number != post.number or not document.record.alive:
        yield replace(document, posts=_with(document, post._replace(stage=end))), ", unread by the sleeper"


def _read(rules: Rules, document: Document, post: Post, end: End) -> Document:
    record = rules.after(document.record, post.number, end, now=NOW, storing=STORING)
    after = replace(document, record=record, posts=_without(document, post))
    return _confirmed(after, post.ticket) if end is End.CONFIRMED else _spent(after, post.ticket)


def _confirmed(document: Document, ticket: int | None) -> Document:
    callbacks = tuple(each._replace(confirmed=True) if each.ticket == ticket else each for each in document.callbacks)
    return replace(document, callbacks=callbacks)


def _spent(document: Document, ticket: int | None) -> Document:
    callbacks = tuple(each._replace(spent=True) if each.ticket == ticket else each for each in document.callbacks)
    return replace(document, callbacks=callbacks)


def _with(document: Document, changed: Post) -> tuple[Post, ...]:
    return tuple(changed if post.number == changed.number else post for post in document.posts)


def _without(document: Document, done: Post) -> tuple[Post, ...]:
    return tuple(post for post in document.posts if post.number != done.number)
