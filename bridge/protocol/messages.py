"""The three messages of the ONLYOFFICE API: callback, conversion, command.

Each is parsed to the few fields that the bridge decides by; ``fields`` keeps the whole message, unknown ones included,
because relaying is not validating.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

from bridge.protocol.errors import BadAnswerError, BadRequestError, ClientError
from bridge.protocol.keys import is_key
from bridge.protocol.urls import split

__all__ = ["Callback", "Command", "Conversion", "Status", "parse_object"]

Fields = dict[str, Any]
Mapper = Callable[[str], str]

# URLs to files of Docs in a callback; each has to reach HumHub, which fetches them as they stand.
_CALLBACK_URLS = ("url", "changesurl", "formsdataurl")
# The conversion service's code for what is too large.
_LIMITS = -10


class Status(enum.IntEnum):
    """What a callback reports. Source: ONLYOFFICE API, callback handler."""

    NOT_FOUND = 0
    EDITED = 1
    SAVE = 2
    SAVE_FAILED = 3
    CLOSED = 4
    MAIL_MERGE = 5
    FORCED_SAVE = 6
    FORCED_SAVE_FAILED = 7


def parse_object(raw: bytes) -> Fields:
    """Read a JSON object.

    Raises:
        BadRequestError: it isn't one.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequestError("The body is not JSON.") from error
    if not isinstance(value, dict):
        raise BadRequestError("The body is JSON, and not an object.")
    return value


def _text(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise BadRequestError(f"The field {name} is not text.", field=name)


def _key(message: Mapping[str, Any]) -> str:
    key = message.get("key")
    if not is_key(key):
        raise BadRequestError("The message names no document key.", field="key")
    return str(key)


@dataclass(frozen=True, slots=True)
class Callback:
    """What Docs reports of one document.

    ``url`` is the edited file, given with a save (2, 3, 6, 7) and sometimes missing at 3 and 7.
    """

    key: str
    status: Status
    url: str | None
    filetype: str | None
    fields: Fields

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> Self:
        """Read a callback from the claims of its token.

        Raises:
            BadRequestError: no key, or a status that the protocol doesn't know.
        """
        status = message.get("status")
        if isinstance(status, bool) or not isinstance(status, int) or status not in set(Status):
            raise BadRequestError("The callback has a status that is not known.", field="status", status=status)
        url = _text(message, "url")
        filetype = _text(message, "filetype")
        if filetype is None and url is not None:
            # Docs leaves it out at times, and HumHub answers 500 to a save without it: the file's name has it too.
            filetype = PurePosixPath(split(url).path).suffix.removeprefix(".") or None
        return cls(_key(message), Status(status), url, filetype, dict(message))

    @property
    def brings_file(self) -> bool:
        """Say whether this is a save with a file, rather than news."""
        saves = (Status.SAVE, Status.SAVE_FAILED, Status.FORCED_SAVE, Status.FORCED_SAVE_FAILED)
        return self.url is not None and self.status in saves

    def mapped(self, to_humhub: Mapper, *, url: str | None = None) -> Fields:
        """Give the message with its file URLs mapped by ``to_humhub``, the edited file's replaced by ``url``."""
        fields = dict(self.fields)
        for name in _CALLBACK_URLS:
            if isinstance(fields.get(name), str) and fields[name]:
                fields[name] = to_humhub(fields[name])
        if url is not None:
            fields["url"] = url
        if self.filetype is not None:
            fields["filetype"] = self.filetype
        return fields


@dataclass(frozen=True, slots=True)
class Conversion:
    """A request for ONLYOFFICE's conversion service."""

    key: str
    url: str
    fields: Fields

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> Self:
        """Read a conversion from the claims of its token.

        Raises:
            BadRequestError: no key (Docs would take one key shared by everybody), or no URL.
        """
        key = _key(message)
        url = _text(message, "url")
        if url is None:
            raise BadRequestError("The conversion names no file.", field="url")
        return cls(key, url, dict(message))

    def outbound(self, to_docs: Mapper) -> Fields:
        """Give the request with the file's URL mapped."""
        return {**self.fields, "url": to_docs(self.url)}

    @staticmethod
    def answer(raw: bytes, to_humhub: Mapper) -> Fields:
        """Give Docs' answer with the result's URL mapped.

        An error 0 is no error to Docs: a table lost what was beyond its limits. HumHub's module would ask for ever, so
        it goes on as the code of limits, or not at all beside a result. Source: ``mapAscServerErrorToOldError``.

        Raises:
            BadAnswerError: it isn't the JSON of the conversion service, or names a foreign file.
        """
        fields = _answer(raw)
        if fields.get("error") == 0:
            fields = {name: value for name, value in fields.items() if name != "error"}
            if not fields.get("fileUrl"):
                return {"error": _LIMITS}
        return _with_file(fields, "fileUrl", to_humhub)


@dataclass(frozen=True, slots=True)
class Command:
    """A request for ONLYOFFICE's command service; ``key`` is missing in those that name no document."""

    name: str
    key: str | None
    fields: Fields

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> Self:
        """Read a command from the claims of its token.

        Raises:
            BadRequestError: no command, or a key that can't be one.
        """
        name = _text(message, "c")
        if name is None:
            raise BadRequestError("The message names no command.", field="c")
        key = _key(message) if message.get("key") is not None else None
        return cls(name, key, dict(message))

    @staticmethod
    def answer(raw: bytes, to_humhub: Mapper) -> Fields:
        """Give Docs' answer; the URL of a forgotten file, the only one in it, is mapped.

        Raises:
            BadAnswerError: it isn't the JSON of the command service, or names a foreign file.
        """
        return _with_file(_answer(raw), "url", to_humhub)


def _answer(raw: bytes) -> Fields:
    try:
        return parse_object(raw)
    except BadRequestError as error:
        raise BadAnswerError(
            "ONLYOFFICE Docs answered something else than JSON.",
            remedy="A proxy between may have answered in its place: ask Docs directly for /healthcheck.",
        ) from error


def _with_file(fields: Fields, name: str, to_humhub: Mapper) -> Fields:
    """Give an answer of Docs with the file that it names mapped."""
    url = fields.get(name)
    if not isinstance(url, str) or not url:
        return fields
    try:
        return {**fields, name: to_humhub(url)}
    except ClientError as error:
        raise BadAnswerError(
            "ONLYOFFICE Docs names a file that is nowhere among its own.",
            remedy="With an object store, let Docs serve its files itself: storage.useDirectStorageUrls is false.",
            **error.details,
        ) from error
