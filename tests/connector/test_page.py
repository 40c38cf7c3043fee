"""The editor's page as text: what stands where, and that nothing that is put in gets out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge.connector
from bridge.connector.page import EditorPage, Message, editor_page, headers_for_page, message_for, message_page
from bridge.connector.storage import SignedOutError
from bridge.connector.words import words
from bridge.protocol.errors import BadRequestError, BridgeError, NoRouteError, RefusedError, UnreachableError

STATIC = Path(bridge.connector.__file__).parent / "static"
CONFIG: dict[str, Any] = {"document": {"key": "k1", "title": "Plan.docx"}, "editorConfig": {}, "token": "a.b.c"}
PAGE = EditorPage(config=CONFIG, document="cap", base="/onlyoffice-bridge", docs="/ds", language="en")
EVIL = """</script><script>alert(1)</script>"'&amp;<!--\\u0027 ${x} $base 中文 \N{GRINNING FACE}"""


class Read(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len({name for name, _ in attrs}), f"{tag} has an attribute twice"
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())

    def one(self, tag: str) -> dict[str, str | None]:
        (found,) = [attributes for name, attributes in self.elements if name == tag]
        return found

    def tags(self) -> list[str]:
        return [name for name, _ in self.elements]


def page_with(**changes: Any) -> Read:
    fields = {name: getattr(PAGE, name) for name in PAGE.__dataclass_fields__}
    return Read(editor_page(EditorPage(**{**fields, **changes}), words(changes.get("language", "en"))))


def test_the_page_says_all_that_its_script_needs() -> None:
    read = page_with(back="/s/x/cfiles/browse?fid=1", edit="/onlyoffice-bridge/open?guid=a&mode=edit", framed=True)
    body = read.one("body")
    assert json.loads(body["data-config"] or "") == CONFIG
    assert body["data-document"] == "cap"
    assert body["data-api"] == "/ds/web-apps/apps/api/documents/api.js?shardkey=k1"
    assert body["data-base"] == "/onlyoffice-bridge"
    assert body["data-back"] == "/s/x/cfiles/browse?fid=1"
    assert body["data-edit"] == "/onlyoffice-bridge/open?guid=a&mode=edit"
    assert (body["data-framed"], body["data-every"], body["data-patience"]) == ("1", "20", "30")
    assert read.one("html") == {"lang": "en-US", "dir": "ltr"}
    assert read.one("script") == {"src": "/onlyoffice-bridge/editor.js", "defer": None}
    links = [attributes["href"] for name, attributes in read.elements if name == "link"]
    assert links == ["/onlyoffice-bridge/icon.svg", "/onlyoffice-bridge/editor.css"]
    assert "Plan.docx" in read.texts


def test_what_there_is_not_is_not_said() -> None:
    assert not {"data-back", "data-edit", "data-framed"} & page_with().one("body").keys()


def test_the_page_speaks_the_users_language() -> None:
    read = page_with(language="de")
    assert read.one("html")["lang"] == "de-DE"
    assert {"Wird geöffnet …", "Schließen", "Noch einmal versuchen"} <= set(read.texts)
    said = json.loads(read.one("body")["data-words"] or "")
    english = json.loads(page_with().one("body")["data-words"] or "")
    assert said.keys() == english.keys()
    assert not set(said.values()) & set(english.values())
    assert page_with(language="ar").one("html")["dir"] == "rtl"


def test_a_sub_directory_is_before_every_address() -> None:
    read = page_with(base="/hub/onlyoffice-bridge", docs="/hub/ds")
    assert read.one("script")["src"] == "/hub/onlyoffice-bridge/editor.js"
    assert (read.one("body")["data-api"] or "").startswith("/hub/ds/web-apps/")


EVERYTHING: dict[str, dict[str, Any]] = {
    "title": {"config": {**CONFIG, "document": {"key": "k1", "title": EVIL}}},
    "key": {"config": {**CONFIG, "document": {"key": EVIL, "title": "t"}}},
    **{name: {name: EVIL} for name in ("document", "base", "docs", "back", "edit", "notice", "language")},
}


