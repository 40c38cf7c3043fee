"""What the tests of saves stand on: a spool of their own, a bridge between two fakes, or whole houses."""

from __future__ import annotations

from tests.houses import make_house
from tests.legs.conftest import bridge, start
from tests.saves.keeping import open_spool, spool, steps
from tests.store.conftest import clock

__all__ = ["bridge", "clock", "make_house", "open_spool", "spool", "start", "steps"]
