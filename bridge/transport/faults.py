"""The one place that turns the HTTP client library's errors, and the operating system's, into ours."""

from __future__ import annotations

import ssl
from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from bridge.protocol.errors import (
    BadAnswerError,
    CutError,
    UnreachableError,
    UpstreamError,
    UpstreamTimeoutError,
)

__all__ = ["FAULTS", "fault"]

FAULTS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)
"""What awaiting the client library can raise; hand it to ``fault``."""

# Before ClientOSError, whose subclass most of them are: after these nothing of the request has been sent.
_UNREACHED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLError,
)


def fault(error: BaseException, upstream: str) -> UpstreamError:
    """Say in our words what went wrong with an exchange.

    ``upstream`` is the configured name. What the library said holds inner addresses: it goes into ``details`` (the
    log's) and never into the message (the client's).
    """
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, _UNREACHED):
        return UnreachableError("The server behind the bridge can't be reached.", upstream=upstream, what=what)
    if isinstance(error, TimeoutError):
        return UpstreamTimeoutError("The server behind the bridge doesn't answer.", upstream=upstream, what=what)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return BadAnswerError("The server behind the bridge doesn't speak HTTP.", upstream=upstream, what=what)
    return CutError("The server behind the bridge broke the connection off.", upstream=upstream, what=what)
