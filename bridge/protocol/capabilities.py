"""Capabilities: signed, narrow, expiring URLs that stand for one right to one thing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jwt

from bridge.protocol.errors import RefusedError
from bridge.protocol.secret import Secret

__all__ = ["mint", "redeem"]


def mint(secret: Secret, purpose: str, claims: Mapping[str, Any], *, expires: float) -> str:
    """Sign ``claims`` for one ``purpose``, URL-safe; they hold until ``expires``, in seconds since the epoch."""
    return jwt.encode({**claims, "aud": purpose, "exp": math.ceil(expires)}, secret.reveal(), algorithm="HS256")


def redeem(secret: Secret, purpose: str, text: str, *, now: float) -> dict[str, Any]:
    """Give the claims of a capability that was minted for ``purpose`` and still holds at ``now``.

    Raises:
        RefusedError: it isn't one of ours, is for something else, or is over.
    """
    try:
        claims = jwt.decode(
            text,
            secret.reveal(),
            algorithms=["HS256"],
            audience=purpose,
            options={"verify_exp": False, "require": ["exp"]},
        )
    except jwt.InvalidTokenError as error:
        raise RefusedError("This link is not one of the bridge's.", why=type(error).__name__) from error
    if claims["exp"] <= now:
        raise RefusedError("This link is over.", why="expired")
    return claims
