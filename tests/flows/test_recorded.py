"""Every recorded editor page, callback, download, conversion and command has an expectation, and meets it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from bridge.app import running
from bridge.config import DocsJwt, KeyRingConfig
from bridge.protocol.secret import Secret
from tests.flows import recorded
from tests.flows.recorded import DATA, RIG, STORAGE, Json, Ledger, answer_of, doc_of, file_of, heard, to_docs, to_humhub
from tests.legs.fakes import DOCS_SECRET, HUMHUB_SECRET, Bridge, configuration, serving, with_site

PAGES: list[dict[str, str]] = json.loads((DATA / "editor/pages.json").read_text())
CALLBACKS = recorded.rows("callback")
DOWNLOADS = recorded.rows("doc-download")
CONVERSIONS = recorded.calls("/converter", "/ConvertService.ashx")
COMMANDS = recorded.calls("/command", "/coauthoring/CommandService.ashx", "/healthcheck")
FILES = recorded.calls("/cache/files/", "/docs/cache/files/", "/9.3.1-abc/cache/files/")
DOWNLOAD_ANSWERS = {**recorded.exchanges("backend/download"), **recorded.exchanges("backend/empty-file")}
_JSON = [["Content-Type", "application/json; charset=UTF-8"]]
TRACK_ANSWERS = {
    **recorded.exchanges("backend/track"),
    # Recorded where a disk, a name server or PHP's memory failed; no stand-in does that, so they stand here.
    **{
        f"33-loss-{name}": {"response": {"status": 500, "headers": _JSON, "body": body}}
        for name, body in {
            "diskfull": {"error": 1, "message": "file_put_contents(): Write of 983040 bytes failed with errno=28"},
            "dnsfail": {"error": 1, "message": "Curl error: #6 - Could not resolve host"},
            "huge100": {
                "name": "Internal Server Error",
                "message": "An internal server error occurred.",
                "status": 500,
            },
            "readonly": {"error": 1, "message": "file_put_contents(file): Failed to open stream: Permission denied"},
        }.items()
    },
}

KINDS = {
    "pages": {page["name"] for page in PAGES},
    "callbacks": set(recorded.numbered(CALLBACKS)),
    "downloads": set(recorded.numbered(DOWNLOADS)),
    "conversions": set(CONVERSIONS),
    "commands": set(COMMANDS),
    "files": set(FILES),
    "download-answers": set(DOWNLOAD_ANSWERS),
    "track-answers": set(TRACK_ANSWERS),
}


@dataclasses.dataclass
class Stage:
    """A bridge whose clock the test sets, between two fakes."""

    bridge: Bridge
    clock: list[float]


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    changes: Json = getattr(request, "param", {})
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        ring = KeyRingConfig(secrets=(Secret(DOCS_SECRET),))
        config = with_site(**changes)(configuration(tmp_path, humhub.url, docs.url))
        rings = DocsJwt(browser=ring, inbox=ring, outbox=ring)
        config = dataclasses.replace(config, docs=dataclasses.replace(config.docs, jwt=rings))
        clock = [0.0]
        await stack.enter_async_context(running(config, clock=lambda: clock[0]))
        http = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        yield Stage(Bridge(config, humhub, docs, http), clock)


@pytest.fixture(scope="session")
def ledgers(request: pytest.FixtureRequest) -> Iterator[dict[str, Ledger]]:
    writing: bool = request.config.getoption("--write-expectations")
    found = {kind: Ledger(kind, writing) for kind in KINDS}
    yield found
    for ledger in found.values():
        if writing and ledger.found:
            ledger.write()


# --- the editor page ---


def site_of(page: dict[str, str]) -> Json:
    """Give the site's settings under which a page was recorded."""
    base = "/hub" if "/hub/" in page["url"] else ""
    secrets = () if page["name"].endswith("len0") else (Secret(HUMHUB_SECRET), Secret("x" * 32), Secret("s" * 32))
    return {"base_path": base, "hosts": ("127.0.0.1",), "jwt": KeyRingConfig(secrets=secrets)}


