"""HumHub by its rest module: what is done for somebody whose session is over, and what can't be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web

from bridge.connector.storage import SignedOutError, StoredFile, Visitor
from bridge.protocol.errors import BadAnswerError, BridgeError, NoRouteError, RefusedError, TooLargeError
from tests.connector.fake_humhub import FOLDER, POST, SECRET, Answer
from tests.connector.houses import NOW, House, gone, house

OLD, NEW = b"PK\x03\x04 before", b"PK\x03\x04 and after"


async def looked(made: House, name: str, guid: str, place: str = FOLDER) -> tuple[Visitor, StoredFile]:
    """Have somebody look at a file, and their session end then."""
    visitor = await made.visitor(name, place)
    file = await made.storage.look(visitor, guid, place)
    made.humhub.signed_in.clear()
    made.humhub.calls.clear()
    made.now += 60
    return visitor, file


def answers(status: int, body: Any, kind: str = "application/json") -> Answer:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type=kind)

    return answer


# --- what works ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookies", [True, False])
async def test_a_save_arrives_after_the_session_s_end(keyed: House, cookies: bool) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyed, "admin", file.guid)
    visitor = visitor if cookies else gone("admin")
    again = await keyed.storage.look(visitor, file.guid, FOLDER, found.handle)
    assert (again.version, again.name, again.may_write) == (found.version, found.name, True)
    stored = await keyed.storage.replace(visitor, again, keyed.upload(NEW))
    assert (stored.guid, stored.version, stored.stray) == (file.guid, file.etag, False)
    assert (file.content, file.versions) == (NEW, [OLD])
    assert stored.handle == found.handle


async def test_the_key_s_token_says_who_and_no_time_that_could_be_ahead(keyed: House) -> None:
    seen: list[str] = []

    async def keep(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        assert "Cookie" not in request.headers
        return web.json_response({"code": 404, "message": "Requested content not found!"}, status=404)

    keyed.humhub.instead["api/v1/post/3"] = keep
    with pytest.raises(NoRouteError):
        await keyed.storage.look(gone("carol"), "a60f5ed2-6497-4316-850a-294588b08b05", POST)
    options: Any = {"verify_exp": False}
    token = seen[0].removeprefix("Bearer ")
    assert jwt.decode(token, SECRET, algorithms=["HS512"], options=options) == {"uid": 4, "exp": int(NOW) + 300}


async def test_a_file_is_found_among_all_of_its_space_without_a_handle(keyed: House) -> None:
    files = [keyed.humhub.add(f"{number}.docx", OLD) for number in range(5)]
    elsewhere = keyed.humhub.add("plan.docx", OLD, place="/s/team/cfiles/upload?fid=7")
    visitor = gone("admin")
    assert (await keyed.storage.look(visitor, files[4].guid, FOLDER)).name == "4.docx"
    assert keyed.made("GET", "api/v1/cfiles/files/container/5") == 6  # three pages for the file, three for the right
    assert (await keyed.storage.look(visitor, elsewhere.guid, FOLDER)).away
    with pytest.raises(NoRouteError):
        await keyed.storage.look(visitor, "a60f5ed2-6497-4316-850a-294588b08b05", FOLDER)


async def test_a_file_that_was_moved_is_away_by_the_key_too(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyed, "admin", file.guid)
    file.folder = 9
    again = await keyed.storage.look(visitor, file.guid, FOLDER, found.handle)
    assert (again.away, again.may_write, again.version) == (True, False, found.version)


async def test_a_handle_of_another_file_leads_to_none(keyed: House) -> None:
    file, other = keyed.humhub.add("plan.docx", OLD), keyed.humhub.add("other.docx", NEW)
    for item in (other.number, 999, "1", None):
        found = await keyed.storage.look(gone("admin"), file.guid, FOLDER, {"item": item})
        assert (found.name, found.handle) == ("plan.docx", {"item": file.number})


async def test_a_file_is_read_by_the_key(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyed, "carol", file.guid)
    async with keyed.storage.read(visitor, file.guid, found.place, found.handle) as content:
        assert content.version == found.version
        assert b"".join([chunk async for chunk in content.chunks]) == OLD


async def test_a_new_file_is_found_by_its_content(keyed: House) -> None:
    keyed.humhub.add("plan.docx", OLD, owner="carol")
    upload = keyed.upload(NEW)
    made = await keyed.storage.add(gone("admin"), FOLDER, "plan.docx", upload)
    assert (made.name, made.stray) == ("plan (2).docx", False)
    assert keyed.humhub.files[made.guid].content == NEW
    found = await keyed.storage.find(gone("admin"), made, upload)
    assert found is not None
    assert found.guid == made.guid


async def test_a_file_that_was_renamed_at_that_moment_makes_a_new_one(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyed, "admin", file.guid)

    async def rename(request: web.BaseRequest) -> web.StreamResponse:
        file.name = "Plan B.docx"
        return await keyed.humhub.rest_upload(request, "admin")

    posts = "api/v1/cfiles/files/container/5"

    def at_the_upload() -> None:
        keyed.humhub.instead[posts] = rename

    keyed.humhub.before["api/v1/cfiles/folder/1"] = lambda: keyed.humhub.before.update(
        {"api/v1/cfiles/folder/1": at_the_upload}
    )
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.stray, file.content) == (True, OLD)
    assert keyed.humhub.files[stored.guid].content == NEW


async def test_a_post_gets_the_edit_and_keeps_the_old_file_too(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    visitor, found = await looked(keyed, "alice", file.guid, POST)
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert set(keyed.humhub.files) == {file.guid, stored.guid}
    assert (stored.name, stored.version) == ("plan.docx", keyed.humhub.files[stored.guid].etag)
    again = await keyed.storage.find(visitor, found, keyed.upload(NEW))
    assert again is not None
    assert again.guid == stored.guid


async def test_a_folder_s_file_is_deleted_by_the_key(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyed, "admin", file.guid)
    await keyed.storage.remove(visitor, found)
    assert not keyed.humhub.files


async def test_the_session_is_used_while_it_lasts(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert not [call for call in keyed.humhub.calls if "api/v1" in call]


async def test_a_session_that_is_another_s_by_now_is_not_used(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("admin")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    swapped = Visitor(id=visitor.id, name="Admin", number=1, cookies="PHPSESSID=alice")
    stored = await keyed.storage.replace(swapped, found, keyed.upload(NEW))
    assert stored.guid == file.guid
    assert "POST cfiles/upload" not in keyed.humhub.calls


# --- what doesn't -------------------------------------------------------------------------------------------------


async def test_without_a_key_a_session_s_end_is_said_with_what_would_help(keyless: House) -> None:
    file = keyless.humhub.add("plan.docx", OLD)
    visitor, found = await looked(keyless, "admin", file.guid)
    for who in (visitor, gone("admin")):
        with pytest.raises(SignedOutError) as caught:
            await keyless.storage.replace(who, found, keyless.upload(NEW))
        assert "sites[].rest.secret" in str(caught.value.remedy)
    assert file.content == OLD


async def test_a_member_s_own_file_waits_for_their_session(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, owner="alice")
    visitor, found = await looked(keyed, "alice", file.guid)
    with pytest.raises(SignedOutError, match="You cannot upload files into this folder!") as caught:
        await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert "right to manage files" in str(caught.value.remedy)
    assert file.content == OLD


async def test_somebody_without_a_number_has_no_key(keyed: House) -> None:
    with pytest.raises(SignedOutError):
        await keyed.storage.add(Visitor(id="x", name="X"), FOLDER, "new.docx", keyed.upload(NEW))
    assert not keyed.humhub.calls


async def test_a_file_of_no_place_is_beyond_the_key(keyed: House) -> None:
    visitor = await keyed.visitor("alice")
    made = await keyed.storage.add(visitor, "", "new.docx", keyed.upload(OLD))
    keyed.humhub.signed_in.clear()
    keyed.now += 60
    for call in (
        keyed.storage.look(visitor, made.guid, "", made.handle),
        keyed.storage.replace(visitor, made, keyed.upload(NEW)),
        keyed.content(visitor, made.guid),
    ):
        with pytest.raises(SignedOutError, match="no post and no folder"):
            await call


async def test_a_post_s_file_can_t_be_deleted_by_the_key(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    visitor, found = await looked(keyed, "alice", file.guid, POST)
    with pytest.raises(RefusedError, match="can't delete"):
        await keyed.storage.remove(visitor, found)


async def test_another_key_is_not_taken_and_that_is_said(tmp_path: Path) -> None:
    async with house(tmp_path, secret="another-" + SECRET) as made:
        file = made.humhub.add("plan.docx", OLD)
        with pytest.raises(SignedOutError, match="isn't taken") as caught:
            await made.storage.look(gone("admin"), file.guid, FOLDER)
        assert "sites[].rest.secret" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (answers(404, "<h1>Page not found</h1>", "text/html"), BadAnswerError, "doesn't answer"),
        (
            answers(404, {"name": "Not Found", "message": "Page not found.", "code": 0}),
            BadAnswerError,
            "doesn't answer",
        ),
        (
            answers(403, {"name": "Forbidden", "message": "Login Required", "status": 403}),
            BadAnswerError,
            "doesn't answer",
        ),
        (answers(200, "<h1>Sign in</h1>", "text/html"), BadAnswerError, "doesn't answer"),
        (answers(302, ""), BadAnswerError, "doesn't answer"),
        (answers(200, {"id": 1}), BadAnswerError, "whose folder"),
        (answers(500, {"code": 500, "message": "Internal error"}), BadAnswerError, "Internal error"),
        (answers(503, "<h1>Busy</h1>", "text/html"), BadAnswerError, "answers with an error"),
        (answers(404, {"code": 404, "message": "Requested content not found!"}), NoRouteError, "no such file"),
        (answers(403, {"code": 403, "message": "You cannot view this content!"}), RefusedError, "cannot view"),
    ],
)
async def test_an_odd_answer_says_what_it_is(
    keyed: House, answer: Answer, error: type[BridgeError], words: str
) -> None:
    keyed.humhub.instead["api/v1/cfiles/folder/1"] = answer
    with pytest.raises(error, match=words):
        await keyed.storage.add(gone("admin"), FOLDER, "new.docx", keyed.upload(NEW))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"code": 400, "message": "Target folder id is required!"}, TooLargeError),
        (413, "<h1>Request Entity Too Large</h1>", TooLargeError),
        (422, {"code": 422, "message": "File x!", "errors": {"a": ["cannot exceed 2.097 MB."]}}, TooLargeError),
        (422, {"code": 422, "message": "File x could not be uploaded!", "errors": []}, RefusedError),
        (200, {"code": 200, "message": "Files successfully uploaded!"}, BadAnswerError),
    ],
)
async def test_an_upload_that_is_not_stored_says_why(
    keyed: House, status: int, body: Any, error: type[BridgeError]
) -> None:
    keyed.humhub.add("plan.docx", OLD)

    def listed() -> None:
        keyed.humhub.before["api/v1/cfiles/folder/1"] = lambda: keyed.humhub.instead.update(
            {"api/v1/cfiles/files/container/5": answers(status, body)}
        )

    keyed.humhub.before["api/v1/cfiles/folder/1"] = listed
    with pytest.raises(error):
        await keyed.storage.add(gone("admin"), FOLDER, "new.docx", keyed.upload(NEW))
