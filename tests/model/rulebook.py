"""The rules that the model follows, as one value: production's, unless a field is replaced to see what the rule is for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.saves import flights, rules

__all__ = ["Rules"]


@dataclass(frozen=True)
class Rules:
    """One callable for each decision; see ``bridge/saves/rules.py``."""

    enter: Callable[..., Any] = rules.enter
    for_callback: Callable[..., Any] = rules.for_callback
    for_courier: Callable[..., Any] = rules.for_courier
    open_session: Callable[..., Any] = rules.open_session
    served: Callable[..., Any] = rules.served
    for_forgotten: Callable[..., Any] = rules.for_forgotten
    place_of_forgotten: Callable[..., Any] = rules.place_of_forgotten
    begin: Callable[..., Any] = flights.begin
    pulled: Callable[..., Any] = flights.pulled
    adopt: Callable[..., Any] = flights.adopt
    after: Callable[..., Any] = flights.after
    after_probe: Callable[..., Any] = flights.after_probe
