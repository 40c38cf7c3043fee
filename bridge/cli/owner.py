"""Whose files a command works on: what root does there, it does as their owner."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from bridge.protocol.errors import StorageError

__all__ = ["acting_as_owner", "caller"]


@contextlib.contextmanager
def acting_as_owner(path: Path) -> Iterator[None]:
    """Act as the owner of ``path`` inside the block, if root calls: it must leave no file that the bridge can't open.

    Raises:
        StorageError: the caller isn't root, and may not read and write there.
    """
    try:
        owner = path.stat()
    except FileNotFoundError:
        yield  # nothing is there, and nothing will be made
        return
    except PermissionError as error:
        raise StorageError(f"{path} can't be read: {error.strerror}.", remedy="Call this as root.") from error
    if os.geteuid() == 0 and owner.st_uid != 0:
        with _as(owner.st_uid, owner.st_gid):
            yield
        return
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        name = _name_of(owner.st_uid)
        raise StorageError(f"{path} is {name}'s.", remedy=f"Call this as root or as {name}: sudo -u {name} …")
    yield


@contextlib.contextmanager
def _as(user: int, group: int) -> Iterator[None]:
    groups, own_group = os.getgroups(), os.getegid()
    try:
        try:
            os.initgroups(_name_of(user), group)
        except OSError:
            os.setgroups([group])
        os.setegid(group)
        os.seteuid(user)
        yield
    finally:
        os.seteuid(0)
        os.setegid(own_group)
        os.setgroups(groups)


def caller() -> str:
    """Name who calls this, past sudo."""
    return os.environ.get("SUDO_USER") or _name_of(os.getuid())


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
