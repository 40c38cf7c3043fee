"""The space's stream: posts with their files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bridge.demo.humhub.files import HumHubFile

POST_MODEL = "humhub\\modules\\post\\models\\Post"
COMMENT_MODEL = "humhub\\modules\\comment\\models\\Comment"


@dataclass(slots=True)
class Comment:
    """One comment at a post."""

    number: int
    author: str
    text: str
    guids: list[str] = field(default_factory=list)
    created: float = field(default_factory=time.time)


@dataclass(slots=True)
class Post:
    """One post."""

    number: int
    author: str
    text: str
    guids: list[str] = field(default_factory=list)
    created: float = field(default_factory=time.time)
    content: int = 0
    """The id among all content of the space."""
    comments: list[Comment] = field(default_factory=list)


class Posts:
    """All posts, the newest first when read."""

    def __init__(self, contents: Iterator[int]) -> None:
        self._by_number: dict[int, Post] = {}
        self._contents = contents
        self._last_comment = 0

    def add(self, author: str, text: str, files: list[HumHubFile], *, number: int | None = None) -> Post:
        number = number or max(self._by_number, default=0) + 1
        post = self._by_number[number] = Post(number, author, text, content=next(self._contents))
        for file in files:
            self.attach(post, file)
        return post

    def attach(self, post: Post, file: HumHubFile) -> None:
        file.post = post.number
        file.belongs_to = post.author if post.author != file.owner else None
        post.guids.append(file.guid)

    def comment(self, post: Post, author: str, text: str, files: list[HumHubFile]) -> Comment:
        """Write a comment; its files become the space's."""
        self._last_comment += 1
        made = Comment(self._last_comment, author, text, [file.guid for file in files])
        post.comments.append(made)
        for file in files:
            file.comment = made.number
        return made

    def with_comment(self, number: int) -> Post | None:
        """Find the post that a comment is at."""
        found = (post for post in self._by_number.values() if any(one.number == number for one in post.comments))
        return next(found, None)

    def detach(self, file: HumHubFile) -> None:
        post = self.get(file.post)
        if post is not None and file.guid in post.guids:
            post.guids.remove(file.guid)

    def get(self, number: int | None) -> Post | None:
        return self._by_number.get(number or 0)

    def newest_first(self) -> list[Post]:
        return sorted(self._by_number.values(), key=lambda post: post.number, reverse=True)
