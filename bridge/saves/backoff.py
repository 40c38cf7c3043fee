"""How long the courier waits between two attempts."""

from __future__ import annotations

from typing import Final

__all__ = ["LONGEST", "pause"]

LONGEST: Final = 300.0
_FIRST, _SOON, _YOUNG = 8.0, 30.0, 300.0
# The least share of a pause that is left of it when the jitter has its way: what failed together comes back apart.
_LEAST: Final = 0.6


def pause(age: float, jitter: float) -> float:
    """Give the seconds until the next attempt of a save that has waited for ``age`` seconds.

    The first within 10 s, at most 30 s apart for five minutes, then up to 5 minutes. ``jitter`` is from 0 to 1. An age
    below 0 (a clock jumped) is a young one.
    """
    longest = min(_SOON, max(_FIRST, age / 2)) if age < _YOUNG else min(LONGEST, age / 10)
    return longest * (_LEAST + (1 - _LEAST) * jitter)
