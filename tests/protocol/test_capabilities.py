"""Capabilities: good for one purpose, for a time, from us."""

from __future__ import annotations

import pytest

from bridge.protocol.capabilities import mint, redeem
from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret

OURS, OTHER = Secret("bridge-secret-0123456789abcdef0123456789"), Secret("other-secret-0123456789abcdef0123456789")


def test_a_capability_gives_its_claims_back() -> None:
    text = mint(OURS, "body", {"site": "a"}, expires=1000)
    assert redeem(OURS, "body", text, now=999)["site"] == "a"


@pytest.mark.parametrize(
    ("secret", "purpose", "now"), [(OTHER, "body", 0), (OURS, "other", 0), (OURS, "body", 1000), (OURS, "body", 5000)]
)
def test_a_foreign_or_expired_capability_is_refused(secret: Secret, purpose: str, now: float) -> None:
    text = mint(OURS, "body", {}, expires=1000)
    with pytest.raises(RefusedError):
        redeem(secret, purpose, text, now=now)


@pytest.mark.parametrize("text", ["", "x", "a.b.c"])
def test_what_is_no_capability_is_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        redeem(OURS, "body", text, now=0)
