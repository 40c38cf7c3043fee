"""Engine sessions: which document a connection by polling was begun for.

By polling a connection is many requests, held together by the ``sid`` that Docs gave at the handshake. Each of them
says its document's key in its path, and Docs looks at the handshake's alone: so that what is known of a key (that it is
open, that it was settled before) is true, they have to agree.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from bridge.protocol.errors import BadRequestError

__all__ = ["Engines"]

# About 20 MB of memory; the longest unused are forgotten first.
_MOST: Final = 100_000


class Engines:
    """Knows the key of each engine session, as long as it is in use."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._keys: OrderedDict[str, str] = OrderedDict()

    def begin(self, sid: str, key: str) -> None:
        """Bind a session to its key."""
        self._keys[sid] = key
        self._keys.move_to_end(sid)
        while len(self._keys) > self._most:
            self._keys.popitem(last=False)

    def check(self, sid: str, key: str) -> None:
        """See that a session is its key's. One that isn't known, after a restart, is taken for what it says it is.

        Raises:
            BadRequestError: it was begun for another document.
        """
        if self._keys.get(sid, key) != key:
            raise BadRequestError("This connection was begun for another document.", key=key)
        self.begin(sid, key)
