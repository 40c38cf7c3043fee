"""What tests ask of a process and of the system it runs on."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

__all__ = ["many_files", "peak"]


def peak(pid: int) -> int:
    """Give the most bytes that the process has had resident so far."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


@contextlib.contextmanager
def many_files(wanted: int) -> Iterator[None]:
    """Let this process have so many open files, or what it may, while the block lasts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
