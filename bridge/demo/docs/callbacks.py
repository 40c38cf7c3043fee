"""The callback: how Docs tells the storage who is here and what was saved, and what it makes of the answer.

A status that saves at the end (2, 3) is tried again on 429, 5xx, a time-out or a broken connection; each attempt has
fresh tokens and a freshly signed URL whose path stays. Any other answer but a 200 with `error` 0 is final. The rest
(1, 4, 6, 7) is sent once. Where the header's token would reach 7168 characters, `changesurl` and `history` are left
out of the header and of the plain body; the body's token keeps them.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp

from bridge.demo.docs import tokens
from bridge.demo.docs.outgoing import CallError, Outgoing, compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.demo.docs.settings import DocsSettings

HEADER_LIMIT = 7168

JOINED, SAVED, SAVE_ERROR, UNCHANGED, FORCED, FORCE_ERROR = 1, 2, 3, 4, 6, 7

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: the plain fields that were sent, and the answer (a status, or what broke) with its body.

    `at` is when its tokens were made: seconds since the epoch, of which they tell the whole ones.
    """

    fields: Fields
    answer: int | str
    body: str
    at: float


@dataclass(slots=True)
class Callback:
    """One callback with all its attempts; `acknowledged` once it is settled."""

    url: str
    key: str
    status: int
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: bool | None = None
    sent: float = field(default_factory=time.monotonic)
    settled: float | None = None


@dataclass(slots=True)
class Caller:
    """Sends callbacks and remembers them."""

    settings: DocsSettings
    outgoing: Outgoing
    log: list[Callback] = field(default_factory=list)

    async def send(self, url: str, build: Callable[[], Fields]) -> bool:
        """Send what `build` makes anew for each attempt; return whether it was acknowledged with `error` 0."""
        fields = build()
        callback = Callback(url, fields["key"], fields["status"])
        self.log.append(callback)
        delays = self.settings.retry_delays if callback.status in {SAVED, SAVE_ERROR} else ()
        for delay in (*delays, None):
            attempt = await self._attempt(url, fields)
            callback.attempts.append(attempt)
            if delay is None or not _retryable(attempt.answer):
                break
            await asyncio.sleep(delay)
            fields = build()
        callback.acknowledged, callback.settled = _acknowledged(callback.attempts[-1]), time.monotonic()
        return callback.acknowledged

    async def _attempt(self, url: str, fields: Fields) -> Attempt:
        now = time.time()
        authorization, plain, body_token = self._sign(fields, now)
        filetype = {"filetype": plain.pop("filetype")} if "filetype" in plain else {}
        text = compact({**plain, **({"token": body_token} if body_token else {}), **filetype})
        sent = {**plain, **filetype}
        try:
            async with asyncio.timeout(self.settings.callback_timeout):
                answer, body = await self.outgoing.post_json(url, text, authorization)
        except TimeoutError:
            return Attempt(sent, "timeout", "", now)
        except (aiohttp.ClientError, CallError, OSError, ValueError) as error:
            return Attempt(sent, str(error) or type(error).__name__, "", now)
        return Attempt(sent, answer, body, now)

    def _sign(self, fields: Fields, now: float) -> tuple[str, Fields, str]:
        """Return the header's value, the plain fields and the body's token; no tokens without a secret."""
        secret = self.settings.secret
        plain = dict(fields)
        if not secret:
            return "", plain, ""
        header = tokens.sign_header(plain, secret, now)
        if len(header) >= HEADER_LIMIT:
            plain.pop("changesurl", None)
            if "history" in plain:
                plain["history"] = {}
            header = tokens.sign_header(plain, secret, now)
        return tokens.PREFIX + header, plain, tokens.sign(fields, secret, now)


def _retryable(answer: int | str) -> bool:
    return isinstance(answer, str) or answer == 429 or answer >= 500


def _acknowledged(attempt: Attempt) -> bool:
    """Say whether the answer is a 200 whose body holds `error` 0, as a number or a string, whatever its type."""
    if attempt.answer != 200:
        return False
    try:
        answer = json.loads(attempt.body)
    except ValueError:
        return False
    return isinstance(answer, dict) and not isinstance(answer.get("error"), bool) and str(answer.get("error")) == "0"