@pytest.mark.parametrize(
    ("page", "stage"),
    [(page, site_of(page)) for page in PAGES],
    ids=[page["name"] for page in PAGES],
    indirect=["stage"],
)
async def test_an_editor_page(stage: Stage, page: dict[str, str], ledgers: dict[str, Ledger]) -> None:
    config = json.loads(page["config"])
    token = config.get("token")
    claims = jwt.decode(token, options={"verify_signature": False}) if token else {}
    stage.clock[0] = claims.get("exp", 1_795_490_376) - 100.0
    sent = (
        f"<script src=\"{page['script']}\"></script><div data-config='{page['config']}' data-api='{page['api']}'></div>"
    )
    stage.bridge.humhub.answers(web.Response(text=sent, content_type="text/html"))
    target = page["url"].partition("//")[2].partition("/")[2]
    headers = {"Host": page["url"].split("/")[2], "X-Requested-With": "XMLHttpRequest"}
    status, raw, _ = await stage.bridge.ask("browser", f"/{target}", headers=headers)
    text = raw.decode()
    found: Json = {"status": status, "to humhub": to_humhub(stage.bridge.humhub)}
    if status == 200:
        given = json.loads(_between(text, "data-config='", "'"))
        given["token"] = jwt.decode(given["token"], DOCS_SECRET, algorithms=["HS256"], options={"verify_exp": False})
        found |= {
            "config": given,
            "api": json.loads(_between(text, "data-api='", "'")),
            "script": _between(text, 'src="', '"'),
        }
        # What must hold for each, whatever is stored: only the links and the signature are others.
        assert given["token"].pop("exp") == claims.get("exp", stage.clock[0] + 300)
        assert given["token"] == {name: value for name, value in given.items() if name != "token"}
        assert given["document"].keys() == config["document"].keys()
    ledgers["pages"].check(page["name"], _without_hashes(found))


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def _without_hashes(value: Any) -> Any:
    return json.loads(re.sub(r"doc=[0-9A-Za-z._-]+", "doc=(hash)", json.dumps(value)))


# --- what Docs sends ---


@pytest.mark.parametrize("scenario", CALLBACKS)
async def test_callbacks(stage: Stage, scenario: str, ledgers: dict[str, Ledger]) -> None:
    for number, row in enumerate(CALLBACKS[scenario]):
        message = row.get("body") or {}
        key = message.get("key", "none")
        stage.clock[0] = row["ts"]
        stage.bridge.humhub.answers(web.json_response({"error": 0}))
        stage.bridge.docs.answers(
            web.Response(body=file_of(row.get("jwt_body", {}).get("payload", {}).get("filetype")))
        )
        headers = {
            name: value for name, value in row["headers"] if name not in ("Host", "Content-Length", "Connection")
        }
        path = f"/s/social/onlyoffice/backend/track?doc={doc_of(key)}"
        method = row["request_line"].split()[0]
        data = json.dumps(message).encode() if method == "POST" else None
        said = heard(*await stage.bridge.ask("docs", path, method, data=data, headers=headers))
        happened = {
            "to docs": to_docs(stage.bridge.docs),
            "to humhub": to_humhub(stage.bridge.humhub),
            "docs hears": said,
        }
        ledgers["callbacks"].check(f"{scenario}:{number}", happened)
        stage.bridge.docs.seen.clear()
        stage.bridge.humhub.seen.clear()


@pytest.mark.parametrize("scenario", DOWNLOADS)
async def test_downloads(stage: Stage, scenario: str, ledgers: dict[str, Ledger]) -> None:
    octets = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="a.docx"'}
    for number, row in enumerate(DOWNLOADS[scenario]):
        stage.clock[0] = 1_795_490_000.0
        stage.bridge.humhub.answers(web.Response(body=file_of("docx"), headers=octets))
        path = f"/s/social/onlyoffice/backend/download?doc={doc_of('k1')}"
        headers = {name: value for name, value in row["headers"] if name not in ("Host", "Connection")}
        if row.get("jwt_header", {}).get("payload"):
            # The same token as recorded, for the address that Docs gets from the bridge.
            claims = {**row["jwt_header"]["payload"], "payload": {"url": f"{stage.bridge.config.legs.docs.url}{path}"}}
            stage.clock[0] = float(claims["iat"])
            headers["Authorization"] = f"Bearer {jwt.encode(claims, DOCS_SECRET)}"
        said = heard(*await stage.bridge.ask("docs", path, headers=headers))
        to_hub = to_humhub(stage.bridge.humhub)
        for seen in to_hub:
            claims = seen["headers"]["Authorization"]["Bearer"]
            assert claims.pop("exp") == stage.clock[0] + 300
        ledgers["downloads"].check(f"{scenario}:{number}", {"to humhub": to_hub, "docs hears": said})
        stage.bridge.humhub.seen.clear()


# --- what HumHub answers ---


