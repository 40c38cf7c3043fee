"""Who still runs: each worker holds a lock on a file of its own, which the kernel lets go of when it dies.

No clock is asked, so a killed worker is known as dead at once, and one on a machine whose clock jumps isn't.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

__all__ = ["Workers"]


class Workers:
    """The directory of the workers' locks; holds the one of this worker until :meth:`leave`.

    A ``guest`` only looks: it has no name and no lock, and changes nothing.
    """

    def __init__(self, directory: Path, *, guest: bool = False) -> None:
        self._directory = directory
        self.name = ""
        self._file: int | None = None
        if not guest:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.name = f"{os.getpid()}-{secrets.token_hex(4)}"
            self._file = self._locked(self.name)

    def _locked(self, name: str) -> int:
        """Make and lock a worker's file; it gets its name when it is locked: nobody takes it for a dead one's."""
        draft = self._directory / f".{name}"
        file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(self._directory / name)
        return file

    def is_alive(self, name: str) -> bool:
        """Say whether the worker ``name`` still runs; a dead one's file is removed."""
        if name == self.name:
            return self._file is not None
        path = self._directory / Path(name).name
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # Shared: two who ask at the same time must not take each other for the owner.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    path.unlink()
            return False
        finally:
            os.close(file)

    def others(self) -> list[str]:
        """Name the other workers that run."""
        try:
            names = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return []
        return [name for name in names if name[0] != "." and name != self.name and self.is_alive(name)]

    def leave(self) -> None:
        """Let go of the lock."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            (self._directory / self.name).unlink()
        os.close(self._file)
