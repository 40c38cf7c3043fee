"""The dashboard, the space's stream and its posts."""

from __future__ import annotations

import uuid

from bridge.demo.humhub import pages, panels
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.posts import Post


async def dashboard(call: Call) -> Answer:
    member = call.user is not None and call.user.member
    posts = call.hub.posts.newest_first() if member else []
    return pages.stream(call, "Dashboard", posts, form=member)


async def view_post(call: Call) -> Answer:
    return pages.stream(call, "Post", [_the_post(call)], form=False)


async def create_post(call: Call) -> Answer:
    """Write a post with the files that were uploaded or created before."""
    if call.user is None or not call.user.member:
        raise HumHubError(403, "You are not allowed to perform this action.")
    files = [call.hub.files[guid] for guid in call.form.getall("fileList[]", []) if guid in call.hub.files]
    mine = [file for file in files if file.post is None and file.owner == call.user.username]
    post = call.hub.posts.add(call.user.username, call.form.get("Post[message]", ""), mine)
    output = panels.post(call, post)
    return as_json({"id": post.number, "guid": str(uuid.uuid4()), "output": output, "pinned": False, "archived": False})


async def edit_post(call: Call) -> Answer:
    post = _the_post(call)
    if call.user is None or not (call.user.admin or call.user.username == post.author):
        raise HumHubError(403, "You are not allowed to perform this action.")
    return html(panels.edit_post(call, post))


def _the_post(call: Call) -> Post:
    number = call.parameter("id") or ""
    post = call.hub.posts.get(int(number)) if number.isdecimal() else None
    if post is None:
        raise HumHubError(404, "Content not found!")
    if call.user is None or not call.user.member:
        raise HumHubError(403, "You are not allowed to perform this action.")
    return post
