"""What requests hold: bounded together, given back whole, and not counted once a request is over."""

from __future__ import annotations

import pytest

from bridge.protocol.errors import OverloadError
from bridge.transport.memory import Held, Memory


def test_what_is_held_is_bounded_for_all_together_and_given_back() -> None:
    memory = Memory(10)
    one, other = Held(memory), Held(memory)
    one.take(6)
    with pytest.raises(OverloadError):
        other.take(5)
    one.release()
    other.take(5)
    assert memory.held == 5


def test_what_goes_on_after_a_request_is_over_is_not_counted_for_ever() -> None:
    memory = Memory(10)
    held = Held(memory)
    held.release()
    held.take(6)
    assert memory.held == 0
