"""Who may do what: four users, one space, and the rights that the recordings show."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from bridge.demo.humhub.files import HumHubFile


@dataclass(slots=True)
class User:
    """One user; `name` is the display name, as it is, not encoded."""

    username: str
    guid: str
    name: str
    email: str
    password: str = field(repr=False)
    admin: bool = False
    member: bool = True
    number: int = 0
    """The id in the database, and of the container that a user is."""
    language: str = ""
    """Chosen in the account's settings: `de`, or nothing for the site's own."""
    auth_key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


@dataclass(frozen=True, slots=True)
class Space:
    """The one space whose members share posts."""

    slug: str = "team"
    name: str = "Team"
    guid: str = "5d0e4f0c-3a51-4a0b-9d3a-2b1b5d5a7c11"
    container: int = 5
    """The id as a container of content, which pages and the rest module use."""


def everyone() -> dict[str, User]:
    people = [
        User(
            "admin",
            "3f8a2c5e-6f0b-4b7e-9d61-0c5a7e1b2d01",
            "Sys Admin",
            "admin@example.com",
            "admin-pass-1",
            admin=True,
        ),
        User("bobby", "3f8a2c5e-6f0b-4b7e-9d61-0c5a7e1b2d02", "Bobby Visitor", "bobby@example.com", "bobby-pass-1"),
        User(
            "alice", "3f8a2c5e-6f0b-4b7e-9d61-0c5a7e1b2d03", "Alice O'Brien & <Co>", "alice@example.com", "alice-pass-1"
        ),
        User("carol", "3f8a2c5e-6f0b-4b7e-9d61-0c5a7e1b2d04", "Carol Member", "carol@example.com", "carol-pass-1"),
    ]
    for number, user in enumerate(people, start=1):
        user.number = number
        user.member = user.username != "bobby"
    return {user.username: user for user in people}


def may_read(user: User | None, file: HumHubFile) -> bool:
    """What belongs to the space is its members'; a fresh upload is its owner's.

    The real HumHub shows a fresh upload to nobody else (File::canView); here administrators see it, so that a document
    can be edited by two before it is posted.
    """
    if user is None:
        return False
    return user.member if file.attached else user.username == file.owner or user.admin


def may_edit(user: User | None, author: str) -> bool:
    """Say who may edit a post, or an entry of the space's files: its author, and who manages the space."""
    return user is not None and (user.admin or user.username == author)


def may_write(user: User | None, file: HumHubFile) -> bool:
    """Say who may edit, replace and delete a file: who may edit what it belongs to. Source: File::canDelete."""
    return may_edit(user, file.belongs_to or file.owner)
