"""Every recorded call that a browser makes to HumHub's module beside opening: it passes as it is, and so does its answer.

Save as alone is looked into: what HumHub is sent to fetch has to be a file of Docs.
"""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, quote_plus

import pytest
from multidict import CIMultiDict

from tests.flows.expected import heard, together
from tests.flows.recorded import DATA, FOUND, Json
from tests.flows.stage import NOTHING_ADDED, Stage, answering
from tests.flows.test_recorded_pages import headers_of

# One bridge for all of them: what one leaves behind must not change another.
together_on_stage = pytest.mark.asyncio(loop_scope="module")

_ALL = {one["name"]: one for one in json.loads((DATA / "humhub/exchanges.json").read_text())}
CALLS = {
    name: one
    for name, one in _ALL.items()
    if re.match(r"1[34]-|40-share-(get|index|remove)|4[2345]-", name) and "followed" not in name
}
SAVED_AS = {name: one for name, one in CALLS.items() if name.startswith("42-")}
PASSED = {name: one for name, one in CALLS.items() if name not in SAVED_AS}

# What the bridge adds to, or takes from, any request of a browser's.
_OURS = ("host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix", "accept-encoding")
_FILE = FOUND["files"]["cache-get"]["request"]["path"]


def test_none_is_left_out() -> None:
    assert (len(PASSED), len(SAVED_AS)) == (26, 4)


async def browse(stage: Stage, exchange: Json, body: str | None) -> Json:
    """Send a request as recorded, with such a body; give what the browser gets."""
    request = exchange["request"]
    stage.bridge.humhub.answers(answering(exchange["response"]))
    options: Json = {"headers": headers_of(request), "skip_auto_headers": NOTHING_ADDED}
    if body is not None:
        options["data"] = body
    path = "/" + request["url"].split("/", 3)[3]
    return heard(*await stage.bridge.ask("browser", path, request["method"], **options))


def seen_by_humhub(stage: Stage, exchange: Json) -> bytes:
    """See that HumHub got the request as the browser sent it; give its body."""
    (seen,) = stage.bridge.humhub.seen
    request = exchange["request"]
    assert (seen.method, seen.target) == (request["method"], "/" + request["url"].split("/", 3)[3])
    assert seen.headers["Host"] == seen.headers["X-Forwarded-Host"] == "127.0.0.1:8600"
    plain = CIMultiDict(
        {name: it for name, it in seen.headers.items() if name.lower() not in (*_OURS, "content-length")}
    )
    sent = CIMultiDict(headers_of(request))
    assert plain == CIMultiDict({name: it for name, it in sent.items() if name.lower() not in _OURS})
    return seen.body


def answered_by_humhub(got: Json, exchange: Json) -> None:
    """See that the browser gets what HumHub answered."""
    response = exchange["response"]
    assert got["status"] == response["status"]
    wanted = together((name, value) for name, value in response["headers"] if name != "Content-Type")
    assert {name: value for name, value in got["headers"].items() if name != "Content-Type"} == wanted
    if isinstance(response["body"], dict | list) and "json" in got["headers"].get("Content-Type", ""):
        assert got["body"] == response["body"]


@together_on_stage
@pytest.mark.parametrize("name", PASSED)
async def test_a_recorded_call_passes_as_it_is(stage: Stage, name: str) -> None:
    exchange = PASSED[name]
    got = await browse(stage, exchange, exchange["request"]["body"])
    assert seen_by_humhub(stage, exchange) == (exchange["request"]["body"] or "").encode()
    answered_by_humhub(got, exchange)


@together_on_stage
@pytest.mark.parametrize("name", SAVED_AS)
async def test_a_recorded_save_as_of_what_docs_has_passes_with_its_file_in_place(stage: Stage, name: str) -> None:
    exchange = SAVED_AS[name]
    posted = exchange["request"]["body"]
    name_and_more = posted.partition("&")[2]
    body = f"url={quote_plus('http://127.0.0.1:8600/ds' + _FILE)}&{name_and_more}"
    got = await browse(stage, exchange, body)
    form = seen_by_humhub(stage, exchange).decode()
    assert form.partition("&")[2] == name_and_more
    assert parse_qs(form)["url"] == ["http://browser.bridge.test:8000/ds" + _FILE]
    answered_by_humhub(got, exchange)


@together_on_stage
@pytest.mark.parametrize("name", SAVED_AS)
async def test_a_recorded_save_as_of_anything_else_is_refused_in_humhubs_shape(stage: Stage, name: str) -> None:
    got = await browse(stage, SAVED_AS[name], SAVED_AS[name]["request"]["body"])
    assert got["status"] == 403
    assert got["body"]["error"] is True
    assert stage.bridge.humhub.seen == []