@pytest.mark.parametrize("name", EVERYTHING)
def test_whatever_is_put_in_stays_in_its_place(name: str) -> None:
    assert page_with(**EVERYTHING[name]).tags() == page_with().tags()


@given(title=st.text(), key=st.text(), back=st.text(), notice=st.text())
def test_any_text_comes_out_as_it_went_in(title: str, key: str, back: str, notice: str) -> None:
    config = {"document": {"key": key, "title": title}, "editorConfig": {"x": [notice, None, 1.5, True]}}
    read = page_with(config=config, back=back, notice=notice)
    assert read.tags() == page_with().tags()
    body = read.one("body")
    assert json.loads(body["data-config"] or "") == config
    assert body.get("data-back", "") == back


def test_the_policy_lets_in_nothing_but_what_lies_on_the_same_host() -> None:
    headers = headers_for_page()
    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    assert policy.pop("script-src") == f"'self' 'unsafe-hashes' 'sha256-{empty}'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert policy["frame-ancestors"] == "'self'"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Cache-Control"] == "no-store"


def test_neither_page_has_a_script_or_a_style_inside() -> None:
    message = message_page(Message("t", "x"), base="/b", language="en", framed=True, close="Close")
    for page in (editor_page(PAGE, words("en")), message):
        read = Read(page)
        assert "style" not in read.tags()
        assert all(attributes.get("src") for name, attributes in read.elements if name == "script")
        assert not [n for _, attributes in read.elements for n in attributes if n == "style" or n.startswith("on")]


@pytest.mark.parametrize("name", ["editor.js", "editor.css"])
def test_what_the_page_loads_is_small_and_there(name: str) -> None:
    assert 0 < (STATIC / name).stat().st_size < 12_000


# what was raised: (title, where the link leads)
MESSAGES: dict[BridgeError, tuple[str, str]] = {
    SignedOutError("x"): ("Please sign in", "/login"),
    RefusedError("x"): ("You may not open this file", "/back"),
    NoRouteError("x"): ("This file no longer exists", "/back"),
    BadRequestError("No such mode."): ("The document could not be opened.", "/back"),
    UnreachableError("http://inner.example refused"): ("Not available right now", "/back"),
}


@pytest.mark.parametrize("error", MESSAGES, ids=lambda error: type(error).__name__)
def test_a_refusal_says_what_is_wrong_and_where_to_go(error: BridgeError) -> None:
    title, link = MESSAGES[error]
    message = message_for(error, words("en"), sign_in="/login", back="/back")
    assert (message.title, message.link) == (title, link)
    assert ("No such mode." in message.text) is isinstance(error, BadRequestError)
    assert "inner" not in message.text
    german = message_for(error, words("de"), sign_in="/login", back="/back")
    assert german.title != title
    assert german.link_text not in ("", message.link_text)
    assert message_for(error, words("en")).link == ""


def test_a_message_is_a_page_with_a_way_out() -> None:
    message = Message("You may not open this file", "Ask.", "/back?a=1&b=2", "Go back")
    read = Read(message_page(message, base="/b", language="de", framed=True, close="Schließen", request_id="r-1"))
    assert read.one("a") == {"class": "way", "href": "/back?a=1&b=2", "target": "_top"}
    assert {"You may not open this file", "Ask.", "Schließen", "r-1"} <= set(read.texts)
    assert read.one("body")["data-framed"] == "1"
    alone = Read(message_page(Message("t", "x"), base="/b", language="de", framed=False, close="Schließen"))
    assert "button" not in alone.tags()
    assert "a" not in alone.tags()


@given(text=st.text())
def test_any_message_stays_text(text: str) -> None:
    message = Message(text, text, f"/{text}", text)
    page = message_page(message, base="/b", language="en", framed=True, close=text, request_id=f"r{text}")
    plain = message_page(Message("t", "x", "/y", "z"), base="/b", language="en", framed=True, close="c", request_id="r")
    assert Read(page).tags() == Read(plain).tags()
