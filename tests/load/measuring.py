"""What isn't one HTTP request, measured like one: how long it took, or why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from locust.clients import ResponseContextManager
from locust.env import Environment
from locust.exception import RescheduleTask


class FailedError(Exception):
    """Something came out otherwise than it should."""


@contextmanager
def measured(environment: Environment, kind: str, name: str) -> Iterator[None]:
    """Count the block as one request; where it fails, that is in the report, and the user's round ends there."""
    with environment.events.request.measure(kind, name) as request:
        yield
    if request["exception"] is not None:
        raise RescheduleTask


@contextmanager
def answer(waiting: ResponseContextManager, status: int = 200) -> Iterator[ResponseContextManager]:
    """Use an HTTP answer; another status, or an error in the block, is a failed request and ends the user's round."""
    failed: Exception | None = None
    with waiting as found:
        try:
            _expect(found, status)
            yield found
        except (FailedError, ValueError, KeyError) as error:
            failed = error
            found.failure(str(error) or type(error).__name__)
        else:
            found.success()
    if failed is not None:
        raise RescheduleTask


def _expect(found: ResponseContextManager, status: int) -> None:
    if found.status_code != status:
        raise FailedError(f"expected {status}, got {found.status_code}: {found.text[:200] or found.error}")
