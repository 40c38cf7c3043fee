"""One attempt to upload a save."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.connector.storage import StoredFile
from bridge.store.documents import Document
from bridge.store.records import Entry, Flight, Record

__all__ = ["Attempt"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of the key, the save, its number, and what the key stands for."""

    record: Record
    entry: Entry
    flight: Flight
    document: Document

    @property
    def expected(self) -> StoredFile:
        """Give the file as the key knows it."""
        document = self.document
        return StoredFile(
            guid=document.guid,
            place=document.place,
            name=document.name,
            size=0,
            version=document.version,
            may_write=False,
            handle=document.handle,
        )
