"""Presence: who has a document open, and since when nobody has, as far as a worker can know."""

from __future__ import annotations

import pytest

from bridge.saves.presence import Presence


class Clock:
    """A clock that is set."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_document_is_open_while_a_websocket_is(clock: Clock) -> None:
    presence = Presence(clock)
    with presence.socket("k1"), presence.socket("k1"):
        with presence.socket("k1"):
            clock.at += 500
        assert presence.is_open("k1")
        assert presence.left_for("k1") == 0
    assert not presence.is_open("k1")
    clock.at += 7
    assert presence.left_for("k1") == 7


def test_a_document_is_open_for_as_long_as_docs_waits_for_a_poll(clock: Clock) -> None:
    presence = Presence(clock)
    clock.at += 500
    presence.polled("k1")
    clock.at += 89
    assert presence.is_open("k1")
    clock.at += 2
    assert not presence.is_open("k1")
    assert presence.left_for("k1") == 91


def test_nobody_is_known_to_be_away_from_before_the_beginning(clock: Clock) -> None:
    presence = Presence(clock)
    clock.at += 3
    assert (presence.is_open("k1"), presence.left_for("k1")) == (False, 3)


def test_what_is_long_ago_is_forgotten(clock: Clock) -> None:
    presence = Presence(clock)
    for number in range(100):
        presence.polled("again")
        presence.polled(f"k{number}")
        with presence.socket(f"s{number}"):
            clock.at += 10
    assert len(presence._polled) == 32
    assert len(presence._left) == 31
    assert presence.left_for("again") == 10
    # Longer than anybody asks for.
    assert presence.left_for("k0") == 1000