@pytest.mark.parametrize("name", DOWNLOAD_ANSWERS)
async def test_humhubs_answers_to_a_download(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    exchange = DOWNLOAD_ANSWERS[name]
    given = exchange["response"]
    kind = {header.lower(): value for header, value in given["headers"]}.get("content-type", "")
    body = None if "html" in kind else file_of("docx") * 10
    stage.bridge.humhub.answers(answer_of(given, body=body))
    route = "empty-file" if "empty-file" in exchange["request"]["url"] else "download"
    hash_ = doc_of("k1") if route == "download" else jwt.encode({"isEmpty": True, "userGuid": "x"}, HUMHUB_SECRET)
    path = f"/onlyoffice/backend/{route}?doc={hash_}"
    url = f"{stage.bridge.config.legs.docs.url}{path}"
    headers = {"Authorization": f"Bearer {jwt.encode({'payload': {'url': url}}, DOCS_SECRET)}"}
    said = heard(*await stage.bridge.ask("docs", path, headers=headers))
    ledgers["download-answers"].check(name, {"humhub says": given["status"], "docs hears": said})


@pytest.mark.parametrize("name", TRACK_ANSWERS)
async def test_humhubs_answers_to_a_callback(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    given = TRACK_ANSWERS[name]["response"]
    said = {}
    for status in (1, 2, 6):
        stage.bridge.humhub.answers(answer_of(given))
        stage.bridge.docs.answers(web.Response(body=file_of("docx")))
        fields = {
            "key": "k1",
            "status": status,
            "filetype": "docx",
            "url": f"{RIG}/cache/files/data/k1_1/output.docx/o.docx",
        }
        body = json.dumps({"token": jwt.encode(fields, DOCS_SECRET)})
        path = f"/onlyoffice/backend/track?doc={doc_of('k1')}"
        said[str(status)] = heard(*await stage.bridge.ask("docs", path, "POST", data=body))["body"]
    ledgers["track-answers"].check(name, {"humhub says": given["status"], "docs hears": said})


# --- what HumHub asks of Docs ---


async def ask_docs(stage: Stage, exchange: Json) -> Json:
    """Send a recorded call to Docs as HumHub's module would, and answer it as Docs did."""
    request, stage.clock[0] = exchange["request"], 1_795_490_000.0
    stage.bridge.docs.answers(answer_of(exchange["response"]))
    fields = request["body"]
    options: Json = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    if isinstance(fields, dict):
        fields = {name: value for name, value in fields.items() if name != "token"}
        if str(fields.get("url", "")).startswith(STORAGE):
            fields["url"] = f"{STORAGE}/onlyoffice/backend/download?doc={doc_of('k1')}"
        options["data"] = json.dumps({**fields, "token": jwt.encode(fields, HUMHUB_SECRET)})
        options["headers"]["Authorization"] = f"Bearer {jwt.encode({'payload': fields}, HUMHUB_SECRET)}"
    elif request["method"] == "POST":
        options["data"] = request.get("raw") or ""
    said = heard(*await stage.bridge.ask("humhub", request["path"], request["method"], **options))
    return {"to docs": to_docs(stage.bridge.docs), "humhub hears": said}


@pytest.mark.parametrize("name", CONVERSIONS)
async def test_conversions(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    happened = await ask_docs(stage, CONVERSIONS[name])
    assert happened["humhub hears"]["body"] != {"error": 0}
    ledgers["conversions"].check(name, happened)


@pytest.mark.parametrize("name", COMMANDS)
async def test_commands(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    ledgers["commands"].check(name, await ask_docs(stage, COMMANDS[name]))


@pytest.mark.parametrize("name", FILES)
async def test_files(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    request, response = FILES[name]["request"], FILES[name]["response"]
    plain = {header.lower(): value for header, value in response["headers"]}.get("content-type", "")
    body = b"<html>no</html>" if "html" in plain else file_of("pdf")
    stage.bridge.docs.answers(answer_of(response, body=body))
    said = heard(*await stage.bridge.ask("humhub", request["path"], request["method"], headers=request["headers"]))
    ledgers["files"].check(name, {"to docs": to_docs(stage.bridge.docs), "humhub hears": said})


# --- none is left out ---


@pytest.mark.parametrize("kind", KINDS)
def test_no_recording_is_left_out(kind: str, ledgers: dict[str, Ledger]) -> None:
    if ledgers[kind].writing:
        pytest.skip("expectations are being written")
    expected = ledgers[kind].expected().keys()
    assert KINDS[kind], "no recording of this kind was found"
    assert KINDS[kind] <= expected, "a recording has no expectation"
    if recorded.DOCS == recorded.FULL or kind in ("pages", "download-answers", "track-answers"):
        assert KINDS[kind] == expected, "an expectation has no recording"
