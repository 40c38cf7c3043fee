"""The rest module in the small HumHub: whom it believes, what it lets them do, and what becomes of uploads."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest

from bridge.demo.humhub import Fault, SmallHumHub
from tests.demo.humhub.test_cfiles import multipart

KEY = "the rest module's key in these tests, as long as HS512 wants it: " + "k" * 16
Ask = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def hub(hub: SmallHumHub) -> SmallHumHub:
    hub.reconfigure(onlyoffice=False, rest_secret=KEY)
    return hub


def token(hub: SmallHumHub, name: str, key: str = KEY, **claims: Any) -> str:
    return jwt.encode({"uid": hub.users[name].number, **claims}, key, algorithm="HS512")


@pytest.fixture
def ask(hub: SmallHumHub, http: aiohttp.ClientSession) -> Ask:
    """Return a function that asks the rest module as a user, and gives the status and the JSON."""

    async def call(name: str | None, path: str, method: str = "GET", **more: Any) -> tuple[int, Any]:
        headers = {"Accept-Encoding": "identity"}
        if name:
            headers["Authorization"] = f"Bearer {token(hub, name)}"
        url = f"{hub.url}/api/v1/{path}"
        async with http.request(method, url, headers=headers | more.pop("headers", {}), **more) as answer:
            body = await answer.read()
            is_json = answer.content_type == "application/json"
            return answer.status, json.loads(body) if is_json else body

    return call


async def send(ask: Ask, name: str, file: str, content: bytes = b"new", folder: str = "1") -> tuple[int, Any]:
    data = multipart(file, content, folder_id=folder)
    return await ask(name, "cfiles/files/container/5", "POST", data=data)


TIMES = {"iat", "nbf", "exp"}
TOKENS = {
    "sound": ({}, KEY, 200),
    "in its time": ({"iat": -5, "nbf": -5, "exp": 300}, KEY, 200),
    "expired": ({"exp": -1}, KEY, 401),
    "of the future": ({"iat": 60}, KEY, 401),
    "not valid yet": ({"nbf": 60}, KEY, 401),
    "of nobody": ({"uid": 99}, KEY, 401),
    "of another key": ({}, "another key, long enough for HS512 as well, and yet another: " + "o" * 16, 401),
}


@pytest.mark.parametrize("kind", TOKENS)
async def test_a_token_is_believed_by_its_key_and_its_times(kind: str, hub: SmallHumHub, ask: Ask) -> None:
    offsets, key, status = TOKENS[kind]
    now = int(time.time())
    claims = {name: value + now if name in TIMES else value for name, value in offsets.items()}
    own = {"Authorization": f"Bearer {token(hub, 'alice', key, **claims)}"}
    seen, found = await ask(None, "auth/current", headers=own)
    assert seen == status
    if status == 200:
        assert (found["guid"], found["account"]["language"]) == (hub.users["alice"].guid, "")


async def test_a_token_of_another_algorithm_is_not_believed(hub: SmallHumHub, ask: Ask) -> None:
    own = {"Authorization": f"Bearer {jwt.encode({'uid': 1}, KEY, algorithm='HS256')}"}
    assert (await ask(None, "auth/current", headers=own))[0] == 401


async def test_a_short_key_verifies_nothing(hub: SmallHumHub, ask: Ask) -> None:
    hub.reconfigure(rest_secret=KEY[:63])
    assert (await ask("alice", "auth/current"))[0] == 401


async def test_without_the_module_its_routes_are_not_there(hub: SmallHumHub, ask: Ask) -> None:
    hub.reconfigure(rest_secret=None)
    status, body = await ask("alice", "auth/current")
    assert (status, b"Page not found." in body) == (404, True)


async def test_an_upload_replaces_by_name_and_tells_no_guid(hub: SmallHumHub, ask: Ask) -> None:
    entry = hub.add_cfile("plan.docx", b"old", owner="alice")
    assert await send(ask, "admin", "plan.docx") == (200, {"code": 200, "message": "Files successfully uploaded!"})
    assert [version.content() for version in entry.file.versions] == [b"old", b"new"]
    status, found = await ask("carol", f"cfiles/file/{entry.number}")
    (file,) = found["content"]["files"]
    assert (status, file["guid"], file["size"]) == (200, entry.file.guid, "3")
    assert found["content"]["metadata"]["updated_by"]["id"] == hub.users["admin"].number
    assert await ask("carol", f"file/download/{file['id']}") == (200, b"new")
    assert [(note.how, note.who, note.replaced) for note in hub.uploads] == [("rest", "admin", True)]


REFUSED = {
    "a member, whose file it is": ("alice", "1", "plan.docx", 403, "You cannot upload files into this folder!"),
    "a folder that isn't there": ("admin", "9", "plan.docx", 404, "cFiles folder not found!"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_an_upload_is_refused(kind: str, hub: SmallHumHub, ask: Ask) -> None:
    name, folder, file, status, message = REFUSED[kind]
    entry = hub.add_cfile("plan.docx", b"old", owner="alice")
    assert await send(ask, name, file, folder=folder) == (status, {"code": status, "message": message})
    assert entry.file.content() == b"old"


async def test_what_is_too_big_is_a_422(hub: SmallHumHub, ask: Ask) -> None:
    hub.reconfigure(upload_limit=10)
    status, found = await send(ask, "admin", "plan.docx", bytes(11))
    assert (status, list(found["errors"])) == (422, ["uploadedFile"])
    assert hub.cfiles.entries == {}


async def test_an_upload_can_be_stored_and_answered_with_an_error(hub: SmallHumHub, ask: Ask) -> None:
    entry = hub.add_cfile("plan.docx", b"old")
    hub.faults.add("rest upload", Fault(after_store="500"))
    assert (await ask("admin", "cfiles/files/container/5"))[0] == 200
    assert (await send(ask, "admin", "plan.docx"))[0] == 500
    assert entry.file.content() == b"new"


READ = {
    "cfiles/file/1": (200, 403),
    "cfiles/file/9": (404, 404),
    "file/download/1": (200, 403),
    "file/download/9": (404, 404),
    "post/1": (200, 403),
    "post/9": (404, 404),
    "space/1": (200, 403),
    "cfiles/folder/1": (200, 403),
    "cfiles/folder/9": (404, 404),
    "cfiles/folders/container/5": (200, 200),
    "cfiles/files/container/6": (404, 404),
    "user/get-by-username?username=alice": (403, 403),
    "nope": (404, 404),
}


@pytest.mark.parametrize("path", READ)
async def test_who_may_read_what(path: str, hub: SmallHumHub, ask: Ask) -> None:
    hub.add_cfile("plan.docx", b"x")
    hub.add_post("admin", "look")
    assert ((await ask("carol", path))[0], (await ask("bobby", path))[0]) == READ[path]
    assert (await ask(None, path))[0] == (404 if path == "nope" else 401)


async def test_a_posts_files_are_added_by_who_may_edit_it(hub: SmallHumHub, ask: Ask) -> None:
    post = hub.add_post("alice", "look", [hub.add_file("plan.docx", b"old", owner="alice")])
    path = f"post/{post.number}/upload-files"
    assert (await ask("carol", path, "POST", data=multipart("plan.docx", b"new")))[0] == 403
    status, found = await ask("alice", path, "POST", data=multipart("plan.docx", b"new"))
    assert (status, [file["file_name"] for file in found["files"]]) == (200, ["plan.docx"])
    assert post.guids[1:] == [found["files"][0]["guid"]]


async def test_an_entry_is_deleted_by_who_may_edit_it(hub: SmallHumHub, ask: Ask) -> None:
    entry = hub.add_cfile("plan.docx", b"x", owner="alice")
    path = f"cfiles/file/{entry.number}"
    assert [(await ask(name, path, "DELETE"))[0] for name in ("carol", "alice", "alice")] == [403, 200, 404]
    assert hub.files == {}


async def test_many_entries_come_in_pages_the_newest_first(hub: SmallHumHub, ask: Ask) -> None:
    for number in range(5):
        hub.add_cfile(f"{number}.docx", b"x")
    _, found = await ask("carol", "cfiles/files/container/5?limit=2&page=2")
    assert (found["total"], found["page"], found["pages"], [one["id"] for one in found["results"]]) == (5, 2, 3, [3, 2])
