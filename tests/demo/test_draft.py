"""A scripted editor's copy of a document, against what the server says in any order."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.demo.draft import Draft

Message = dict[str, Any]


def draft(**texts: str) -> Draft:
    made = Draft()
    blocks = [{"id": name, "text": text} for name, text in texts.items()]
    made.load({"kind": "word", "epoch": "e1", "blocks": blocks})
    return made


def splice(index: int, text: str, at: int = 0, length: int = 0, change_id: str = "other") -> Message:
    return {"index": index, "id": change_id, "do": "splice", "block": "p0", "at": at, "length": length, "text": text}


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        ({"p0": "ac"}, splice(0, "b", at=1), {"p0": "abc"}),
        ({"p0": "abc"}, splice(0, "", at=1, length=2), {"p0": "a"}),
        ({"p0": "🎉c"}, splice(0, "b", at=2), {"p0": "🎉bc"}),
        ({}, splice(0, "new"), {"p0": "new"}),
        ({"p0": "a"}, {"index": 0, "id": "x", "do": "add", "block": "p1", "after": "p0", "text": "b"}, {"p0": "a", "p1": "b"}),
        ({"p0": "a"}, {"index": 0, "id": "x", "do": "add", "block": "p1", "after": None, "text": "b"}, {"p1": "b", "p0": "a"}),
        ({"p0": "a", "p1": ""}, {"index": 0, "id": "x", "do": "drop", "block": "p1"}, {"p0": "a"}),
        ({"p0": "a"}, {"index": 0, "id": "x", "do": "nothing"}, {"p0": "a"}),
    ],
)  # fmt: skip
def test_a_change_is_applied(before: dict[str, str], change: Message, after: dict[str, str]) -> None:
    made = draft(**before)
    made.take([change])
    assert list(made.texts.items()) == list(after.items())
    assert made.rev == 1


def test_changes_that_come_out_of_order_are_applied_in_order() -> None:
    made = draft(p0="")
    made.take([splice(1, "b", at=1)])
    assert (made.text, made.rev) == ("", 0)
    made.take([splice(0, "a")])
    assert (made.text, made.rev) == ("ab", 2)


def test_a_change_that_comes_twice_is_applied_once() -> None:
    made = draft(p0="")
    made.take([splice(0, "a"), splice(0, "a")])
    made.take([splice(0, "a")])
    assert made.text == "a"


def test_one_change_flies_at_a_time_and_lands_at_the_end() -> None:
    made = draft(p0="🎉")
    made.type("one", None, None)
    made.type("two", "p0", 0)
    first = made.next_change()
    assert first is not None
    assert (first["base"], first["change"]["at"], first["change"]["text"]) == (0, 2, "one")
    assert made.next_change() is None
    made.take([splice(0, "one", at=2, change_id=first["change"]["id"])])
    second = made.next_change()
    assert second is not None
    assert (second["base"], second["change"]["at"], made.text) == (1, 0, "🎉one")


def test_what_was_not_acknowledged_keeps_its_id() -> None:
    made = draft(p0="")
    made.type("one", None, None)
    first = made.next_change()
    made.flying = None
    again = made.next_change()
    assert first is not None
    assert again is not None
    assert first["change"]["id"] == again["change"]["id"]
