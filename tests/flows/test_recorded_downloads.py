"""Every recorded download of Docs, and every recorded answer of HumHub to one, goes on as is expected of it."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from aiohttp import web

from tests.flows.expected import Ledger, digest
from tests.flows.recorded import FOUND, STORAGES, Json, scenarios
from tests.flows.stage import Stage, answering, doc_of, file_of
from tests.legs.fakes import HUMHUB_SECRET, INNER_SECRET, claims_of

# One bridge for all of them: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

DOWNLOADS = FOUND["downloads"]
SCENARIOS = scenarios(DOWNLOADS)
ANSWERS = FOUND["download-answers"]

_DOWNLOAD = f"/s/social/onlyoffice/backend/download?doc={doc_of('k1')}"
_DOCUMENT = file_of("docx")


def here(target: str) -> str:
    """Put a recorded path and query into an address that Docs gets from the bridge, its odd letters kept as they are."""
    path, _, query = target.partition("?")
    name = path.removeprefix("/file/")
    return f"{_DOWNLOAD}&n={name}&{query}"


def claim_here(stage: Stage, claims: Json) -> Json:
    """Give the claims of a recorded download for the address that Docs gets from the bridge."""
    url = claims["payload"]["url"]
    storage = next(storage for storage in STORAGES if url.startswith(storage))
    return {**claims, "payload": {"url": stage.docs_url + here(url.removeprefix(storage))}}


async def download(stage: Stage, row: Json) -> Json:
    """Send a recorded download; HumHub has the document."""
    octets = {"Content-Type": "application/octet-stream", "Content-Disposition": 'attachment; filename="a.docx"'}
    stage.bridge.humhub.answers(web.Response(body=_DOCUMENT, headers=octets))
    stage.clock[0] = row.get("ts") or 0.0
    headers = stage.from_docs(row["headers"], lambda claims: claim_here(stage, claims))
    said = await stage.ask("docs", here(row["request_line"].split()[1]), headers=headers)
    for seen in stage.bridge.humhub.seen:
        claims = claims_of(seen.headers["Authorization"], HUMHUB_SECRET)
        assert "iat" not in claims, "HumHub's clock may be behind"
        assert claims["exp"] == int(stage.clock[0]) + 300
        assert claims["payload"]["url"].partition("?")[0] == f"{stage.docs_url}/s/social/onlyoffice/backend/download"
    if said["status"] == 200:
        assert said["body"] == digest(_DOCUMENT)
    to_humhub = stage.to_humhub()
    for got in to_humhub:
        got["headers"]["Authorization"]["Bearer"]["exp"] = "now + 300"
    return {"to humhub": to_humhub, "docs hears": said}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_recorded_download(stage: Stage, scenario: str, ledgers: dict[str, Ledger]) -> None:
    for name in SCENARIOS[scenario]:
        ledgers["downloads"].check(name, await download(stage, DOWNLOADS[name]))


async def test_every_download_ends_the_same_when_docs_has_a_secret_and_header_of_its_own(
    apart: Stage, ledgers: dict[str, Ledger]
) -> None:
    for name, row in DOWNLOADS.items():
        ledgers["downloads"].check(name, await download(apart, row))


def kinds_of_requests() -> list[list[list[str]]]:
    """Give the headers of Docs' downloads, one of each sort."""
    kept = {
        json.dumps([pair for pair in row["headers"] if pair[0] not in ("Host", "Authorization")]): row["headers"]
        for row in DOWNLOADS.values()
    }
    return list(kept.values())


async def answered(stage: Stage, exchange: Json, headers: list[list[str]]) -> Json:
    """Download with a request of Docs, and answer as HumHub once did."""
    request, response = exchange["request"], exchange["response"]
    given = {name.lower(): value for name, value in response["headers"]}
    size = int(given.get("content-length") or 600)
    body = None if "html" in given.get("content-type", "") else file_of("docx", size)
    stage.bridge.humhub.answers(answering(response, body))
    empty = "empty-file" in request["url"]
    hash_ = jwt.encode({"isEmpty": True, "userGuid": "u1"}, INNER_SECRET) if empty else doc_of("k1")
    path = f"/s/social/onlyoffice/backend/{'empty-file' if empty else 'download'}?doc={hash_}"
    token = jwt.encode({"payload": {"url": stage.docs_url + path}}, stage.docs.secret)
    sent = stage.from_docs([pair for pair in headers if pair[0] != "Authorization"])
    said = await stage.ask("docs", path, headers={**sent, stage.docs.header: f"Bearer {token}"})
    document = response["status"] == 200
    assert (said["status"] == 200) == document, "Docs takes any 200 and 206 for the document"
    if document:
        assert body is not None
        assert said["body"] == digest(body)
    else:
        assert "body" not in said
    return said


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_recorded_answer_to_a_download(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    exchange = ANSWERS[name]
    heard: list[Any] = [await answered(stage, exchange, headers) for headers in kinds_of_requests()]
    assert all(said == heard[0] for said in heard), "what Docs hears hangs on how it asked"
    ledgers["download-answers"].check(name, {"humhub says": exchange["response"]["status"], "docs hears": heard[0]})


async def test_the_hash_of_the_empty_file_is_refused_on_a_download(stage: Stage) -> None:
    hash_ = ANSWERS["21-empty-hash-on-download"]["request"]["url"].partition("doc=")[2]
    path = f"/onlyoffice/backend/download?doc={hash_}"
    token = jwt.encode({"payload": {"url": stage.docs_url + path}}, stage.docs.secret)
    assert await stage.ask("docs", path, headers={"Authorization": f"Bearer {token}"}) == {"status": 403}
    assert not stage.bridge.humhub.seen
