"""The admin leg's API of kept saves: the same objects as the commands give, and the same refusals."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from bridge.config import Config
from bridge.protocol.secret import Secret
from tests.legs.fakes import Bridge, Start, doc
from tests.legs.test_docs import DOCX, SAVE, TRACK

TOKEN = "admin-token-0123456789"


async def saved_as(bridge: Bridge, answer: int, body: bytes = DOCX, **fields: Any) -> dict[str, Any]:
    """Let Docs save while HumHub answers so; give the entry as the API lists it."""
    bridge.docs.answers(web.Response(body=body, content_type="application/octet-stream"))
    bridge.humhub.answers(web.Response(status=answer, text='{"error":0}', content_type="application/json"))
    await bridge.call_back(TRACK, {**SAVE, **fields})
    (entry,) = (await asked(bridge, "/api/saves?state=all&key=k1"))["saves"]
    assert isinstance(entry, dict)
    return entry


async def asked(bridge: Bridge, path: str, method: str = "GET", status: int = 200, **options: Any) -> Any:
    answered, raw, _ = await bridge.ask("admin", path, method, **options)
    assert answered == status, raw
    return json.loads(raw)


async def test_what_waits_is_listed_and_shown(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 500)
    assert (entry["state"], entry["tries"]) == ("waiting", 1)
    assert entry["why"].startswith("HumHub answered 500")
    assert await asked(bridge, "/api/saves") == {"saves": [entry], "more": False}
    shown = await asked(bridge, f"/api/saves/{entry['id'][:6]}")
    assert entry.items() <= shown.items()
    assert (shown["body"], shown["newest"], shown["node"]) == ("sound", True, "docs-1")
    assert "eyJ" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 1),
        ("?state=dead", 1),
        ("?state=waiting", 0),
        ("?state=waiting&state=dead", 1),
        ("?state=delivered", 0),
        ("?state=all", 1),
        ("?site=social&key=k1&limit=1", 1),
        ("?site=other", 0),
        ("?key=k2", 0),
    ],
)
async def test_a_list_is_of_what_is_asked_for(bridge: Bridge, query: str, found: int) -> None:
    await saved_as(bridge, 404)
    assert len((await asked(bridge, f"/api/saves{query}"))["saves"]) == found


@pytest.mark.parametrize(
    "query", ["state=lost", "state=", "limit=0", "limit=x", "limit=-1", "limit=1001", "limit=%C2%B2"]
)
async def test_a_question_that_makes_no_sense_is_said_to_be_one(bridge: Bridge, query: str) -> None:
    answer = await asked(bridge, f"/api/saves?{query}", status=400)
    assert answer["error"] is True
    assert answer["message"]
    assert answer["request_id"]


async def test_the_body_is_a_file_to_keep(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 404)
    path = f"/api/saves/{entry['id']}/body"
    status, body, headers = await bridge.ask("admin", path)
    assert (status, body) == (200, DOCX)
    assert headers["Content-Disposition"] == f'attachment; filename="{entry["id"]}.docx"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "application/octet-stream"
    status, body, headers = await bridge.ask("admin", path, headers={"Range": "bytes=4-9"})
    assert (status, body) == (206, DOCX[4:10])


async def test_a_file_type_never_leaves_its_header(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 404, filetype='do"c\r\nx')
    _, _, headers = await bridge.ask("admin", f"/api/saves/{entry['id']}/body")
    assert headers["Content-Disposition"] == f'attachment; filename="{entry["id"]}.bin"'


async def test_a_dead_letter_is_delivered_by_hand(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 404)
    assert entry["state"] == "dead"
    bridge.humhub.answers(web.json_response({"error": 0}))
    bridge.humhub.seen.clear()
    with capture_logs() as logs:
        answer = await asked(bridge, f"/api/saves/{entry['id']}/deliver", "POST", 202)
    assert (answer["state"], answer["held_up"]) == ("waiting", None)
    assert [line["by"] for line in logs if line["event"] == "save to be delivered by hand"] == [
        "127.0.0.1 on the admin leg"
    ]
    while (shown := await asked(bridge, f"/api/saves/{entry['id']}"))["state"] == "waiting":
        pass
    assert (shown["state"], shown["delivered_as"]) == ("delivered", 6)
    assert bridge.humhub.seen[0].json()["status"] == 6


async def test_what_humhub_has_is_not_delivered_again(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 200)
    assert entry["state"] == "delivered"
    answer = await asked(bridge, f"/api/saves/{entry['id']}/deliver", "POST", 409)
    assert "HumHub has it already" in answer["message"]


async def test_what_is_not_what_its_type_says_needs_a_yes(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 500, body=b"no document", status=3)
    assert entry["state"] == "dead"
    path = f"/api/saves/{entry['id']}/deliver"
    assert "needs a yes" in (await asked(bridge, path, "POST", 409))["message"]
    assert (await asked(bridge, f"{path}?yes=true", "POST", 202))["state"] == "waiting"


async def test_a_save_is_discarded_only_with_a_yes(bridge: Bridge) -> None:
    entry = await saved_as(bridge, 404)
    path = f"/api/saves/{entry['id']}"
    for query in ("", "?yes", "?yes=1", "?yes=false"):
        answer = await asked(bridge, path + query, "DELETE", 409)
        assert "HumHub never got this edit" in answer["message"]
        assert "?yes=true" in answer["message"]
    assert (await bridge.ask("admin", f"{path}/body"))[:2] == (200, DOCX)
    with capture_logs() as logs:
        left = await asked(bridge, f"{path}?yes=true", "DELETE")
    assert (left["state"], left["held"]) == ("superseded", False)
    assert left["why"] == "discarded by 127.0.0.1 on the admin leg"
    assert [line["was"] for line in logs if line["event"] == "save discarded"] == ["dead"]
    assert (await asked(bridge, f"{path}/body", status=409))["message"] == "Its body is gone."
    assert bridge.saved == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/saves/abcdef"),
        ("GET", "/api/saves/abcdef/body"),
        ("POST", "/api/saves/abcdef/deliver"),
        ("DELETE", "/api/saves/abcdef?yes=true"),
        ("GET", "/api/saves/%2e%2e%2fbridge"),
    ],
)
async def test_what_is_not_known_is_not_found(bridge: Bridge, method: str, path: str) -> None:
    status, _, _ = await bridge.ask("admin", path, method)
    assert status in (400, 404)


FOREIGN = {
    "another site's page": {"Sec-Fetch-Site": "cross-site"},
    "a neighbour's page": {"Sec-Fetch-Site": "same-site"},
    "an old browser": {"Origin": "https://evil.test"},
    "a page of no origin": {"Origin": "null"},
    "another port": {"Origin": "http://127.0.0.1:1"},
}


@pytest.mark.parametrize("sender", FOREIGN)
async def test_another_sites_page_changes_nothing(bridge: Bridge, sender: str) -> None:
    entry = await saved_as(bridge, 404)
    path = f"/api/saves/{entry['id']}"
    await asked(bridge, f"{path}?yes=true", "DELETE", 403, headers=FOREIGN[sender])
    await asked(bridge, f"{path}/deliver", "POST", 403, headers=FOREIGN[sender])
    assert (await asked(bridge, path, headers=FOREIGN[sender]))["state"] == "dead"


@pytest.mark.parametrize("fetched", ["same-origin", "none", None])
async def test_its_own_page_may(bridge: Bridge, fetched: str | None) -> None:
    entry = await saved_as(bridge, 404)
    origin = f"http://{bridge.config.legs.admin.listen}"
    headers = {"Sec-Fetch-Site": fetched} if fetched else {"Origin": origin}
    await asked(bridge, f"/api/saves/{entry['id']}?yes=true", "DELETE", headers=headers)


async def test_a_token_guards_the_saves(start: Start) -> None:
    def guarded(config: Config) -> Config:
        admin = dataclasses.replace(config.legs.admin, token=Secret(TOKEN))
        return dataclasses.replace(config, legs=dataclasses.replace(config.legs, admin=admin))

    bridge = await start(guarded)
    for method, path in (("GET", "/api/saves"), ("DELETE", "/api/saves/abcd?yes=true")):
        await asked(bridge, path, method, 401)
    await asked(bridge, "/api/saves", headers={"Authorization": f"Bearer {TOKEN}"})


async def test_the_log_says_loudly_that_a_save_is_a_dead_letter(bridge: Bridge) -> None:
    with capture_logs() as logs:
        entry = await saved_as(bridge, 404)
    (line,) = [line for line in logs if line["event"] == "a save is a dead letter"]
    assert (line["log_level"], line["entry"], line["key"]) == ("error", entry["id"], "k1")
    assert f"humhub-bridge saves show {entry['id']}" in line["remedy"]


async def test_a_start_says_what_is_left(start: Start) -> None:
    bridge = await start()
    await saved_as(bridge, 404)
    with capture_logs() as logs:
        await start(lambda config: dataclasses.replace(config, saves=bridge.config.saves, store=bridge.config.store))
    (line,) = [line for line in logs if line["event"] == "kept saves"]
    assert (line["waiting"], line["dead_letters"], line["log_level"]) == (0, 1, "warning")


async def test_a_document_that_was_saved_twice_is_kept_once(bridge: Bridge) -> None:
    await saved_as(bridge, 404)
    await bridge.call_back(f"/s/social/onlyoffice/backend/track?doc={doc()}", SAVE)
    assert len((await asked(bridge, "/api/saves"))["saves"]) == 1
