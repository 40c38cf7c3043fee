"""A document's life: opened, edited by two, saved, refused, opened again."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import docx as python_docx
import pytest
from aiohttp import ClientSession

from bridge.demo.docs import Fault, SmallDocs
from tests.demo.docs.rig import Enter, MakeDocs, Storage, breaks, says
from tests.demo.docs.typist import RefusedError

ERROR_1 = '{"error":1}'


async def saved_lines(http: ClientSession, url: str) -> list[str]:
    async with http.get(url) as answer:
        assert answer.status == 200
        body = await answer.read()
    return [paragraph.text for paragraph in python_docx.Document(io.BytesIO(body)).paragraphs]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the small Docs tells nobody
            await asyncio.sleep(0.01)


async def test_an_edit_ends_in_the_saved_file(enter: Enter, storage: Storage, http: ClientSession) -> None:
    typist = enter()
    await typist.open()
    await typist.write("p0", " and more")
    await typist.leave()
    joined, saved = await storage.until(2)
    assert joined.body is not None
    assert saved.body is not None
    assert (joined.body["status"], joined.body["users"]) == (1, ["u1"])
    assert joined.body["actions"] == [{"type": 1, "userid": "u1"}]
    assert saved.body["status"] == 2
    assert await saved_lines(http, saved.body["url"]) == ["First line and more", "Second line"]


async def test_two_users_see_each_other_type(enter: Enter, storage: Storage, http: ClientSession) -> None:
    one, two = enter(user="u1"), enter(user="u2", callback="/cb?t=two")
    await one.open()
    await two.open()
    await one.write("p0", "!")
    await two.wait_for("saveChanges")
    assert two.texts["p0"] == "First line!"
    await two.write("p1", "?")
    await one.wait_for("saveChanges")
    assert one.texts == two.texts
    await one.leave()
    await two.leave()
    calls = await storage.until(4)
    assert storage.statuses == [1, 1, 1, 2]
    assert calls[-1].body is not None
    assert calls[-1].line == "/cb?t=two"
    assert calls[-1].body["users"] == ["u2"]
    assert await saved_lines(http, calls[-1].body["url"]) == ["First line!", "Second line?"]


async def test_concurrent_insertions_both_survive(enter: Enter) -> None:
    one, two = enter(user="u1"), enter(user="u2")
    await one.open()
    await two.open()
    await one.write("p0", "A", at=0)
    two.rev = 0  # the second one hasn't heard of it yet
    await two.write("p0", "B", at=0)
    await one.wait_for("saveChanges")
    assert one.texts["p0"] == "ABFirst line"


async def test_a_change_sent_twice_is_applied_once(enter: Enter) -> None:
    typist = enter()
    await typist.open()
    op = {"do": "splice", "block": "p0", "at": 0, "length": 0, "text": "x"}
    await typist.change(op, "same-1")
    await typist.change(op, "same-1")
    assert typist.texts["p0"] == "xFirst line"
    assert typist.rev == 1


async def test_an_unchanged_document_ends_with_a_4(enter: Enter, storage: Storage) -> None:
    typist = enter()
    await typist.open()
    await typist.leave()
    await storage.until(2)
    assert storage.statuses == [1, 4]


async def test_a_viewer_causes_no_callback(enter: Enter, storage: Storage) -> None:
    viewer, editor = enter(mode="view", user="v"), enter()
    await viewer.open()
    await viewer.leave()
    await editor.open()
    await editor.leave()
    await storage.until(2)
    assert [call.body["users"] for call in storage.callbacks if call.body and "users" in call.body] == [["u1"]]


async def test_a_broken_connection_is_resumed_without_loss(make_docs: MakeDocs, enter: Enter, storage: Storage) -> None:
    typist = enter(where=await make_docs(rejoin=5.0))
    await typist.open()
    await typist.write("p0", "1")
    await typist.drop()
    await typist.open()
    await typist.write("p0", "2")
    assert typist.texts["p0"] == "First line12"
    assert storage.statuses == [1]


async def test_who_comes_back_hears_what_it_missed_before_anything_new(make_docs: MakeDocs, enter: Enter) -> None:
    docs = await make_docs(rejoin=5.0)
    one, two = enter(user="u1", where=docs), enter(user="u2", where=docs)
    await one.open()
    await two.open()
    seat = docs.sessions["k1"].participants[one.session_id or ""]
    await one.drop()
    await two.write("p0", " missed,")
    async with docs.sessions["k1"].order:
        typing = asyncio.create_task(two.write("p0", " new"))
        await until(lambda: seat.sid is None)
        coming = asyncio.create_task(one.open())
        await until(lambda: seat.sid is not None)
    await asyncio.gather(typing, coming)
    await one.write("p0", ".")
    assert one.texts["p0"] == "First line missed, new."


async def test_who_comes_back_before_the_save_calls_it_off(make_docs: MakeDocs, enter: Enter, storage: Storage) -> None:
    typist = enter(where=await make_docs(save_delay=0.4))
    await typist.open()
    await typist.write("p0", "1")
    await typist.leave()
    await typist.open()
    await typist.write("p0", "2")
    await typist.leave()
    await storage.until(3)
    assert storage.statuses == [1, 1, 2]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_save_is_tried_again(status: int, enter: Enter, storage: Storage, docs: SmallDocs) -> None:
    storage.replies[2] = [says("", status), breaks, says('{"error":0}')]
    typist = enter()
    await typist.open()
    await typist.write("p0", "1")
    await typist.leave()
    calls = await storage.until(4)
    paths = {call.body["url"].split("?")[0] for call in calls[1:] if call.body}
    assert len(paths) == 1
    assert not docs.forgotten


@pytest.mark.parametrize(
    ("text", "status"), [(ERROR_1, 200), ('{"error":0}', 201), ("", 204), ("", 200), ("fine", 200), ("", 404)]
)
async def test_a_refused_save_is_forgotten_and_reopened(
    text: str, status: int, enter: Enter, storage: Storage, docs: SmallDocs
) -> None:
    storage.replies[2] = [says(text, status), says('{"error":0}')]
    typist = enter()
    await typist.open()
    await typist.write("p0", " kept")
    await typist.leave()
    await storage.until(2)
    again = enter(user="u2")
    while not docs.forgotten:
        await again.http.get(docs.url + "/healthcheck")
    await again.open()
    assert again.texts["p0"] == "First line kept"
    assert len([call for call in storage.calls if call.line.startswith("/file")]) == 1
    await again.leave()
    calls = await storage.until(4)
    assert calls[3].body is not None
    assert (calls[3].body["status"], calls[3].body["notmodified"], calls[3].body["history"]) == (2, None, {})
    while docs.forgotten:
        await again.http.get(docs.url + "/healthcheck")


async def test_a_used_up_key_updates_editors_and_shows_viewers_the_old(
    enter: Enter, storage: Storage, docs: SmallDocs
) -> None:
    typist = enter()
    await typist.open()
    await typist.write("p0", " new")
    await typist.leave()
    await storage.until(2)
    while docs.sessions["k1"].state.value != "used up":
        await typist.http.get(docs.url + "/healthcheck")
    with pytest.raises(RefusedError, match="updateversion"):
        await enter(user="u2").open()
    viewer = enter(user="v", mode="view")
    await viewer.open()
    assert viewer.texts["p0"] == "First line"


async def test_a_key_opens_afresh_after_its_time(make_docs: MakeDocs, enter: Enter, storage: Storage) -> None:
    where = await make_docs(used_up=0.0)
    typist = enter(where=where)
    await typist.open()
    await typist.write("p0", " new")
    await typist.leave()
    await storage.until(2)
    while where.sessions["k1"].state.value != "used up":
        await typist.http.get(where.url + "/healthcheck")
    again = enter(user="u2", where=where)
    await again.open()
    assert len(where.downloads) == 2


async def test_a_forced_save_keeps_the_session(enter: Enter, storage: Storage) -> None:
    typist = enter()
    await typist.open()
    await typist.write("p0", "1")
    assert await typist.force_save()
    await typist.leave()
    calls = await storage.until(3)
    assert storage.statuses == [1, 6, 2]
    assert calls[1].body is not None
    assert calls[1].body["actions"] == [{"type": 2, "userid": "u1"}]
    assert calls[2].body is not None
    assert calls[2].body["notmodified"] is True


async def test_a_forced_save_that_fails_changes_nothing_else(enter: Enter, storage: Storage) -> None:
    storage.replies[6] = [says(ERROR_1)]
    typist = enter()
    await typist.open()
    await typist.write("p0", "1")
    assert not await typist.force_save()
    await typist.leave()
    calls = await storage.until(3)
    assert calls[2].body is not None
    assert (calls[2].body["status"], calls[2].body["notmodified"]) == (2, False)


async def test_a_failed_assembly_is_a_7_or_a_3_without_url(enter: Enter, storage: Storage, docs: SmallDocs) -> None:
    docs.faults.add("assemble", Fault("fail"))
    typist = enter()
    await typist.open()
    await typist.write("p0", "1")
    assert not await typist.force_save()
    await typist.leave()
    calls = await storage.until(3)
    assert storage.statuses == [1, 7, 3]
    assert all("url" not in call.body for call in calls if call.body)


@pytest.mark.parametrize(("data", "code"), [(b"PK\x03\x04 broken", "-82"), (None, "-4")])
async def test_what_cannot_be_opened_says_why(data: bytes | None, code: str, enter: Enter, storage: Storage) -> None:
    if data is None:
        del storage.files["/file/base.docx"]
    else:
        storage.files["/file/base.docx"] = data
    typist = enter()
    with pytest.raises(RefusedError, match=code):
        await typist.open()
    await typist.leave()
    await storage.until(2)
    assert storage.statuses == [1, 4]


@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><html><body>Sign in</body></html>"])
async def test_an_empty_body_or_a_page_is_opened_as_the_document(body: bytes, enter: Enter, storage: Storage) -> None:
    storage.files["/file/base.docx"] = body
    typist = enter()
    await typist.open()
    assert list(typist.texts.values()) == (["Sign in"] if body else [""])


async def test_a_storage_that_refuses_a_joiner_warns_its_user(enter: Enter, storage: Storage) -> None:
    storage.replies[1] = [says(ERROR_1)]
    typist = enter()
    await typist.connect()
    await typist.send(typist.auth_message())
    await typist.wait_for("warning")
    await typist.wait_for("authChanges")


async def test_saying_close_is_leaving_at_once(make_docs: MakeDocs, enter: Enter, storage: Storage) -> None:
    typist = enter(where=await make_docs(rejoin=60.0))
    await typist.open()
    await typist.send({"type": "close"})
    await storage.until(2)
    assert storage.statuses == [1, 4]


async def test_a_paragraph_that_is_added_ends_in_the_file(enter: Enter, storage: Storage, http: ClientSession) -> None:
    typist = enter()
    await typist.open()
    await typist.change({"do": "add", "block": "new", "after": "p0", "text": "Between"})
    await typist.change({"do": "splice", "block": "p1", "at": 0, "length": 11, "text": ""})
    await typist.change({"do": "drop", "block": "p1"})
    await typist.leave()
    calls = await storage.until(2)
    assert calls[1].body is not None
    assert await saved_lines(http, calls[1].body["url"]) == ["First line", "Between"]
