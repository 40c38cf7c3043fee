"""Checking what Docs sends: HumHub's own `doc=` hash, and the module's JWT, with no leeway at all."""

from __future__ import annotations

import time
from typing import Any

import jwt

from bridge.demo.humhub.answers import HumHubError
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.outgoing import SHORTEST_SECRET


def read_hash(call: Call) -> dict[str, Any]:
    """Read `doc=`; without one the real module fails, with a wrong one it finds nothing."""
    given = call.parameter("doc")
    if given is None:
        raise HumHubError(500, "An internal server error occurred.")
    try:
        claims = jwt.decode(given, call.hub.internal_secret, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HumHubError(404, "Backend action with empty or invalid hash") from error
    return dict(claims)


def verify(call: Call, token: str | None) -> dict[str, Any]:
    """Verify the module's JWT: HS256, and exp, iat and nbf to the second."""
    if not token:
        raise HumHubError(403, "Expected JWT")
    if len(call.hub.settings.secret.encode()) < SHORTEST_SECRET:
        raise HumHubError(403, "Invalid JWT signature")
    try:
        claims = jwt.decode(
            token,
            call.hub.settings.secret,
            algorithms=["HS256"],
            leeway=0,
            options={"verify_aud": False, "verify_iat": True, "verify_sub": False, "verify_jti": False},
        )
    except jwt.InvalidTokenError as error:
        raise HumHubError(403, "Invalid JWT signature") from error
    if claims.get("iat", 0) > time.time():
        raise HumHubError(403, "Invalid JWT signature")
    return dict(claims)


def header_token(call: Call) -> str | None:
    """Cut the token out of the configured header, as the module does: whatever its first seven characters are."""
    header = call.request.headers.get(call.hub.settings.header)
    return header[len("Bearer ") :] if header else None
