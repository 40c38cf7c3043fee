"""What the tests of saves stand on: a spool of their own, a bridge between two fakes, or whole houses."""

from __future__ import annotations

from tests.houses import make_house
from tests.legs.conftest import bridge, start
from tests.saves.disks import disk
from tests.saves.keeping import open_spool, spool, steps
from tests.saves.scene import make_scene
from tests.store.conftest import clock

__all__ = ["bridge", "clock", "disk", "make_house", "make_scene", "open_spool", "spool", "start", "steps"]
