"""What holds in every test: nothing goes wrong unseen."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-expectations",
        action="store_true",
        help="write what the bridge does with each recorded exchange anew; read the difference before you believe it",
    )


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # What the server says of a handler that let an exception out after its answer had begun, and the loop of a
        # task that nobody awaited. A malformed request, which fakes and tests send on purpose, is said in other words.
        if record.getMessage().startswith(("Unhandled", "Task exception")):
            self.seen.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_error_passes_unseen() -> Iterator[None]:
    """Fail a test in which the server library or the event loop met an exception that nobody caught."""
    errors = _Errors()
    loggers = [logging.getLogger(name) for name in ("aiohttp.server", "aiohttp.web", "asyncio")]
    for logger in loggers:
        logger.addHandler(errors)
    yield
    for logger in loggers:
        logger.removeHandler(errors)
    assert not errors.seen, "\n".join(errors.seen)
