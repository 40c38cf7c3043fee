"""Every recorded call of HumHub's editor page: what HumHub is asked, and what the browser gets of its answer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from bridge.config import KeyRingConfig
from bridge.protocol.secret import Secret
from tests.flows.expected import Ledger, Party, heard, masked
from tests.flows.recorded import FOUND, Json, places_of, recorded_page
from tests.flows.recorded import PAGES as PLACES
from tests.flows.stage import NOTHING_ADDED, SIDES, Stage, answering, on_stage
from tests.legs.fakes import HUMHUB_SECRET

# One bridge for all of them: what one leaves behind must not change another.
pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = FOUND["pages"]
CONVERTS = FOUND["converts"]


def site_of(name: str) -> Json:
    """Give the site's settings under which a page was recorded."""
    base = "/hub" if "/hub/" in PAGES[name]["request"]["url"] else ""
    secrets = {"51-open-secret-len0": (), "51-open-secret-len32": (Secret("x" * 32),)}
    ring = KeyRingConfig(secrets=secrets.get(name, (Secret(HUMHUB_SECRET),)))
    return {"base_path": base, "hosts": ("127.0.0.1",), "jwt": ring}


def own_page(name: str) -> bytes:
    """Give a page of our own around what a recorded one has in its places."""
    place = PLACES[name]
    attributes = f"data-config='{place['config']}' data-api='{place['api']}'"
    return f'<p>é</p>\r\n<script src="{place["script"]}" nonce="n"></script>\n<div id=x {attributes} class=y>'.encode()


def headers_of(request: Json) -> dict[str, str]:
    """Give the headers that the browser sent, with cookies and the token against forgery as they were, but made up."""
    cookies = {"Cookie": "; ".join(f"{name}=of-{name}" for name in request["cookies"])} if request["cookies"] else {}
    return {**request["headers"], **cookies, **({"X-CSRF-Token": "of-csrf"} if request["csrf"] else {})}


async def browse(stage: Stage, exchange: Json, sent: bytes | None) -> tuple[Json, bytes]:
    """Send a recorded request of a browser's, answer it as HumHub did, and give what happened, with the page."""
    request, response = exchange["request"], exchange["response"]
    packed = ["Content-Encoding", "gzip"] in response["headers"]
    stage.bridge.humhub.answers(answering(response, gzip.compress(sent, mtime=0) if packed and sent else sent))
    path = "/" + request["url"].split("/", 3)[3]
    options: Json = {"headers": headers_of(request), "skip_auto_headers": NOTHING_ADDED}
    if request["body"] is not None:
        options["data"] = request["body"]
    status, raw, headers = await stage.bridge.ask("browser", path, request["method"], **options)
    page = gzip.decompress(raw) if headers.get("Content-Encoding") == "gzip" else raw
    return {"to humhub": stage.to_humhub(), "browser gets": heard(status, page, headers)}, page


@pytest.mark.parametrize("docs", SIDES.values(), ids=SIDES)
@pytest.mark.parametrize("name", PAGES)
async def test_a_recorded_editor_page(tmp_path: Path, name: str, docs: Party, ledgers: dict[str, Ledger]) -> None:
    sent = (recorded_page(name) or own_page(name)) if name in PLACES else None
    if sent is not None:
        assert places_of(sent) == {place: PLACES[name][place] for place in ("script", "config", "api")}
    async with on_stage(tmp_path, docs, **site_of(name)) as stage:
        stage.clock[0] = PAGES[name]["at"] + 100
        happened, page = await browse(stage, PAGES[name], sent)
    if sent is not None:
        happened["browser gets"].pop("body")
        happened["page"] = _opened(sent, page, docs, issued=int(PAGES[name]["at"]), now=int(stage.clock[0]))
    ledgers["pages"].check(name, happened)


def _opened(sent: bytes, page: bytes, docs: Party, *, issued: int, now: int) -> Json:
    """Give what stands in the three places of a page, and see that nothing else of it has changed."""
    old, new = places_of(sent), places_of(page)
    expected = sent
    for place in old:
        expected = expected.replace(old[place].encode(), new[place].encode())
    assert page == expected, "a byte beside the three places has changed"
    config, was = json.loads(new["config"]), json.loads(old["config"])
    claims = jwt.decode(config.pop("token"), docs.secret, algorithms=["HS256"], options={"verify_exp": False})
    expires = jwt.decode(was["token"], options={"verify_signature": False})["exp"] if "token" in was else now + 300
    assert claims == {**config, "exp": expires}, "Docs' token says something else than the page"
    assert issued - 2 <= expires - 300 <= now, "the page lives longer than HumHub said"
    assert _without_links(config) == _without_links(was), "more than the two links has changed"
    found: Json = masked({"script": new["script"], "config": config, "api": json.loads(new["api"])})
    return {**found, "token": {"(the configuration)": "flat", "lives": expires - issued}}


def _without_links(config: Json) -> Any:
    given: Json = json.loads(json.dumps(config))
    for part, name in (("document", "url"), ("editorConfig", "callbackUrl")):
        del given[part][name]
    return {name: value for name, value in given.items() if name != "token"}


@pytest.mark.parametrize("name", CONVERTS)
async def test_a_recorded_conversion_that_a_browser_asked_humhub_for(
    stage: Stage, name: str, ledgers: dict[str, Ledger]
) -> None:
    happened, _ = await browse(stage, CONVERTS[name], None)
    sent, given = happened["to humhub"][0], happened["browser gets"]
    assert "http://" + sent["headers"]["Host"] + sent["target"] == CONVERTS[name]["request"]["url"]
    assert given["status"] == CONVERTS[name]["response"]["status"]
    ledgers["converts"].check(name, happened)
