"""What a small Docs server can be told: its secrets, its network and its clocks.

The clocks default to what the real server was seen to do; tests scale them down.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

MIB = 1024 * 1024

BUILD_VERSION = "4.1.2"
BUILD_NUMBER = 37


@dataclass(frozen=True, slots=True)
class DocsSettings:
    """Settings of one small Docs server; times are in seconds, sizes in bytes."""

    secret: str = field(repr=False)
    """Signs what is sent (outbox) and verifies what comes (inbox, browser). Where it is empty nothing is signed, and
    nothing needs a token; one that is there is verified all the same, and can't hold."""
    session_secret: str = field(default="", repr=False)
    """Signs the editors' session tokens; derived from `secret` where empty."""
    header: str = "Authorization"
    clients: str | None = None
    """CIDR of the clients that are served; any other connection is aborted without a byte."""
    source_address: str | None = None
    """Local address of outgoing calls."""
    tls: ssl.SSLContext | None = None
    """The certificate that is shown; plain HTTP without."""
    trust: ssl.SSLContext | None = None
    """Whose certificates outgoing calls believe."""
    save_delay: float = 5.0
    """From the last one's leaving to the save."""
    rejoin: float = 10.0
    """How long a participant whose connection broke is kept before it counts as left."""
    retry_delays: tuple[float, ...] = (1, 2, 4)
    """Before each further attempt of a callback that saves."""
    callback_timeout: float = 600
    download_retry_delay: float = 1.0
    download_attempts: int = 3
    download_timeout: float = 120
    """For a whole download with its retries."""
    download_limit: int = 100 * MIB
    used_up: float = 300
    """After an acknowledged save: editors get `updateversion`, viewers the content from before the edit."""
    conversion_timeout: float = 60
    """After which a synchronous conversion is cut by the front with an HTML 504."""
    link_lifetime: int = 900
    """Of links to results and saved files."""
    image_lifetime: int = 30 * 24 * 3600
    """Of links that only editors get, and of session tokens."""
    ping_interval: float = 25
    ping_timeout: float = 20

    @property
    def session_key(self) -> str:
        return self.session_secret or f"session {self.secret}"
