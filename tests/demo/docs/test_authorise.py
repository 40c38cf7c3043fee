"""Who is let in: the tokens of an editor, and what replaces what."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from bridge.demo.docs import SmallDocs
from tests.demo.docs.rig import SECRET, Enter, Storage, signed
from tests.demo.docs.typist import RefusedError


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (lambda claims: signed(claims, "x" * 40), 4006),
        (lambda claims: signed(claims, lifetime=-120), 4005),
        (lambda _claims: None, 4006),
        (lambda _claims: "not a token", 4006),
        (lambda claims: signed(claims) + "x", 4006),
    ],
    ids=["another secret", "expired", "none", "nonsense", "broken"],
)
async def test_a_connection_without_a_good_token_is_refused(token: Any, code: int, enter: Enter) -> None:
    typist = enter()
    typist.config["token"] = token({name: typist.config[name] for name in ("document", "editorConfig")})
    with pytest.raises(RefusedError) as caught:
        await typist.open()
    assert caught.value.code == code


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_each_algorithm_and_a_minute_of_tolerance_are_fine(algorithm: str, enter: Enter) -> None:
    typist = enter()
    claims = {name: typist.config[name] for name in ("document", "editorConfig")}
    typist.config["token"] = jwt.encode({**claims, "exp": _now() - 30}, SECRET, algorithm=algorithm)
    await typist.open()


def _now() -> int:
    return int(jwt.decode(signed({}), SECRET, algorithms=["HS256"])["iat"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"permissions": {"edit": True, "print": True}}, 4004),
        ({"jwtOpen": signed({"document": {"key": "k1"}})}, 4006),
        ({"jwtOpen": "nonsense"}, 4006),
        ({"jwtSession": "nonsense"}, 4006),
        ({"jwtSession": signed({"document": {"key": "k1"}})}, 4006),
    ],
    ids=["other permissions", "no url", "bad token", "bad session", "a session signed with the other secret"],
)
async def test_an_auth_message_that_does_not_fit_is_dropped(change: dict[str, Any], code: int, enter: Enter) -> None:
    typist = enter()
    await typist.connect()
    await typist.send({**typist.auth_message(), **change})
    with pytest.raises(RefusedError) as caught:
        await typist.wait_for("authChanges")
    assert caught.value.code == code


@pytest.mark.parametrize("lacking", ["callbackUrl", "mode"])
async def test_a_claim_that_the_plain_message_has_must_be_in_the_token(lacking: str, enter: Enter) -> None:
    typist = enter()
    editor = {name: value for name, value in typist.config["editorConfig"].items() if name != lacking}
    token = signed({"document": typist.config["document"], "editorConfig": editor})
    await typist.connect()
    await typist.send({**typist.auth_message(), "jwtOpen": token})
    with pytest.raises(RefusedError) as caught:
        await typist.wait_for("authChanges")
    assert caught.value.code == 4006


async def test_the_token_beats_path_and_plain_fields(enter: Enter, storage: Storage, docs: SmallDocs) -> None:
    typist = enter(key="inside")
    token = typist.config["token"]
    typist.config["document"] = {**typist.config["document"], "key": "outside", "url": "http://127.0.0.1:1/x.docx"}
    typist.config["editorConfig"] = {**typist.config["editorConfig"], "callbackUrl": "http://127.0.0.1:1/"}
    typist.config["token"] = token
    await typist.open()
    assert list(docs.sessions) == ["inside"]
    assert [call.body["key"] for call in storage.callbacks if call.body] == ["inside"]


async def test_a_session_token_lives_a_month_and_uses_the_plain_urls(
    enter: Enter, storage: Storage, docs: SmallDocs
) -> None:
    typist = enter()
    await typist.open()
    assert typist.session is not None
    claims = jwt.decode(typist.session, docs.settings.session_key, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 30 * 24 * 3600
    assert "url" not in claims["document"]
    await typist.leave()
    docs.sessions.clear()
    again = enter()
    again.session = typist.session
    again.config["editorConfig"]["callbackUrl"] = f"{storage.url}/cb?t=plain"
    again.config["token"] = "stale"
    await again.connect()
    await again.send({**again.auth_message(), "openCmd": {"url": f"{storage.url}/file/base.docx?plain"}})
    await again.wait_for("authChanges")
    assert storage.callbacks[-1].line == "/cb?t=plain"
    assert storage.calls[-1].line == "/file/base.docx?plain"


async def test_a_plain_view_mode_restricts(enter: Enter, docs: SmallDocs) -> None:
    typist = enter()
    await typist.connect()
    await typist.send({**typist.auth_message(), "mode": "view"})
    await typist.wait_for("authChanges")
    await typist.send({"type": "saveChanges", "base": 0, "change": {"id": "1", "do": "drop", "block": "p0"}})
    await typist.wait_for("changeRefused")
    assert not docs.sessions["k1"].users
