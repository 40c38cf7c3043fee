"""The one error tree: what can go wrong with a request, each with the HTTP status that it means.

::

    BridgeError                    500  a fault of our own
    ├── ConfigurationError              the configuration doesn't load: never met in a request
    ├── ClientError                400  the request is at fault
    │   ├── BadRequestError        400  not to be understood: target, Host, header, JSON
    │   ├── TokenError             403  a JWT is missing, wrong, expired or from the future
    │   ├── RefusedError           403  understood, and against a rule: foreign URL, another document's key
    │   ├── NoRouteError           404  not on this leg's allow-list, or no such site or save
    │   ├── ConflictError          409  it can't be done as things stand
    │   └── TooLargeError          413  over a configured limit
    ├── UpstreamError              502  HumHub or Docs is at fault
    │   ├── UnreachableError       502  never connected: name, route, refusal, TLS; nothing was sent
    │   │   └── CrowdedError       503  every connection that it may have is in use; nothing was sent
    │   ├── UpstreamTimeoutError   504  connected, and silent for too long
    │   ├── CutError               502  the answer ended before its promised end
    │   └── BadAnswerError         502  an answer, and not the one that the protocol knows
    ├── StorageError               507  a body could not be made durable
    └── OverloadError              503  a limit of our own is reached; try again

Raise one of these; the legs turn it into the shape that their client expects (``legs/answers.py``).
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BadAnswerError",
    "BadRequestError",
    "BridgeError",
    "ClientError",
    "ConfigurationError",
    "ConflictError",
    "CrowdedError",
    "CutError",
    "NoRouteError",
    "OverloadError",
    "RefusedError",
    "StorageError",
    "TokenError",
    "TooLargeError",
    "UnreachableError",
    "UpstreamError",
    "UpstreamTimeoutError",
]


class BridgeError(Exception):
    """Say what is wrong, what to do, and what the log should know.

    ``message`` is shown to clients, so it holds no secret, token or inner address. ``remedy`` and ``details`` go to the
    log alone; ``details`` become fields of the canonical log line. ``said``, where a leg has set it, is what people are
    told in place of ``message``, in their language.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "internal"

    def __init__(self, message: str, *, remedy: str | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details
        self.said: str | None = None

    @property
    def about(self) -> dict[str, Any]:
        """Give what the log should know besides the message."""
        return {**self.details, "remedy": self.remedy}


class ConfigurationError(BridgeError):
    """The configuration doesn't load."""

    reason = "configuration"


class ClientError(BridgeError):
    """The request is at fault."""

    status = 400
    reason = "client"


class BadRequestError(ClientError):
    """The request can't be understood."""

    reason = "bad-request"


class TokenError(ClientError):
    """A JWT is missing or doesn't hold; ``details`` name side, header and why."""

    status = 403
    reason = "token"


class RefusedError(ClientError):
    """The request is understood and against a rule."""

    status = 403
    reason = "refused"


class NoRouteError(ClientError):
    """Nothing on this leg answers to that path, method or host."""

    status = 404
    reason = "no-route"


class ConflictError(ClientError):
    """The request can't be done as things stand; the message says why."""

    status = 409
    reason = "conflict"


class TooLargeError(ClientError):
    """A body, header or message is over its configured limit."""

    status = 413
    reason = "too-large"


class UpstreamError(BridgeError):
    """HumHub or Docs is at fault."""

    status = 502
    reason = "upstream"


class UnreachableError(UpstreamError):
    """The upstream was never reached, so nothing was sent and a retry is safe."""

    reason = "unreachable"


class CrowdedError(UnreachableError):
    """Every connection to the upstream was in use for too long, so nothing was sent."""

    status = 503
    reason = "crowded"


class UpstreamTimeoutError(UpstreamError):
    """The upstream was reached and said nothing for too long."""

    status = 504
    reason = "time-out"


class CutError(UpstreamError):
    """The upstream's answer ended before its promised end."""

    reason = "cut"


class BadAnswerError(UpstreamError):
    """The upstream answered what the protocol doesn't know here."""

    reason = "bad-answer"


class StorageError(BridgeError):
    """A body could not be made durable."""

    status = 507
    reason = "storage"


class OverloadError(BridgeError):
    """A limit of the bridge itself is reached."""

    status = 503
    reason = "overload"
