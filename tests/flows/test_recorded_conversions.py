"""Every recorded conversion and every recorded file of Docs goes through the humhub leg as is expected of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from tests.flows.calling import as_docs_would, call, document_of, on_site
from tests.flows.expected import Ledger
from tests.flows.recorded import FOUND, NOT_SERVED, Json
from tests.flows.stage import Stage, answering, file_of

# One bridge for all of them: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

CONVERSIONS = FOUND["conversions"]
FILES = FOUND["files"]


def _message(exchange: Json) -> Json:
    body = exchange["request"]["body"]
    return body if isinstance(body, dict) else {}


async def convert(stage: Stage, name: str) -> Json:
    """Convert as recorded; and where the file was none that a site has, with one that it has as well."""
    exchange = CONVERSIONS[name]
    happened = await call(stage, name, exchange)
    heard = happened["humhub hears"]
    assert heard.get("body") != {"error": 0}, "HumHub's module throws at that"
    message = _message(exchange)
    if on_site(message) == message and "token" not in message and message:
        assert not happened["to docs"], "an address that is no site's went out"
        again = await call(stage, name, exchange, url=document_of(message.get("key")))
        return {"as recorded": happened, "with a document of the site": again}
    return happened


@pytest.mark.parametrize("name", CONVERSIONS)
async def test_a_recorded_conversion(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    happened = await convert(stage, name)
    if name in NOT_SERVED:
        assert not happened["to docs"], "what is not served is dialled"
    response = CONVERSIONS[name]["response"]
    if happened.get("to docs") and response["status"] == HTTPStatus.OK:
        assert happened["humhub hears"] == as_docs_would(stage, response), "not Docs' own words"
    ledgers["conversions"].check(name, happened)


async def test_every_conversion_ends_the_same_when_docs_has_a_secret_and_header_of_its_own(
    apart: Stage, ledgers: dict[str, Ledger]
) -> None:
    for name in CONVERSIONS:
        ledgers["conversions"].check(name, await convert(apart, name))


@pytest.mark.parametrize("name", FILES)
async def test_a_recorded_file_of_docs(stage: Stage, name: str, ledgers: dict[str, Ledger]) -> None:
    request, response = FILES[name]["request"], FILES[name]["response"]
    plain = {header.lower(): value for header, value in response["headers"]}.get("content-type", "")
    body = b"<html>no</html>" if "html" in plain else None if "text" in plain else file_of("pdf")
    stage.bridge.docs.answers(answering(response, body))
    said = await stage.ask("humhub", request["path"], request["method"], headers=request["headers"])
    happened: dict[str, Any] = {"to docs": stage.to_docs(), "humhub hears": said}
    file = response["status"] in (200, 206)
    if name in NOT_SERVED:
        assert not happened["to docs"], "what is not served is dialled"
    else:
        assert (said["status"] in (200, 206)) == file
    if request["method"] != "POST" and said["status"] not in (200, 206):
        assert "body" not in said, "HumHub stores any body that it gets as the document"
    ledgers["files"].check(name, happened)
