"""What an editor may say on its document's socket: canonical messages about that document, with a site's URLs."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.engineio import (
    MAX_AUTH,
    AuthGuard,
    check_query,
    meaningless,
    path_key,
    screen,
    split_payload,
)
from bridge.protocol.errors import BadRequestError, BridgeError, RefusedError

KEY = "0123456789abcdef0123"
SITE = "http://bridge.docs.lan:8081/onlyoffice/backend/track?doc=abc"
FOREIGN = "http://10.0.0.1/steal"


def is_site_url(url: str, key: str) -> bool:
    assert key == KEY
    return url.startswith("http://bridge.docs.lan:8081/onlyoffice/backend/")


def guard() -> AuthGuard:
    return AuthGuard(KEY, is_site_url)


def refused(packet: str | bytes) -> bool:
    try:
        guard().check(packet)
    except RefusedError:
        return True
    return False


def token(claims: Any) -> str:
    parts = [json.dumps({"alg": "HS256"}).encode(), json.dumps(claims).encode(), b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def opening(key: str = KEY, url: str = SITE, callback: str = SITE) -> dict[str, Any]:
    return {"document": {"key": key, "url": url}, "editorConfig": {"callbackUrl": callback}, "exp": 1}


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
        "jwtOpen": token(opening()),
    }
    return message | changes


def event(message: Any, head: str = "42") -> str:
    return f"{head}{json.dumps(['message', message], ensure_ascii=False, separators=(',', ':'))}"


def command(**changes: Any) -> dict[str, Any]:
    return {"c": "open", "id": KEY, "url": SITE} | changes


SESSION = token({"document": {"key": KEY, "permissions": {}}, "editorConfig": {"ds_sessionTimeConnect": 1}})

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
    "connect with tokens": f"40{json.dumps({'data': auth(), 'token': token(opening()), 'session': None})}",
    "connect with stale data": f"40{json.dumps({'data': auth(docid='old', documentCallbackUrl=FOREIGN)})}",
    "reconnect": f"40{json.dumps({'data': auth(), 'session': SESSION})}",
    "unreadable tokens": f"40{json.dumps({'token': 'a.b.c', 'session': 7})}",
    "auth": event(auth()),
    "auth with an id": event(auth(), "427"),
    "auth again, with a session": event(auth(jwtSession=SESSION, openCmd=None)),
    "auth of a viewer": event(auth(documentCallbackUrl=None, view=True)),
    "auth with an empty callback": event(auth(documentCallbackUrl="")),
    "auth with a bad token": event(auth(jwtOpen="nonsense")),
    "auth without token": event(auth(jwtOpen=None)),
    "auth with a token of other claims": event(auth(jwtOpen=token({"exp": 1}))),
    "auth with a token of no object": event(auth(jwtOpen=token([1]))),
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
    "another key": event(auth(docid="other")),
    "no key": event({name: value for name, value in auth().items() if name != "docid"}),
    "a key of another type": event(auth(docid=[KEY])),
    "a foreign callback": event(auth(documentCallbackUrl=FOREIGN)),
    "a callback of another type": event(auth(documentCallbackUrl=[SITE])),
    "a foreign download": event(auth(openCmd=command(url=FOREIGN))),
    "another key to open": event(auth(openCmd=command(id="other"))),
    "a command of another type": event(auth(openCmd=[command()])),
    "a token for another key": event(auth(jwtOpen=token(opening(key="other")))),
    "a token with a null key": event(auth(jwtOpen=token({"document": {"key": None}}))),
    "a token with a foreign download": event(auth(jwtOpen=token(opening(url=FOREIGN)))),
    "a token with a foreign callback": event(auth(jwtOpen=token(opening(callback=FOREIGN)))),
    "a session of another key": event(auth(jwtSession=token({"document": {"key": "other"}}))),
    "a version of another key": event(auth(jwtOpen=token({"key": "other", "version": 1, "url": SITE}))),
    "a version from elsewhere": event(auth(jwtOpen=token({"key": KEY, "version": 1, "url": FOREIGN}))),
    "a previous version's key": event(auth(jwtOpen=token({"key": KEY, "previous": {"key": "other", "url": SITE}}))),
    "a plain foreign callback beside a session": event(auth(jwtSession=SESSION, documentCallbackUrl=FOREIGN)),
    "a connect for another key": f"40{json.dumps({'token': token(opening(key='other'))})}",
    "a connect with another session": f"40{json.dumps({'session': token({'document': {'key': 'other'}})})}",
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


def test_a_refusal_tells_the_log_and_not_the_client() -> None:
    with pytest.raises(RefusedError) as caught:
        guard().check(REFUSED["a foreign callback"])
    assert caught.value.details["key"] == KEY
    assert FOREIGN in caught.value.details["url"]
    assert "http" not in caught.value.message


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


@pytest.mark.parametrize("url", [FOREIGN, "//10.0.0.1/x", "file:///etc/passwd", "x", " ", "javascript:1", SITE[1:]])
@pytest.mark.parametrize("field", ["documentCallbackUrl", "openCmd", "jwtOpen.url", "jwtOpen.callback"])
def test_a_foreign_url_is_refused_wherever_it_stands(field: str, url: str) -> None:
    message = {
        "documentCallbackUrl": auth(documentCallbackUrl=url),
        "openCmd": auth(openCmd=command(url=url)),
        "jwtOpen.url": auth(jwtOpen=token(opening(url=url))),
        "jwtOpen.callback": auth(jwtOpen=token(opening(callback=url))),
    }[field]
    assert refused(event(message))


def test_a_predicate_that_can_not_read_a_url_says_no() -> None:
    def malformed(_url: str, _key: str) -> bool:
        raise BadRequestError("malformed")

    with pytest.raises(RefusedError):
        AuthGuard(KEY, malformed).check(event(auth()))


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
    refused(event(auth(jwtOpen=token(body))))


@given(st.binary())
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    for head in (b"", b"4", b"40{", b"42[", b'42["auth",'):
        refused(head + raw)


def test_a_polling_body_is_taken_apart() -> None:
    assert split_payload(b"2\x1e42[]\x1e") == [b"2", b"42[]", b""]


def test_a_sound_polling_body_stays_as_it_is() -> None:
    body = "\x1e".join([PASSES["connect with tokens"], PASSES["auth"], "2"]).encode()
    assert screen(guard(), body).body is body
    assert screen(guard(), body).refused is None


def test_a_refused_packet_is_replaced_by_one_that_docs_refuses_itself() -> None:
    for name, start in (("a connect for another key", b"40"), ("another key", b"42"), ("nothing", b"42")):
        screened = screen(guard(), "\x1e".join(["2", REFUSED[name], PASSES["auth"]]).encode())
        assert screened.refused is not None
        assert screened.body == b"2\x1e" + meaningless(REFUSED[name].encode())
        assert screened.body[2:4] == start
        assert b"docid" not in screened.body


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
    ],
)
def test_another_protocol_is_refused(query: str) -> None:
    with pytest.raises(BridgeError) as caught:
        check_query(query)
    assert isinstance(caught.value, RefusedError | BadRequestError)
