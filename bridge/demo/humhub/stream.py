"""The dashboard, the space's stream, its posts and comments."""

from __future__ import annotations

import uuid

from bridge.demo.humhub import pages, panels, wall
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.people import may_edit
from bridge.demo.humhub.posts import COMMENT_MODEL, POST_MODEL, Post
from bridge.demo.humhub.words import say

FORBIDDEN = "You are not allowed to perform this action."


async def dashboard(call: Call) -> Answer:
    return pages.stream(call, say("Dashboard"), call.links.to("dashboard/dashboard/stream"))


async def space(call: Call) -> Answer:
    return pages.stream(call, call.hub.space.name, call.links.in_space("space/space/stream"))


async def entries(call: Call) -> Answer:
    """Answer with the posts that the page's script asks for, the newest first."""
    limit = call.parameter("StreamQuery[limit]") or "50"
    posts = call.hub.posts.newest_first() if call.user is not None and call.user.member else []
    shown = posts[: int(limit) if limit.isdecimal() else 50]
    found = {str(post.content): _entry(call, post) for post in shown}
    if shown:
        first = found[str(shown[0].content)]
        first["output"] = f"{panels.in_space(call)}{first['output']}"
    return as_json(
        {
            "content": found,
            "contentOrder": [post.content for post in shown],
            "lastContentId": shown[-1].content if shown else 0,
            "isLast": len(shown) == len(posts),
            "contentSuppressions": [],
        }
    )


def _entry(call: Call, post: Post) -> dict[str, object]:
    output = wall.post(call, post)
    return {"id": post.content, "guid": str(uuid.uuid4()), "output": output, "pinned": False, "archived": False}


async def view_post(call: Call) -> Answer:
    return pages.entry(call, _the_post(call))


async def create_post(call: Call) -> Answer:
    """Write a post with the files that were uploaded or created before."""
    if call.user is None or not call.user.member:
        raise HumHubError(403, FORBIDDEN)
    post = call.hub.posts.add(call.user.username, call.form.get("Post[message]", ""), _fresh(call))
    return as_json({**_entry(call, post), "id": post.number})


async def edit_post(call: Call) -> Answer:
    """Show the form of a post, or save its text and attach what was uploaded."""
    post = _the_post(call)
    if not may_edit(call.user, post.author):
        raise HumHubError(403, FORBIDDEN)
    text = call.form.get("Post[message]")
    if text is None:
        return html(wall.edit_post(call, post))
    post.text = text
    for file in _fresh(call):
        call.hub.posts.attach(post, file)
    return html(wall.post(call, post))


async def comment(call: Call) -> Answer:
    """Write a comment at a post or at another comment, with files that were uploaded before."""
    number = call.form.get("objectId", "")
    finders = {POST_MODEL: call.hub.posts.get, COMMENT_MODEL: call.hub.posts.with_comment}
    find = finders.get(call.form.get("objectModel", ""))
    post = find(int(number)) if find and number.isdecimal() else None
    if post is None:
        raise HumHubError(404, "Content not found!")
    if call.user is None or not call.user.member:
        raise HumHubError(403, FORBIDDEN)
    text = call.form.get("Comment[message]", "")
    return html(wall.comment(call, call.hub.posts.comment(post, call.user.username, text, _fresh(call))))


def _fresh(call: Call) -> list[HumHubFile]:
    """Find the files that the form brings: the user's own, which belong to nothing yet."""
    files = [call.hub.files[guid] for guid in call.form.getall("fileList[]", []) if guid in call.hub.files]
    return [file for file in files if not file.attached and call.user and file.owner == call.user.username]


def _the_post(call: Call) -> Post:
    number = call.parameter("id") or ""
    post = call.hub.posts.get(int(number)) if number.isdecimal() else None
    if post is None:
        raise HumHubError(404, "Content not found!")
    if call.user is None or not call.user.member:
        raise HumHubError(403, FORBIDDEN)
    return post
