"""Pauses between attempts: soon at first, then seldom, never all at once, never never."""

from __future__ import annotations

import itertools
import random

import pytest

from bridge.saves.backoff import LONGEST, pause

DAY = 86400.0


@pytest.mark.parametrize(
    ("age", "least", "most"),
    [
        (-DAY, 4.8, 8),
        (0, 4.8, 8),
        (16, 4.8, 8),
        (30, 9, 15),
        (60, 18, 30),
        (299, 18, 30),
        (300, 18, 30),
        (600, 36, 60),
        (3000, 180, 300),
        (7 * DAY, 180, 300),
        (365 * DAY, 180, 300),
    ],
)
def test_a_pause_by_age_and_jitter(age: float, least: float, most: float) -> None:
    assert [pause(age, 0), pause(age, 1)] == pytest.approx([least, most])


@pytest.mark.parametrize("jitter", [0, 0.5, 1])
def test_a_save_is_tried_within_ten_seconds_then_every_thirty_then_every_five_minutes(jitter: float) -> None:
    age, pauses = 0.0, []
    while age < DAY:
        pauses.append((age, pause(age, jitter)))
        age += pauses[-1][1]
    assert pauses[0][1] <= 10
    assert max(length for at, length in pauses if at < 300) <= 30
    assert max(length for _, length in pauses) <= LONGEST == 300
    assert all(before <= after for (_, before), (_, after) in itertools.pairwise(pauses))
    # A day costs HumHub some hundreds of attempts, not thousands.
    assert 280 <= len(pauses) <= 540


def test_what_failed_together_comes_back_apart() -> None:
    jitters = random.Random(1)
    again = sorted(pause(60, jitters.random()) for _ in range(100))
    assert again[-1] - again[0] > 10
