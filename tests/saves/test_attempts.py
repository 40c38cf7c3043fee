"""A capability is good for one site and one attempt, while it lasts."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret
from bridge.saves.attempts import Attempts
from bridge.saves.spool import Entry

SECRET = Secret("bridge-secret-0123456789abcdef0123456789")
ENTRY = Entry("e1", Path("/saves/e1.body"), 1, "", {})


def test_the_body_is_given_while_the_attempt_lasts() -> None:
    attempts = Attempts(SECRET, lambda: 1000.0, lifetime=300)
    with attempts.begin("social", ENTRY) as path:
        capability = path.removeprefix("/file/")
        assert attempts.body("social", capability) == ENTRY.path
        for site, text in (("other", capability), ("social", capability[:-2]), ("social", "")):
            with pytest.raises(RefusedError):
                attempts.body(site, text)
    with pytest.raises(RefusedError, match="over"):
        attempts.body("social", capability)


def test_a_capability_ends_with_its_time() -> None:
    now = [1000.0]
    attempts = Attempts(SECRET, lambda: now[0], lifetime=300)
    with attempts.begin("social", ENTRY) as path:
        now[0] += 301
        with pytest.raises(RefusedError, match="over"):
            attempts.body("social", path.removeprefix("/file/"))
