"""Who a site's saves go to: HumHub's module, or the connector's storage.

Everything about order, attempts and what Docs hears is the same for all of them (``rules.py``); a recipient knows only
how one body is handed over, and how to find out afterwards what became of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from bridge.protocol.messages import Callback
from bridge.saves.track import Told
from bridge.store.records import Flight, Record

__all__ = ["Recipient"]


class Recipient(ABC):
    """Takes the saves of one site."""

    @abstractmethod
    async def take(self, record: Record, flight: Flight, callback: Callback | None) -> Told:
        """Hand over the entry that ``flight`` is an attempt for, and say how that ended; nothing is raised.

        ``callback`` is the one that it is made for, if that still waits. Before the body's last byte leaves,
        :meth:`~bridge.saves.attempts.Attempts.pulled` is to be called, and to have returned.
        """

    @abstractmethod
    async def knows_key(self, record: Record) -> bool | None:
        """Say whether the key is still good: False once a save that ends its session is stored; None for not known.

        It is asked about ``record.flight``, whose end isn't known.
        """

    @abstractmethod
    async def hear(self, record: Record, callback: Callback) -> Told:
        """Pass on news (1, 4).

        Raises:
            UpstreamError: nobody heard it.
        """

    @abstractmethod
    async def is_there(self) -> bool:
        """Say whether it answers, whatever it says."""
