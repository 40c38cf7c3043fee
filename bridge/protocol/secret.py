"""A secret: never printed, compared in constant time."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

__all__ = ["Secret"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Secret:
    """Hold a text that must never reach a log, a page or a traceback; say ``reveal()`` where its bytes are needed."""

    _text: str

    def reveal(self) -> bytes:
        """Give the secret itself, in UTF-8, as signatures take it."""
        return self._text.encode()

    def __len__(self) -> int:
        """Give its length in bytes."""
        return len(self.reveal())

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.reveal(), other.reveal())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"
