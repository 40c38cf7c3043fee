"""What may happen next in the world: people come, open, edit and leave; each key's own moves; what strikes all at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from bridge.protocol.messages import Status
from bridge.saves.rules import Forgotten
from tests.model.bridge_moves import bridge_moves, killed
from tests.model.counting import document, revised
from tests.model.docs_moves import docs_moves, force_saved, left
from tests.model.humhub_moves import humhub_moves
from tests.model.move import Move
from tests.model.rulebook import Rules
from tests.model.setting import Setting
from tests.model.world import (
    OTHER,
    TORN,
    Budget,
    Content,
    Document,
    File,
    Person,
    Session,
    Where,
    World,
    content_of,
    named,
    show,
)

__all__ = ["Moves", "Next", "start"]

Next = tuple[str, World]


def start(setting: Setting) -> World:
    """Give the world before anything happens: an empty file without a key, and nobody there."""
    left = Budget(setting.faults, setting.edits, setting.opens, setting.forced)
    return World(File(frozenset(), None, 0), (Person(),) * setting.people, (), left)


@dataclass(slots=True)
class Moves:
    """Gives the moves of a world by ``rules``; those of one key are worked out once for each of its states."""

    rules: Rules
    setting: Setting
    _known: dict[tuple[Document, bool, bool], tuple[Move, ...]] = field(default_factory=dict)

    def of(self, world: World) -> Iterator[Next]:
        """Give all that may happen next, each with its name."""
        for person in sorted(set(world.people)):
            yield from self._person(world, person)
        for key in range(1, len(world.documents) + 1):
            yield from self._key(world, key)
        yield from self._everything(world)

    # --- one key ----------------------------------------------------------------------------------------------------

    def _key(self, world: World, key: int) -> Iterator[Next]:
        document = world.documents[key - 1]
        question = (document, world.file.key == key, world.left.faults > 0)
        known = self._known.get(question)
        if known is None:
            # Within a move nothing is counted anew: it speaks of its document's numbers.
            moves = self._moves_of(*question)
            known = self._known[question] = tuple(move._replace(document=revised(move.document)) for move in moves)
        for move in known:
            after = _with(world, key, move.document)
            if move.stores is not None:
                after = _stored(after, key, move.stores, clears=move.clears)
            if move.cost:
                after = _spend(after, faults=move.cost)
            yield f"K{key}: {move.label}", after
        if document.acknowledged and all(person.key != key for person in world.people):
            # Whoever still had the key's page could open it: its token lasts as long as Docs' lock.
            after = _with(world, key, revised(document, cached=None, acknowledged=False))
            yield f"K{key}: five minutes pass at Docs", after
        if self.setting.docs_loss and world.left.faults and _could_be_lost(document):
            after = _with(world, key, revised(document, forgotten=None, cached=None, acknowledged=False))
            yield f"K{key}: Docs loses its copies", _spend(after, faults=1)

    def _moves_of(self, document: Document, knows_key: bool, faults: bool) -> Iterator[Move]:
        yield from docs_moves(self.setting, document, faults=faults)
        yield from bridge_moves(self.rules, self.setting, document, knows_key=knows_key, faults=faults)
        yield from humhub_moves(self.rules, document, faults=faults)

    # --- all at once ------------------------------------------------------------------------------------------------

    def _everything(self, world: World) -> Iterator[Next]:
        if not world.left.faults:
            return
        people = tuple(sorted(Person(Where.PAGE, p.key) if p.where is Where.ADMITTED else p for p in world.people))
        after = world._replace(
            documents=tuple(revised(killed(document)) for document in world.documents), people=people
        )
        if after != world:
            yield "the bridge is killed and starts again", _spend(after, faults=1)
        if self.setting.replacing and world.file.key is not None:
            file = world.file._replace(content=frozenset({OTHER}), key=None)
            replaced = world.file.content | (world.replaced or frozenset())
            yield "somebody replaces the file in HumHub", _spend(world._replace(file=file, replaced=replaced), faults=1)

    # --- people -----------------------------------------------------------------------------------------------------

    def _person(self, world: World, person: Person) -> Iterator[Next]:
        act = {
            Where.AWAY: self._away,
            Where.PAGE: self._with_page,
            Where.ADMITTED: self._let_in,
            Where.INSIDE: self._inside,
        }[person.where]
        yield from act(world, person)

    def _away(self, world: World, person: Person) -> Iterator[Next]:
        if not world.left.opens:
            return
        file, documents = world.file, world.documents
        if file.key is None:
            key = file.keys + 1
            file, documents = file._replace(key=key, keys=key), (*documents, document(f"K{key}"))
        key = file.key or 0
        after = _moved(world._replace(file=file, documents=documents), person, Person(Where.PAGE, key))
        yield f"somebody gets a page with K{key}", _spend(after, opens=1)

    def _with_page(self, world: World, person: Person) -> Iterator[Next]:
        key = person.key
        for past in self._past_the_gate(world, key):
            if self.setting.slow_opening:
                yield f"K{key}: somebody is let in", _moved(past, person, Person(Where.ADMITTED, key))
            else:
                yield from self._admitted(past, person)

    def _let_in(self, world: World, person: Person) -> Iterator[Next]:
        """Ask for the document some time after the handshake: it is settled once more."""
        for past in self._past_the_gate(world, person.key):
            yield from self._admitted(past, person)

    def _past_the_gate(self, world: World, key: int) -> Iterator[World]:
        """Give the world in which a session may begin; none while an attempt has to be settled first."""
        known = world.documents[key - 1]
        record, step = self.rules.open_session(known.record)
        known = revised(known, record=record)
        if step is Forgotten.DELETE:
            newest = record.newest
            if known.forgotten is not None and newest is not None and show(known.forgotten) == newest.sha256:
                known = revised(known, forgotten=None)
        if step is None or step is Forgotten.DELETE:
            yield _with(world, key, known)

    def _admitted(self, world: World, person: Person) -> Iterator[Next]:
        """Open at Docs: it joins a session, or begins one from the best copy that Docs has or gets."""
        key, known = person.key, world.documents[person.key - 1]
        outside, inside = Person(), Person(Where.INSIDE, key)
        if known.session is not None:
            session = known.session._replace(members=known.session.members + 1)
            yield f"K{key}: somebody joins", _moved(_with(world, key, revised(known, session=session)), person, inside)
        elif known.saving is not None or known.acknowledged:
            seen = known.cached or frozenset()
            after = _moved(world, person, outside)
            if known.acknowledged and world.file.key == key and not _enough(world, seen):
                after = after._replace(broken=f"shown is {show(seen)}, saved was {show(world.saved)}")
            yield f"K{key}: Docs lets nobody edit; a viewer sees {show(seen)}", after
        else:
            content, source = self._opened(world, key, known)
            if content is None:
                yield f"K{key}: the download fails", _moved(world, person, outside)
                return
            begun = revised(
                known, session=Session(content, changed=False, members=1), cached=content, acknowledged=False
            )
            after = _moved(_with(world, key, begun), person, inside)
            if not _enough(world, content):
                after = after._replace(broken=f"opened is {show(content)}, saved was {show(world.saved)}")
            yield f"K{key}: somebody opens {show(content)}, from {source}", after

    def _opened(self, world: World, key: int, known: Document) -> tuple[Content | None, str]:
        """Give what Docs opens and where it has it from."""
        if known.forgotten is not None:
            return known.forgotten, "Docs' forgotten copy"
        if known.cached is not None:
            return known.cached, "Docs' cache"
        entry = self.rules.served(known.record)
        if entry is not None:
            return content_of(entry.sha256), "what waits at the bridge"
        return (world.file.content, "HumHub") if world.file.key == key else (None, "")

    def _inside(self, world: World, person: Person) -> Iterator[Next]:
        key, known = person.key, world.documents[person.key - 1]
        session, budget = known.session, world.left
        assert session is not None
        into = partial(_with, world, key)
        if budget.edits:
            edit = named(self.setting.edits - budget.edits)
            edited = session._replace(content=session.content | {edit}, changed=True)
            yield f"K{key}: edit {edit} is made", _spend(into(revised(known, session=edited)), edits=1)
        if session.changed and budget.forced:
            saved = force_saved(known, session, hasty=self.setting.hasty)
            after = _saving(into(revised(saved)), session.content)
            yield f"K{key}: Docs sends a 6 with {show(session.content)}", _spend(after, forced=1)
        if session.members > 1:
            others = session._replace(members=session.members - 1)
            yield f"K{key}: somebody leaves", _moved(into(revised(known, session=others)), person, Person())
            return
        yield from self._last(world, person, known, session, Status.SAVE)
        if self.setting.save_errors and session.changed and budget.faults:
            for label, after in self._last(world, person, known, session, Status.SAVE_FAILED):
                yield label, _spend(after, faults=1)

    def _last(self, world: World, person: Person, known: Document, session: Session, status: Status) -> Iterator[Next]:
        after = _moved(_with(world, person.key, revised(left(known, session, int(status)))), person, Person())
        if after.documents[person.key - 1].saving is None:
            yield f"K{person.key}: the last one leaves, nothing is changed", after
        else:
            label = f"K{person.key}: the last one leaves, Docs saves {show(session.content)} with a {int(status)}"
            yield label, _saving(after, session.content)


def _with(world: World, key: int, changed: Document) -> World:
    documents = world.documents
    return world._replace(documents=(*documents[: key - 1], changed, *documents[key:]))


def _moved(world: World, person: Person, to: Person) -> World:
    """Let a person be elsewhere; people are alike, so their order says nothing."""
    people = list(world.people)
    people.remove(person)
    return world._replace(people=tuple(sorted([*people, to])))


def _spend(world: World, *, faults: int = 0, edits: int = 0, opens: int = 0, forced: int = 0) -> World:
    had = world.left
    return world._replace(left=Budget(had.faults - faults, had.edits - edits, had.opens - opens, had.forced - forced))


def _saving(world: World, content: Content) -> World:
    return world._replace(saved=world.saved | content)


def _stored(world: World, key: int, content: Content, *, clears: bool) -> World:
    """Store into HumHub's file. HumHub clears the file's key, whichever it is by then."""
    old, replaced = world.file.content - {TORN}, world.replaced
    file = world.file._replace(content=content, key=None if clears else world.file.key)
    lost = replaced is None and TORN not in content and not old <= content
    if replaced is not None and world.file.key != key:
        # A process that was at it when somebody replaced the file: HumHub itself lets it write over what came since.
        replaced |= content | old
    broken = f"{show(old)} is overwritten by {show(content)}" if lost else world.broken
    return world._replace(file=file, broken=broken, replaced=replaced)


def _enough(world: World, content: Content) -> bool:
    """Say whether a content has all that was saved; who replaced the file wanted something else."""
    return world.replaced is not None or world.saved <= content


def _could_be_lost(document: Document) -> bool:
    """Say whether Docs has copies to lose, of which the bridge has one, too."""
    at_rest = document.session is None and document.saving is None
    copies = document.forgotten is not None or document.cached is not None
    held = {entry.sha256 for entry in document.record.entries}
    return at_rest and copies and (document.forgotten is None or show(document.forgotten) in held)
