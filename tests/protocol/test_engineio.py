"""What an editor may say on its document's socket: canonical messages about that document, with a site's URLs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.engineio import (
    MAX_AUTH,
    check_query,
    meaningless,
    pass_packet,
    pass_payload,
    path_key,
    session_id,
    split_payload,
)
from bridge.protocol.errors import BadRequestError, BridgeError, RefusedError

KEY = "0123456789abcdef0123"
SITE = "http://bridge.docs.lan:8081/onlyoffice/backend/track?doc=abc"
FOREIGN = "http://10.0.0.1/steal"


class Gate:
    """A checkpoint that refuses another key and the foreign address, and marks what it lets pass."""

    def __init__(self, **mark: Any) -> None:
        self.mark = mark
        self.errors: list[BridgeError] = []
        self.seen: list[Any] = []

    def connect(self, message: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(message)
        if message.get("token") == FOREIGN:
            raise RefusedError("foreign")
        return {**message, **self.mark}

    def auth(self, message: dict[str, Any]) -> dict[str, Any]:
        self.seen.append(message)
        if message.get("docid") != KEY or message.get("documentCallbackUrl") == FOREIGN:
            raise RefusedError("foreign")
        if message.get("openCmd") is not None:
            self.command(message["openCmd"])
        return {**message, **self.mark}

    def command(self, message: Any) -> dict[str, Any]:
        if not isinstance(message, dict) or message.get("id") != KEY or message.get("url") == FOREIGN:
            raise RefusedError("foreign")
        return {**message, **self.mark}

    def refused(self, error: BridgeError) -> None:
        self.errors.append(error)


def refused(packet: str | bytes) -> bool:
    gate, raw = Gate(), packet.encode("utf-8", "surrogatepass") if isinstance(packet, str) else packet
    passed = pass_packet(gate, raw)
    assert passed.data == (meaningless(raw) if gate.errors else raw)
    return bool(gate.errors)


def auth(**changes: Any) -> dict[str, Any]:
    message = {
        "type": "auth",
        "docid": KEY,
        "documentCallbackUrl": SITE,
        "token": "fghhfgsjdgfjs",
        "user": {"id": "u1", "username": "Ann"},
        "editorType": 0,
        "lastOtherSaveTime": -1,
        "block": [],
        "sessionId": None,
        "view": False,
        "permissions": {"edit": True},
        "openCmd": {"c": "open", "id": KEY, "userid": "u1", "format": "docx", "url": SITE, "title": "ü.docx"},
        "mode": "edit",
        "jwtOpen": "to.k.en",
    }
    return message | changes


def event(message: Any, head: str = "42") -> str:
    return f"{head}{json.dumps(['message', message], ensure_ascii=False, separators=(',', ':'))}"


def command(**changes: Any) -> dict[str, Any]:
    return {"c": "open", "id": KEY, "url": SITE} | changes


PASSES = {
    "ping": "2",
    "pong": "3",
    "probe": "2probe",
    "upgrade": "5",
    "close": "1",
    "empty": "",
    "attachment": "bAAEC",
    "disconnect": "41",
    "connect": "40",
    "connect with tokens": '40{"data":{"docid":"other"},"token":"a.b.c","session":null}',
    "auth": event(auth()),
    "auth with an id": event(auth(), "427"),
    "cursor": event({"type": "cursor", "cursor": "8;1"}),
    "chat about auth": event({"type": "message", "message": 'say "auth", \\u0061 and "openDocument" "open"'}),
    "chat of one word": event({"type": "message", "message": "auth"}),
    "an event that isn't a message": '42["other",{"type":"auth","docid":"x"}]',
    "an event without arguments": '42["auth"]',
    "acknowledgement": "430[]",
    "binary acknowledgement": '461-0[{"_placeholder":true,"num":0}]',
    "binary changes": '451-["message",{"type":"saveChanges","changes":{"_placeholder":true,"num":0}}]',
    "reopened with a password": event({"type": "openDocument", "message": command(c="reopen", password="x")}),
    "pasted pictures": event({"type": "openDocument", "message": {"c": "imgurls", "id": KEY, "data": [FOREIGN]}}),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_the_editor_says_passes(name: str) -> None:
    assert not refused(PASSES[name])
    assert not refused(PASSES[name].encode())


REFUSED = {
    "a foreign connect": f'40{{"token":"{FOREIGN}"}}',
    "an infinite number": event(auth()).replace("-1", "1e999"),
    "no number": event(auth()).replace("-1", "NaN"),
    "another key": event(auth(docid="other")),
    "no key": event({name: value for name, value in auth().items() if name != "docid"}),
    "a foreign callback": event(auth(documentCallbackUrl=FOREIGN)),
    "a foreign download": event(auth(openCmd=command(url=FOREIGN))),
    "another key to open": event(auth(openCmd=command(id="other"))),
    "a command of another type": event(auth(openCmd=[command()])),
    "an acknowledged foreign auth": event(auth(docid="other"), "421"),
    "an auth with attachments": event(auth(), "451-"),
    "an auth with no attachments": event(auth(), "450-"),
    "an opened foreign document": event({"type": "openDocument", "message": command(url=FOREIGN)}),
    "a reopened other key": event({"type": "openDocument", "message": command(c="reopen", id="other")}),
    "a third argument": f'42["message",{json.dumps(auth(docid="x"))},1]',
    # Not canonical: what Docs' parser takes, and no client writes.
    "nothing": "4",
    "a name space": "40/,{}",
    "another name space": "40/x",
    "a name space before an event": "42/,[]",
    "a blank for a connect": "4 {}",
    "a tab for a connect": "4\t{}",
    "a blank for an id": "42 []",
    "a blank after the connect": "40 {}",
    "a connect that is no object": "40[]",
    "a connect with a tail": "40{}x",
    "a disconnect with a tail": "41{}",
    "an error": "44{}",
    "an unknown type": "49[]",
    "attachments of no number": "45-[]",
    "attachments of a blank": "45 1-[]",
    "attachments in hexadecimal": "450x1-[]",
    "an id without end": "42" + "1" * 40 + "[]",
    "an object for an event": "42{}",
    "a key twice": event(auth())[:-2] + f',"docid":"{KEY}"}}]',
    "a type twice": event({"type": "cursor"})[:-2] + ',"type":"auth","docid":"x"}]',
    "a key twice in a connect": '40{"token":"","token":""}',
    "an escaped type": event(auth(docid="x")).replace('"auth"', '"\\u0061uth"'),
    "an escaped name": event(auth(docid="x")).replace('"type"', '"\\u0074ype"'),
    "an escaped event": event(auth(docid="x")).replace('"message"', '"mess\\u0061ge"'),
    "an escaped url": event(auth(documentCallbackUrl="@")).replace("@", FOREIGN.replace("/", "\\/")),
    "no JSON": '42["message",{"type":"auth"}',
    "a comment": '42["message",{"type":"auth"}]//',
    "too deep": '42["auth",' + "[" * 100_000,
    "too large a number": '42["auth",' + "1" * 5000 + "]",
    "too long": event(auth(pad="x" * MAX_AUTH)),
    "too long a connect": f'40{{"data":"{"x" * MAX_AUTH}"}}',
    "too long, escaped": event({"pad": "x" * MAX_AUTH, "type": "@"}).replace("@", "\\u0061uth"),
    "too long a command": event({"type": "openDocument", "message": command(pad="x" * MAX_AUTH)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_opens_another_document_or_is_not_canonical_is_refused(name: str) -> None:
    assert refused(REFUSED[name])
    assert refused(REFUSED[name].encode())


def test_an_auth_that_is_no_text_is_refused() -> None:
    assert refused(event(auth()).encode().replace("ü".encode(), b"\xfc"))


@pytest.mark.parametrize("size", [1_000, 20_000_000])
def test_a_message_that_can_not_be_an_auth_costs_little(size: int) -> None:
    part = json.dumps(json.dumps(['x "auth" ' + chr(1) + chr(92) + "u0061"]))[1:-1]
    changes = f'"{part * (size // len(part))}"'
    packet = f'42["message",{{"type":"saveChanges","changes":{changes}}}]'.encode()
    begun = time.process_time()
    assert not refused(packet)
    assert time.process_time() - begun < 0.5


def escapes(text: str) -> st.SearchStrategy[str]:
    """Every spelling that JSON has for a text: each letter as itself or as one of its escapes."""
    spellings = [
        st.sampled_from([letter, f"\\u{ord(letter):04x}", f"\\u{ord(letter):04X}", *(["\\/"] if letter == "/" else [])])
        for letter in text
    ]
    return st.tuples(*spellings).map("".join)


HEADS = st.sampled_from(["42", "421", "42007", "450-", "451-", "4512-3", "42/,", "42 ", "4 2", "42/a,1"])
BLANKS = st.text(" \t\n\r", max_size=2)


@given(
    HEADS,
    escapes("message"),
    escapes("type"),
    escapes("auth"),
    escapes("documentCallbackUrl"),
    escapes(FOREIGN),
    BLANKS,
)
def test_no_spelling_of_a_foreign_url_passes(  # noqa: PLR0917
    head: str, name: str, kind: str, value: str, field: str, url: str, blank: str
) -> None:
    packet = (
        f'{head}[{blank}"{name}",{blank}{{"docid":"{KEY}",{blank}"{kind}"{blank}:{blank}"{value}"{blank},'
        f'"{field}":{blank}"{url}"{blank}}}]'
    )
    assert refused(packet)
    assert refused(packet.encode())


@given(escapes("docid"), escapes("other"), escapes("auth"))
def test_no_spelling_of_another_key_passes(field: str, key: str, kind: str) -> None:
    assert refused(f'42["message",{{"type":"{kind}","docid":"{KEY}","{field}":"{key}"}}]')
    assert refused(f'42["message",{{"type":"{kind}","{field}":"{key}"}}]')


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["auth", "message", KEY, SITE]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "docid", "openCmd", "url", "id", "jwtOpen", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.sampled_from(["", "4", "40", "41", "42", "421", "43", "45", "451-", "46", "b", "2"]), JSON | st.text())
def test_no_message_raises_anything_else(head: str, body: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    for packet in (head + text, f'{head}["message",{text}]', f'{head}["message",{{"type":"auth","openCmd":{text}}}]'):
        refused(packet)
    refused(f'40{{"token":{text}}}')


@given(st.binary())
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    for head in (b"", b"4", b"40{", b"42[", b'42["auth",'):
        refused(head + raw)


def test_a_polling_body_is_taken_apart() -> None:
    assert split_payload(b"2\x1e42[]\x1e") == [b"2", b"42[]", b""]


def test_a_sound_polling_body_stays_as_it_is() -> None:
    body = "\x1e".join([PASSES["connect with tokens"], PASSES["auth"], "2"]).encode()
    assert pass_payload(Gate(), body).data == body
    assert pass_payload(Gate(), body).opens
    assert not pass_payload(Gate(), b"2\x1e3").opens


def test_a_refused_packet_is_replaced_by_one_that_docs_refuses_itself() -> None:
    for name, start in (("a foreign connect", b"40"), ("another key", b"42"), ("nothing", b"42")):
        gate = Gate()
        passed = pass_payload(gate, "\x1e".join(["2", REFUSED[name], PASSES["auth"]]).encode())
        assert len(gate.errors) == 1
        assert passed.data == b"2\x1e" + meaningless(REFUSED[name].encode())
        assert passed.data[2:4] == start
        assert b"docid" not in passed.data


@pytest.mark.parametrize("head", ["40", "42", "4217"])
def test_a_changed_message_keeps_its_head_and_all_other_fields(head: str) -> None:
    gate, more = Gate(mark="\ud83d"), {"x": [1.5, None, "\ud800", 10**30]}
    message = {"more": more} if head == "40" else ["message", auth(more=more, openCmd=None)]
    passed = pass_packet(gate, f"{head}{json.dumps(message)}".encode())
    assert passed.data.startswith(head.encode())
    sent = json.loads(passed.data[len(head) :])
    assert (sent if head == "40" else sent[1]) == {**gate.seen[0], "mark": "\ud83d"}
    assert gate.seen[0]["more"] == more
    assert not gate.errors


def test_the_session_that_docs_opens_is_found() -> None:
    assert session_id(b'0{"sid":"lv_VI97","upgrades":["websocket"],"pingInterval":25000}') == "lv_VI97"
    assert session_id(b'0{"sid":"a"}\x1e40{"sid":"b"}') == "a"
    for other in (b"", b"2", b"0{", b'0{"sid":7}', b"0[]", b'{"code":1,"message":"Session ID unknown"}'):
        assert session_id(other) is None


@pytest.mark.parametrize(
    ("path", "key"),
    [
        (f"/doc/{KEY}/c/", KEY),
        (f"/9.3.1-abc/doc/{KEY}/c/", KEY),
        ("/doc/A-b._=9/c/", "A-b._=9"),
        *((path, None) for path in (f"/doc/{KEY}/c", f"/doc/{KEY}", f"/doc/{KEY}/c/x", f"/x/doc/{KEY}/c/", "/doc//c/")),
        *((path, None) for path in ("/doc/../c/", "/doc/./c/", "/doc/a%20b/c/", "/doc/%41/c/", "/doc/a/b/c/", "", "/")),
        *(
            (path, None)
            for path in (f"//doc/{KEY}/c/", f"/doc/{KEY}/c/\n", f"/DOC/{KEY}/c/", "/doc/" + "a" * 129 + "/c/")
        ),
    ],
)
def test_the_path_names_the_key(path: str, key: str | None) -> None:
    assert path_key(path) == key


@pytest.mark.parametrize(
    "query", ["EIO=4&transport=websocket", "shardkey=x&EIO=4&transport=polling&t=abc&sid=y", "EIO=4&transport=polling&"]
)
def test_the_editors_query_passes(query: str) -> None:
    check_query(query)


@pytest.mark.parametrize(
    "query",
    [
        *("", "EIO=4", "transport=polling", "EIO=3&transport=polling", "EIO=4&EIO=3&transport=polling"),
        *(
            "EIO=4&transport=polling&j=0",
            "%6a=0&EIO=4&transport=polling",
            "EIO=4&transport=polling&j",
            "EIO=4&transport=x",
        ),
        *("EIO=4&transport=polling&transport=websocket", "EIO=4&transport=polling&j=1&j=2"),
        "EIO=4&transport=polling&sid=a&sid=b",
    ],
)
def test_another_protocol_is_refused(query: str) -> None:
    with pytest.raises(BridgeError) as caught:
        check_query(query)
    assert isinstance(caught.value, RefusedError | BadRequestError)
