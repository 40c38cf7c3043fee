"""Changes made at the same time: everyone ends with the same text, and nobody's letters are lost."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.demo.docs.changes import (
    Add,
    Blocks,
    Change,
    ChangeError,
    Drop,
    Splice,
    from_units,
    parse,
    rebase,
    to_units,
    write,
)


def applied(text: str, op: Splice) -> str:
    return text[: op.at] + op.text + text[op.end :]


splices = st.tuples(st.integers(0, 8), st.integers(0, 8), st.text("xyz", max_size=3))


def fitted(raw: tuple[int, int, str], text: str) -> Splice:
    at = min(raw[0], len(text))
    return Splice("b", at, min(raw[1], len(text) - at), raw[2])


@given(st.text("abcdef", max_size=8), splices, splices)
def test_both_orders_end_alike(text: str, one: tuple[int, int, str], two: tuple[int, int, str]) -> None:
    earlier, later = fitted(one, text), fitted(two, text)
    at_the_server = applied(applied(text, earlier), rebase(later, earlier, over_is_earlier=True))
    at_the_client = applied(applied(text, later), rebase(earlier, later, over_is_earlier=False))
    assert at_the_server == at_the_client


@given(st.text("abcdef", max_size=8), splices, splices)
def test_what_both_wrote_survives(text: str, one: tuple[int, int, str], two: tuple[int, int, str]) -> None:
    earlier, later = fitted(one, text), fitted(two, text)
    end = applied(applied(text, earlier), rebase(later, earlier, over_is_earlier=True))
    assert sum(end.count(letter) for letter in "xyz") == len(earlier.text) + len(later.text)


@dataclass
class Client:
    """A client as the editor is one: a change in flight, others waiting, all rebased over what comes."""

    name: str
    text: str
    rev: int = 0
    waiting: list[tuple[str, Splice]] = field(default_factory=list)
    count: int = 0

    def types(self, raw: tuple[int, int, str]) -> None:
        op = fitted(raw, self.text)
        self.text = applied(self.text, op)
        self.count += 1
        self.waiting.append((f"{self.name}-{self.count}", op))

    def sends(self, blocks: Blocks) -> None:
        if self.waiting:
            change_id, op = self.waiting[0]
            blocks.accept(change_id, self.rev, op, user=self.name, name=self.name, now=0)

    def hears(self, change: Change) -> None:
        self.rev = change.index + 1
        if self.waiting and self.waiting[0][0] == change.id:
            self.waiting.pop(0)
            return
        assert isinstance(change.op, Splice)
        incoming, rebased = change.op, []
        for change_id, mine in self.waiting:
            rebased.append((change_id, rebase(mine, incoming, over_is_earlier=True)))
            incoming = rebase(incoming, mine, over_is_earlier=False)
        self.waiting = rebased
        self.text = applied(self.text, incoming)


steps = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["type", "send", "hear", "send twice"]), splices), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_three_clients_converge(plan: list[tuple[int, str, tuple[int, int, str]]]) -> None:
    blocks = Blocks({"b": "start"}, ["b"])
    clients = [Client(name, "start") for name in "abc"]
    for who, what, raw in plan:
        client = clients[who]
        if what == "type":
            client.types(raw)
        elif what == "hear" and client.rev < len(blocks.history):
            client.hears(blocks.history[client.rev])
        elif what.startswith("send"):
            # Sending again what may have arrived is what a client does whose connection broke.
            client.sends(blocks)
    while any(client.waiting or client.rev < len(blocks.history) for client in clients):
        for client in clients:
            client.sends(blocks)
            while client.rev < len(blocks.history):
                client.hears(blocks.history[client.rev])
    assert {client.text for client in clients} == {blocks.texts["b"]}


def accept(blocks: Blocks, op: Splice | Add | Drop, base: int | None = None) -> Change:
    base = len(blocks.history) if base is None else base
    return blocks.accept(f"c{len(blocks.history)}", base, op, user="u", name="U", now=0)


def test_a_paragraph_is_added_after_another() -> None:
    blocks = Blocks({"p0": "a", "p1": "b"}, ["p0", "p1"], growing=True)
    accept(blocks, Add("n1", "p0", "new"))
    accept(blocks, Add("n2", None, "first"))
    assert blocks.order == ["n2", "p0", "n1", "p1"]


def test_only_an_empty_paragraph_is_dropped() -> None:
    blocks = Blocks({"p0": "a", "p1": ""}, ["p0", "p1"], growing=True)
    assert accept(blocks, Drop("p0")).op is None
    assert accept(blocks, Drop("p1")).op == Drop("p1")
    assert accept(blocks, Drop("p0")).op is None
    assert blocks.order == ["p0"]


def test_writing_into_a_dropped_paragraph_brings_it_back() -> None:
    blocks = Blocks({"p0": "a", "p1": ""}, ["p0", "p1"], growing=True)
    accept(blocks, Drop("p1"))
    change = accept(blocks, Splice("p1", 0, 0, "kept"), base=0)
    assert change.op == Add("p1", "p0", "kept")
    assert blocks.texts["p1"] == "kept"


@pytest.mark.parametrize(
    "op",
    [
        Splice("p9", 0, 0, "x"),
        Splice("p0", 5, 0, "x"),
        Splice("p0", 0, 9, ""),
        Add("n", "p0", ""),
        Splice("p0", -1, 0, ""),
    ],
)
def test_a_change_that_does_not_fit_is_refused(op: Splice | Add) -> None:
    blocks = Blocks({"p0": "abc"}, ["p0"])
    with pytest.raises(ChangeError):
        accept(blocks, op)
    with pytest.raises(ChangeError):
        blocks.accept("other", 3, Splice("p0", 0, 0, "x"), user="u", name="U", now=0)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"id": "1", "do": "splice", "block": "b"},
        {"id": "1", "do": "no", "block": "b"},
        {"id": "1", "do": "splice", "block": "b", "at": "x", "length": 0, "text": ""},
    ],
)
def test_a_malformed_change_is_refused(raw: object) -> None:
    with pytest.raises(ChangeError):
        parse(raw)


def test_positions_count_utf16_units() -> None:
    blocks = Blocks({"b": to_units("😀!")}, ["b"])
    accept(blocks, parse({"id": "1", "do": "splice", "block": "b", "at": 2, "length": 0, "text": "é"})[1])
    assert from_units(blocks.texts["b"]) == "😀é!"
    assert write(blocks.history[0])["text"] == "é"
