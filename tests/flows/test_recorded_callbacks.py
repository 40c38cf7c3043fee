"""Every recorded callback of Docs, and every recorded answer of HumHub to one, goes on as is expected of it."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from aiohttp import web

from tests.flows.expected import Ledger
from tests.flows.recorded import FOUND, Json, scenarios
from tests.flows.stage import Stage, answering, doc_of, files_of_docs
from tests.legs.fakes import HUMHUB_SECRET, claims_of

# One bridge for all of them: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLBACKS = FOUND["callbacks"]
SCENARIOS = scenarios(CALLBACKS)
ANSWERS = FOUND["track-answers"]

_LINKS = ("url", "changesurl", "formsdataurl")
_RIG = "http://127.0.0.1:8088"


async def call_back(stage: Stage, row: Json) -> Json:
    """Post a recorded callback; HumHub pulls every file that it names, and confirms."""
    message, stage.clock[0] = row.get("body") or {}, row["ts"]
    pulled: Json = {}

    async def track(_: web.BaseRequest) -> web.StreamResponse:
        told = stage.bridge.humhub.seen[-1].json()
        pulled.update({name: (told[name], await stage.pull(told[name])) for name in _LINKS if name in told})
        return web.json_response({"error": 0})

    stage.bridge.humhub.answers(track)
    stage.bridge.docs.answers(files_of_docs)
    path, method = (
        f"/s/social/onlyoffice/backend/track?doc={doc_of(message.get('key'))}",
        row["request_line"].split()[0],
    )
    data = stage.signed(json.dumps(message)).encode() if method == "POST" else None
    said = await stage.ask("docs", path, method, data=data, headers=stage.from_docs(row["headers"]))
    if stage.bridge.humhub.seen:
        _hold_to_the_law(stage, row, stage.bridge.humhub.seen[-1].json())
    to_humhub = stage.to_humhub()
    if "url" in pulled:
        after = await stage.pull(pulled["url"][0])
        assert after == {"status": 403}, "the link to the body outlives its delivery"
    return {
        "to docs": stage.to_docs(),
        "to humhub": to_humhub,
        "humhub pulls": {name: got for name, (_, got) in pulled.items()},
        "docs hears": said,
        "kept": len(stage.bridge.saved),
    }


def _hold_to_the_law(stage: Stage, row: Json, told: Json) -> None:
    """See what must hold for each, whatever is stored: HumHub gets the message of the body token, its links mapped."""
    claims = jwt.decode(row["body"]["token"], options={"verify_signature": False})
    sent = {name: value for name, value in claims.items() if name not in ("iat", "exp")}
    token = told.pop("token")
    assert claims_of(token, HUMHUB_SECRET) == {**told, "exp": int(stage.clock[0]) + 300}
    assert _without_links(told) == _without_links(sent)
    assert [name for name in told if name in _LINKS] == [name for name in sent if name in _LINKS]
    assert all(told[name].startswith(stage.humhub_url + "/s/social/") for name in _LINKS if name in told)
    assert _RIG not in json.dumps(told)


def _without_links(message: Json) -> Json:
    return {name: value for name, value in message.items() if name not in _LINKS}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_recorded_callback(stage: Stage, scenario: str, ledgers: dict[str, Ledger]) -> None:
    for name in SCENARIOS[scenario]:
        ledgers["callbacks"].check(name, await call_back(stage, CALLBACKS[name]))


async def test_every_callback_ends_the_same_when_docs_has_a_secret_and_header_of_its_own(
    apart: Stage, ledgers: dict[str, Ledger]
) -> None:
    for name, row in CALLBACKS.items():
        ledgers["callbacks"].check(name, await call_back(apart, row))


async def answered(stage: Stage, name: str, response: Json) -> Json:
    """Send one callback of each status, each of a document of its own, and answer it as HumHub once did."""
    found: dict[str, Any] = {"humhub says": response["status"]}
    for status in (1, 2, 3, 4, 6):
        stage.bridge.humhub.answers(answering(response))
        stage.bridge.docs.answers(files_of_docs)
        news = status in (1, 4)
        key = f"{name}-{status}"
        file = {} if news else {"filetype": "docx", "url": f"{_RIG}/cache/files/data/{key}_1/output.docx/o.docx"}
        body = json.dumps({"token": jwt.encode({"key": key, "status": status, **file}, stage.docs.secret)})
        before = len(stage.bridge.saved)
        said = await stage.ask("docs", f"/onlyoffice/backend/track?doc={doc_of(key)}", "POST", data=body)
        assert said["status"] == 200, "Docs would try again, or follow"
        found[str(status)] = said["body"] if news else {**said["body"], "kept": len(stage.bridge.saved) > before}
    return found


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_recorded_answer_to_a_callback(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    response = ANSWERS[name]["response"]
    happened = await answered(stage, name, response)
    confirmed = response["status"] == 200 and response["body"] == {"error": 0}
    for status in ("2", "3", "6"):
        assert (happened[status]["error"] == 0) == confirmed, "Docs hears that it is saved only when it is"
        assert happened[status]["kept"] != confirmed, "a body is kept until it is delivered"
    ledgers["track-answers"].check(name, happened)
