"""The space's stream: posts with their files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from bridge.demo.humhub.files import HumHubFile


@dataclass(slots=True)
class Post:
    """One post."""

    number: int
    author: str
    text: str
    guids: list[str] = field(default_factory=list)
    created: float = field(default_factory=time.time)


class Posts:
    """All posts, the newest first when read."""

    def __init__(self) -> None:
        self._by_number: dict[int, Post] = {}

    def add(self, author: str, text: str, files: list[HumHubFile], *, number: int | None = None) -> Post:
        number = number or max(self._by_number, default=0) + 1
        post = self._by_number[number] = Post(number, author, text)
        for file in files:
            self.attach(post, file)
        return post

    def attach(self, post: Post, file: HumHubFile) -> None:
        file.post = post.number
        post.guids.append(file.guid)

    def detach(self, file: HumHubFile) -> None:
        post = self.get(file.post)
        if post is not None and file.guid in post.guids:
            post.guids.remove(file.guid)

    def get(self, number: int | None) -> Post | None:
        return self._by_number.get(number or 0)

    def newest_first(self) -> list[Post]:
        return sorted(self._by_number.values(), key=lambda post: post.number, reverse=True)
