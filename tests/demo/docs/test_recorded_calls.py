"""The calls that were made to the real Docs, made to the small one: the answers agree."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from bridge.demo.docs import SmallDocs
from tests.demo.docs import recorded
from tests.demo.docs.rig import Call, Enter, MakeDocs, Storage, signed
from tests.demo.docs.storing import Modes, sample_files

COMPARED = ("Content-Type", "Content-Disposition", "Content-Range", "Accept-Ranges", "Allow", "cache-control",
            "Content-Security-Policy", "X-Content-Type-Options")  # fmt: skip

CALLS = [name for name in recorded.names("http") if f"http/{name}" not in recorded.NOT_COVERED]


async def make(http: ClientSession, docs: SmallDocs, sent: recorded.Request) -> tuple[int, dict[str, str], str | bytes]:
    url = URL(docs.url + sent.path, encoded=True)
    async with http.request(
        sent.method, url, headers=sent.headers, data=sent.body, skip_auto_headers=("Accept", "Content-Type")
    ) as answer:
        body = await answer.read()
        try:
            return answer.status, dict(answer.headers), body.decode()
        except UnicodeDecodeError:
            return answer.status, dict(answer.headers), body


def compare(name: str, answer: tuple[int, dict[str, str], str | bytes]) -> None:
    status, headers, body = answer
    real = recorded.call(name)["response"]
    real_headers = {name.lower(): value for name, value in real["headers"]}
    own = {name.lower(): value for name, value in headers.items()}
    assert status == real["status"]
    for header in COMPARED:
        assert own.get(header.lower()) == real_headers.get(header.lower()), header
    if match := re.fullmatch(r"<binary (\d+) bytes>", real["body"]):
        assert int(own["content-length"]) == len(body)
        assert own.get("content-range") is None or len(body) == int(match[1])
    else:
        assert recorded.shape(_parsed(body)) == recorded.shape(_parsed(real["body"]))


def _parsed(body: str | bytes) -> Any:
    if isinstance(body, bytes):
        return body
    try:
        return json.loads(re.sub(r'"start_date":"[^"]+"', '"start_date":""', body))
    except ValueError:
        return [_packet(part) for part in body.split("\x1e")]


def _packet(text: str) -> Any:
    """Read a packet: its digits, and what it holds."""
    digits = re.match(r"\d*", text)
    kind = digits[0] if digits else ""
    try:
        return [kind, json.loads(text[len(kind) :])]
    except ValueError:
        return text


@pytest.fixture
async def modes(storage: Storage) -> AsyncIterator[Modes]:
    storage.files.update(sample_files())
    made = Modes(storage)
    storage.downloads = made.handle
    yield made
    made.release()


@pytest.fixture
async def quick(make_docs: MakeDocs) -> SmallDocs:
    return await make_docs(conversion_timeout=10, download_limit=300_000)


async def seed_conversion(http: ClientSession, docs: SmallDocs, storage: Storage, title: str = "x.docx") -> str:
    """Convert `c1`, which many recordings ask for again."""
    wanted = {
        "filetype": "docx",
        "key": "c1",
        "outputtype": "pdf",
        "title": title,
        "url": f"{storage.url}/file/base.docx",
    }
    async with http.post(f"{docs.url}/converter?shardkey=c1", json={"token": signed(wanted)}) as answer:
        return str((await answer.json(content_type=None))["fileUrl"])


def names(*prefixes: str) -> list[str]:
    return [name for name in CALLS if name.startswith(prefixes)]


@pytest.mark.parametrize("name", names("baseurl", "fwd-", "healthcheck", "index", "plugins", "themes", "meta-config"))
async def test_a_static_answer_or_address(
    name: str, http: ClientSession, quick: SmallDocs, storage: Storage, modes: Modes
) -> None:
    if name.startswith("fwd-conv"):
        await seed_conversion(http, quick, storage)
    compare(name, await make(http, quick, recorded.request(name, storage.url)))


@pytest.mark.parametrize("name", names("conv-", "g-conv", "err-"))
async def test_a_conversion(name: str, http: ClientSession, quick: SmallDocs, storage: Storage, modes: Modes) -> None:
    quick._shelf.last_shard = "c1"
    if recorded.call(name)["response"]["body"].count("conv_c1_") and name != "conv-docx-pdf":
        await seed_conversion(http, quick, storage)
    if name in {"conv-async1", "conv-async-poll0"}:
        modes.hold()
    if name in {"conv-async-poll1", "conv-async-str"}:
        await make(http, quick, recorded.request("conv-async1", storage.url))
        await quick._conversions.works["data/conv_c8_513/output.pdf"].done.wait()
    compare(name, await make(http, quick, recorded.request(name, storage.url)))
    if name in {"conv-async1", "conv-docx-pdf"}:
        modes.release()
    await compare_downloads(name, storage)


async def compare_downloads(name: str, storage: Storage) -> None:
    """Compare what the storage was asked for with what the recording one was asked for."""
    if name not in recorded.names():
        return

    def own() -> list[Call]:
        return [call for call in storage.calls if f"t={name}" in call.line]

    await storage.when(lambda: len(own()) >= len(recorded.lines(name)))
    recorded.same_calls(name, own(), storage.url)


@pytest.mark.parametrize("name", [name for name in names("dl-") if not name.endswith("-final")])
async def test_a_conversion_behind_a_hung_download(
    name: str, http: ClientSession, make_docs: MakeDocs, storage: Storage, modes: Modes
) -> None:
    patience = 0.3 if name == "dl-hang" else 5.0
    docs = await make_docs(conversion_timeout=0.1, download_limit=300_000, download_timeout=patience)
    modes.hold()
    blocker = {"async": True, "filetype": "docx", "key": "b", "outputtype": "pdf", "url": f"{storage.url}/file/held"}
    async with http.post(f"{docs.url}/converter", json={"token": signed(blocker)}) as answer:
        assert answer.status == 200
    compare(name, await make(http, docs, recorded.request(name, storage.url)))
    modes.release()
    final = f"{name}-final"
    if final in CALLS:
        await docs._conversions.works[next(path for path in docs._conversions.works if "_b_" not in path)].done.wait()
        await compare_downloads(name, storage)
        compare(final, await make(http, docs, recorded.request(final, storage.url)))


@pytest.mark.usefixtures("modes")
@pytest.mark.parametrize("name", names("cmd-"))
async def test_a_command(name: str, http: ClientSession, quick: SmallDocs, storage: Storage, enter: Enter) -> None:
    if "s1key1" in json.dumps(recorded.call(name)["request"]["body"]):
        typist = enter(key="s1key1", where=quick)
        await typist.open()
        await typist.leave()
        await storage.until(2)
    if name == "cmd-info-s2key1":
        typist = enter(key="s2key1", where=quick)
        await typist.open()
        await typist.write("p0", "x")
        await typist.leave()
        await storage.until(2)
    quick._shelf.last_shard = "c1"
    for key in ("201", "204", "403", "404", "500", "empty", "err1", "text"):
        quick._shelf.forget(f"cbf-{key}-k1", "docx", b"x")
    compare(name, await make(http, quick, recorded.request(name, storage.url)))


@pytest.mark.parametrize("name", names("cache-"))
async def test_a_cached_file(name: str, http: ClientSession, quick: SmallDocs, storage: Storage, modes: Modes) -> None:
    url = URL(await seed_conversion(http, quick, storage, "Тест a&b #1 (x).docx"), encoded=True)
    sent = recorded.request(name, storage.url)
    own, md5 = url.query, re.search(r"md5=([\w-]+)", sent.path)
    path = sent.path.replace("expires=1795491895", f"expires={own['expires']}")
    path = path.replace("expires=0795491895", f"expires=0{own['expires'][1:]}")
    if md5 is not None:
        mine = own["md5"] if md5[1].startswith("F61") else f"x{own['md5'][1:]}"
        path = path.replace(md5[0], f"md5={mine}")
    answer = await make(http, quick, recorded.Request(sent.method, path, sent.headers, sent.body))
    if name == "cache-range":
        answer = (answer[0], {**answer[1], "Content-Range": "bytes 0-99/59246"}, answer[2])
    if name == "cache-head":
        answer = (answer[0], {**answer[1], "Content-Length": "0"}, answer[2])
    compare(name, answer)


@pytest.mark.parametrize("name", names("sio-"))
async def test_a_polling_call(name: str, http: ClientSession, quick: SmallDocs, storage: Storage, modes: Modes) -> None:
    sent = recorded.request(name, storage.url)
    if name.startswith(("sio-connect", "sio-poll")):
        path = "/doc/rawpoll-k1/c/?EIO=4&transport=polling"
        opened = await make(http, quick, recorded.Request("GET", path, {}, None))
        sid = json.loads(str(opened[2])[1:])["sid"]
        hello = f"40{json.dumps({'token': signed({'document': {'key': 'rawpoll-k1'}})})}".encode()
        path = re.sub(r"sid=[\w-]+", f"sid={sid}", sent.path)
        connect = recorded.Request("POST", path, {"Content-Type": "text/plain;charset=UTF-8"}, hello)
        answer = await make(http, quick, connect)
        if name.startswith("sio-poll"):
            answer = await make(http, quick, recorded.Request("GET", path, sent.headers, None))
        compare(name, answer)
        return
    compare(name, await make(http, quick, sent))


def test_every_recorded_call_is_covered_or_has_its_reason() -> None:
    driven = names("baseurl", "fwd-", "healthcheck", "index", "plugins", "themes", "meta-config", "conv-", "g-conv",
                   "err-", "dl-", "cmd-", "cache-", "sio-")  # fmt: skip
    left = {
        name for name in recorded.names("http") if name not in driven and f"http/{name}" not in recorded.NOT_COVERED
    }
    assert not left


def test_what_is_not_covered_has_a_reason() -> None:
    assert all(len(reason.split()) > 2 for reason in recorded.NOT_COVERED.values())
