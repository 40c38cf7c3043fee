"""What becomes of a callback in the small HumHub: what is fetched, what is stored, what happens to the key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp
import jwt
import pytest

from bridge.demo.humhub import Fault, HumHubFile, SmallHumHub
from tests.demo.humhub.rig import Reply, Upstream

CallBack = Callable[..., Awaitable[Reply]]

OLD = b"the old content"


@pytest.fixture
def file(hub: SmallHumHub) -> HumHubFile:
    """Return a posted file that is being edited."""
    made = hub.add_file("plan.docx", OLD)
    hub.add_post("admin", "a plan", [made])
    made.new_key()
    return made


def doc(hub: SmallHumHub, file: HumHubFile) -> str:
    return hub.document_hash(file.key, hub.users["admin"].guid)


async def test_a_2_stores_the_content_and_clears_the_key(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    alice, key = hub.users["alice"], file.key
    url = f"{upstream.url}/file/new.docx"
    reply = await call_back(doc(hub, file), status=2, url=url, filetype="docx", users=[alice.guid])
    assert (reply.status, json.loads(reply.body)) == (200, {"error": 0})
    assert file.key is None
    assert file.content() != OLD
    assert file.author == "alice"
    assert (hub.tracks[0].key, hub.tracks[0].answered, hub.tracks[0].stored) == (key, 200, file.sha1)


async def test_a_6_stores_the_content_and_keeps_the_key(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    key = file.key
    await call_back(doc(hub, file), status=6, url=f"{upstream.url}/file/new.docx", filetype="docx")
    assert (file.key, file.content() == OLD) == (key, False)


async def test_the_url_is_fetched_as_it_stands_and_without_a_token(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    await call_back(doc(hub, file), status=6, url=f"{upstream.url}/file/a%20b%2Fc?x=%41&y=(1)", filetype="docx")
    method, path, headers, _ = upstream.calls[0]
    assert (method, path) == ("GET", "/file/a%20b%2Fc?x=%41&y=(1)")
    assert not {"Authorization", "Accept-Encoding", "Cookie"} & set(headers)


@pytest.mark.parametrize(
    ("path", "stored"),
    [
        ("/file/missing.docx", b"<html>not here</html>"),
        ("/status?code=500", b"<html>error page 500</html>"),
        ("/status?code=403&ct=application/json&body=%7B%22error%22%3A1%7D", b'{"error":1}'),
        ("/redirect?to=/file/new.docx", b"<html>moved</html>"),
    ],
)
async def test_an_error_page_becomes_the_document(
    *, path: str, stored: bytes, hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    reply = await call_back(doc(hub, file), status=2, url=upstream.url + path, filetype="docx")
    assert (reply.status, file.content(), file.key) == (200, stored, None)


@pytest.mark.parametrize("path", ["/empty", "/trunc"])
async def test_an_empty_or_cut_body_leaves_the_old_content(
    path: str, hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    reply = await call_back(doc(hub, file), status=2, url=upstream.url + path, filetype="docx")
    assert (reply.status, file.content(), file.key is None) == (500, OLD, False)
    assert json.loads(reply.body)["error"] == 1
    assert not list(hub.store.directory.glob("*.part"))


async def test_another_type_is_converted_first(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    upstream.converter = {"endConvert": True, "fileUrl": f"{upstream.url}/file/converted.bin", "percent": 100}
    key = file.key
    await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.odt", filetype="odt")
    method, path, headers, body = upstream.calls[0]
    sent = json.loads(body)
    assert (method, path.split("=")[0]) == ("POST", "/converter?shardKey")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert (sent["async"], sent["filetype"], sent["outputtype"]) == (False, "odt", "docx")
    assert sent["key"].startswith(str(key))
    flat = jwt.decode(sent.pop("token"), hub.settings.secret, algorithms=["HS256"])
    wrapped = jwt.decode(headers["Authorization"].removeprefix("Bearer "), hub.settings.secret, algorithms=["HS256"])
    assert {name: value for name, value in flat.items() if name != "exp"} == sent
    assert wrapped["payload"]["url"] == sent["url"]
    assert flat["exp"] - time.time() == pytest.approx(300, abs=5)
    assert upstream.calls[1][1] == "/file/converted.bin"


async def test_the_body_token_wins_and_plain_fields_do_not_count(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    token = jwt.encode({"key": file.key, "status": 4}, hub.settings.secret, algorithm="HS256")
    header = {"Authorization": f"Bearer {jwt.encode({'payload': {'status': 7}}, hub.settings.secret)}"}
    reply = await call_back(doc(hub, file), send_instead={"status": 2, "token": token}, headers=header)
    assert (reply.status, hub.tracks[0].status, upstream.calls) == (200, 4, [])


async def test_the_empty_hash_overwrites_the_first_file_without_key(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    victim = hub.add_file("victim.docx", b"somebody's work")
    url = f"{upstream.url}/file/new.docx"
    reply = await call_back(hub.document_hash(None, None, empty=True), status=2, url=url, filetype="docx")
    assert (reply.status, victim.content() == b"somebody's work", file.content()) == (200, False, OLD)


async def test_without_a_secret_nothing_is_verified(hub: SmallHumHub, file: HumHubFile, call_back: CallBack) -> None:
    hub.reconfigure(secret="")
    reply = await call_back(doc(hub, file), status=1, users=[])
    assert (reply.status, hub.tracks[0].status) == (200, 1)


@pytest.mark.parametrize(
    ("fault", "status", "kept"),
    [
        (Fault(status=500), 500, True),
        (Fault(page=True), 200, True),
        (Fault(redirect="http://elsewhere.test/"), 302, True),
        (Fault(after_fetch=True), 500, True),
        (Fault(after_store="500"), 500, False),
    ],
    ids=["status", "page", "redirect", "after-fetch", "after-store"],
)
async def test_a_planned_fault_keeps_the_key(
    *,
    fault: Fault,
    status: int,
    kept: bool,  # a parameter of the table
    hub: SmallHumHub,
    file: HumHubFile,
    upstream: Upstream,
    call_back: CallBack,
) -> None:
    hub.faults.add("track", fault)
    url = f"{upstream.url}/file/new.docx"
    first = await call_back(doc(hub, file), status=2, url=url, filetype="docx")
    assert (first.status, file.key is None, file.content() == OLD) == (status, False, kept)
    second = await call_back(doc(hub, file), status=2, url=url, filetype="docx")
    assert (second.status, file.key, file.content() == OLD) == (200, None, False)


async def test_the_answer_can_be_cut_after_storing(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:

    hub.faults.add("track", Fault(after_store="cut"))
    with pytest.raises(aiohttp.ClientError):
        await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.docx", filetype="docx")
    assert (file.key is None, file.content() == OLD) == (False, False)


async def test_a_proxy_gives_up_and_humhub_goes_on(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    hub.faults.add("track", Fault(impatient=0.05, slow=0.2))
    reply = await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.docx", filetype="docx")
    assert (reply.status, file.key is None, file.content() == OLD) == (504, False, True)
    async with asyncio.timeout(5):
        while file.key is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert file.content() != OLD


async def test_what_goes_on_ends_when_the_server_is_killed(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    hub.faults.add("track", Fault(impatient=0.05, slow=0.2))
    await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.docx", filetype="docx")
    await hub.kill()
    await asyncio.sleep(0.3)
    assert (file.key is None, file.content() == OLD) == (False, True)


@pytest.mark.parametrize(("longest", "stores"), [(0.05, False), (60.0, True)])
async def test_a_request_that_takes_longer_than_php_lets_it_is_ended_and_stores_nothing(
    *, longest: float, stores: bool, hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    hub.reconfigure(longest_request=longest)
    hub.faults.add("track", Fault(slow=0.1))
    with contextlib.nullcontext() if stores else pytest.raises(aiohttp.ClientError):
        await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.docx", filetype="docx")
    assert (file.key is None, file.content() == OLD) == (stores, not stores)


async def test_the_answer_can_come_late(
    hub: SmallHumHub, file: HumHubFile, upstream: Upstream, call_back: CallBack
) -> None:
    hub.faults.add("track", Fault(late=0.2))
    before = time.monotonic()
    await call_back(doc(hub, file), status=2, url=f"{upstream.url}/file/new.docx", filetype="docx")
    assert time.monotonic() - before >= 0.2
    assert file.key is None
