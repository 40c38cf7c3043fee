"""Recorded requests to the real HumHub are sent to the small one, and its answers compared with the recorded ones.

`tests/data/humhub/exchanges.json` holds the recordings as data: requests, headers, JSON, the attributes and forms of
HTML, never its text. Where `BRIDGE_RECORDINGS` names the complete set, that file is checked against it too, and can
be written anew: `python tests/demo/humhub/test_replay.py RECORDINGS`.

Sessions, CSRF tokens, `doc=` hashes and JWTs can't be sent again as they were; each is replaced by a fresh one of the
same meaning: same user, same claims, as much before or after its time, sound or not. What HumHub calls is scripted.
"""

from __future__ import annotations

import base64
import collections
import gzip
import json
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import jwt
import pytest

from bridge.demo.humhub import HumHubFile, SmallHumHub, Space
from bridge.demo.humhub.formats import mime_of

if TYPE_CHECKING:
    from tests.demo.humhub.conftest import Browser, Reply, Upstream

DATA = Path(__file__).parents[2] / "data" / "humhub" / "exchanges.json"
COMPLETE = Path(os.environ.get("BRIDGE_RECORDINGS", "/nowhere")) / "humhub"

ADMIN, ALICE = "752cee76-b14d-4682-950b-12d7ea2b6d51", "a512beb9-d3ba-47c3-895f-5ff29672f9dd"
SECRET = "humhub-secret-0123456789abcdef0123456789"
DOCS = "http://127.0.0.1:8702"

NOT_REPLAYED = {
    r"33-loss-(diskfull|readonly)": "HumHub's disk failing is a fault of this stand-in, planned by a test",
    r"33-loss-huge100": "PHP runs out of memory; the small HumHub streams to disk",
    r"33-loss-dnsfail": "it would ask a name server",
    r"57-": "live updates: the small HumHub's pages ask for what they need",
    r"60-|72-|73-|94-|95-": "the cfiles module: for an integration that needs no module in HumHub, which isn't here",
    r"7[0145]-": "the rest module: for an integration that needs no module in HumHub, which isn't here",
    r"8nomod-|8withmod-": "HumHub's own pages around the module; the small HumHub has pages of its own",
    r"90-upload-toobig": "PHP's upload limit of 2 MB",
    r"93-": "comments: the small HumHub has none",
}
SKIPPED_REQUEST_HEADERS = {"User-Agent", "Cookie", "Content-Length", "X-CSRF-Token"}
SKIPPED_ANSWER_HEADERS = {"Server", "Date", "Connection", "Transfer-Encoding", "Vary"}

Exchange = dict[str, Any]


# From recordings to data


class Shape(HTMLParser):
    """What of a piece of HTML other programs look at: scripts, attributes with data, forms, what an error says."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[list[Any]] = []
        self.attributes: dict[str, str] = {}
        self.actions: set[str] = set()
        self.forms: set[str] = set()
        self.fields: set[str] = set()
        self.opens: list[str] = []
        self.heading = ""
        self.csrf = False
        self._in = ""
        self._in_error = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._in = tag
        if tag == "div":
            self._in_error = found.get("class") == "error"
        if tag == "script" and "src" in found:
            source = re.sub(r"/assets/[^/]+/", "/assets/*/", re.sub(r"\?v=\d+", "?v=*", found["src"]))
            self.scripts.append([source, "nonce" in found])
        if found.get("name") == "csrf-token":
            self.csrf = True
        if found.get("data-ui-widget", "").startswith("onlyoffice."):
            self.attributes |= {name: value for name, value in found.items() if name.startswith("data-")}
        if "onlyoffice" in found.get("data-action-url", ""):
            self.actions.add(found["data-action-url"].strip())
        if tag == "form" and re.search("onlyoffice|auth(/|%2F)login", found.get("action", "")):
            self.forms.add(found["action"])
        if re.match(r"Login\[|CreateDocument\[", found.get("name", "")):
            self.fields.add(found["name"])

    def handle_data(self, data: str) -> None:
        if self._in == "h2" and self._in_error and not self.heading:
            self.heading = data.strip()
        if self._in == "script":
            self.opens += re.findall(r'onlyoffice-modal"\)\.load\("([^"]+)"\)', data)


def shape(text: str, *, page: bool) -> dict[str, Any]:
    """Condense HTML; a whole page's scripts and forms are each HumHub's own, a fragment's are the module's."""
    seen = Shape()
    seen.feed(text)
    seen.close()
    attributes = {name: fade(value) for name, value in seen.attributes.items() if name not in VOLATILE}
    fragment = {"scripts": seen.scripts, "attributes": attributes, "actions": sorted(seen.actions)}
    rest = {"fields": sorted(seen.fields), "csrf": seen.csrf, "opens": seen.opens}
    if page:
        return {"heading": seen.heading, **rest}
    return {**fragment, "forms": sorted(seen.forms), **rest}


VOLATILE = {"data-ui-loader", "data-modal-close", "data-action-click", "data-ui-init"}
TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")


def fade(text: str) -> str:
    """Leave out what can't be the same twice: tokens' signatures and times, random names, content hashes."""
    text = TOKEN.sub(lambda found: "<" + ",".join(sorted(meaning(found[0]))) + ">", text)
    text = re.sub(r"share=[0-9a-f]{50}\b", "share=*", text)
    text = re.sub(r"hash_sha1=[0-9a-f]{8}", "hash_sha1=*", text)
    text = re.sub(r"\bts=\d+", "ts=*", text)
    return re.sub(r"with (\d+ bytes|outstanding read data) remaining( to read)?", "with * remaining", text)


def meaning(token: str) -> dict[str, Any]:
    """Read a token's claims, whatever its signature is."""
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


def fade_guids(text: str, known: str) -> str:
    """Leave out guids that the answer made up: those that weren't in the request."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-\S{22}", lambda found: found[0] if found[0] in known else "*", text)


def condense(name: str, recording: dict[str, Any], folder: Path) -> Exchange:
    """Turn one recording into data."""
    request, response = recording["request"], recording["response"]
    headers = dict(request["headers"])
    cookies = headers.get("Cookie", "")
    sent = {
        "method": request["method"],
        "url": request["url"],
        "headers": {key: value for key, value in headers.items() if key not in SKIPPED_REQUEST_HEADERS},
        "cookies": [part.split("=")[0].strip() for part in cookies.split(";") if part],
        "csrf": "X-CSRF-Token" in headers,
        "body": _sent_body(request.get("body"), folder),
    }
    got = {"status": response["status"], "headers": kept(response["headers"])}
    text = _answer_text(response, folder)
    got["body"] = body_shape(dict(response["headers"]).get("Content-Type", ""), text, page=is_page(headers))
    moment = parsedate_to_datetime(dict(response["headers"])["Date"]).timestamp()
    return {"name": name, "at": moment, "request": sent, "response": got}


def is_page(headers: dict[str, str]) -> bool:
    return headers.get("X-Requested-With") is None


def _sent_body(body: Any, folder: Path) -> Any:
    """Keep an upload as its name, type and size."""
    if isinstance(body, dict):
        body = (folder / body["file"]).read_bytes().decode("latin-1")
    found = re.match(r'--(\S+)\r\n.*?name="([^"]*)"; filename="(.*?)"\r\n(?:Content-Type: (\S+)\r\n)?\r\n', body or "")
    if not found:
        return body
    content = body[found.end() : body.rindex(f"\r\n--{found[1]}--")]
    return {"field": found[2], "filename": found[3], "type": found[4], "size": len(content)}


def _answer_text(response: dict[str, Any], folder: Path) -> bytes:
    body = response["body"]
    if isinstance(body, str):
        return body.encode()
    raw = (folder / body["file"]).read_bytes()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw


def kept(headers: Any) -> list[list[str]]:
    """List the headers that matter, without what is random in them, in no order."""
    pairs = headers.items() if hasattr(headers, "items") else headers
    rows = [[name.title(), fade_header(name.title(), value)] for name, value in pairs]
    return sorted(row for row in rows if row[0] not in {skipped.title() for skipped in SKIPPED_ANSWER_HEADERS})


def fade_header(name: str, value: str) -> str:
    if name == "Set-Cookie":
        value = re.sub(r"^(\w+)=(?!deleted)[^;]*", r"\1=*", value).replace("Max-Age=2591999", "Max-Age=2592000")
        return re.sub(r"expires=[^;]*", "expires=*", value) if "deleted" not in value else value
    if name in {"Etag", "Last-Modified"} or (name == "Expires" and "1981" not in value and value != "0"):
        return "*"
    return re.sub(r"'nonce-[^']+'", "'nonce-*'", value)


def body_shape(content_type: str, body: bytes, *, page: bool) -> Any:
    """Condense a body by its kind: JSON as it is, HTML by its shape, files by their length."""
    if not body:
        return None
    if content_type.startswith("text/html"):
        return shape(body.decode(errors="replace"), page=page)
    if content_type.startswith("application/json"):
        found = json.loads(fade(body.decode()))
        if isinstance(found, dict) and "output" in found:
            found["output"] = shape(found["output"], page=False) if "success" in found else "*"
            found |= {"id": "*"} if "id" in found else {}
        return found
    return {"length": len(body)}


def reason_not(name: str) -> str | None:
    return next((reason for pattern, reason in NOT_REPLAYED.items() if re.match(pattern, name)), None)


def read_complete(folder: Path) -> list[Exchange]:
    names = [line.split("\t")[0] for line in (folder / "INDEX.tsv").read_text().splitlines()]
    found = []
    for name in names:
        if reason_not(name):
            found.append({"name": name})
        else:
            found.append(condense(name, json.loads((folder / f"{name}.json").read_text()), folder))
    return found


def exchanges() -> list[Exchange]:
    return list(json.loads(DATA.read_text()))


# The state that a recording had


def who(exchange: Exchange) -> str | None:
    if "PHPSESSID" not in exchange["request"]["cookies"]:
        return None
    name = exchange["name"]
    if name.startswith(("40-share-guest", "40-share-bad", "40-share-getinfo")) or (
        "login" in name and "dash" not in name
    ):
        return None
    if "reader" in name:
        return "carol"
    return next(
        (user for user in ("alice", "bobby", "carol") if user in name), "bobby" if "nonmember" in name else "admin"
    )


NAMES = {
    "20-dl-specialname": "Spéc & 'q' x.docx",
    "21-": "made by rig.docx",
    "40-": "share me.docx",
    "41-convert-by-reader2": "old3.doc",
    "41-convert-by-reader": "old2.docx",
    "41-convert-get": "old2.docx",
    "41-convert-nocsrf": "old2.docx",
    "41-convert-ok": "old2.doc",
    "41-": "old.doc",
    "43-": "before.docx",
    "10-open-ajax-edit-alice-own": "Spéc & 'q' x.docx",
    "55-": "race11.docx",
    "56-": "race11.docx",
    "03-": "test.docx",
    "02-create-post": "test.docx",
}
CONVERTER = {
    "progress": {"endConvert": False, "percent": 37},
    "error0": {"error": 0},
    "convert-err": {"error": -3},
    "502": 502,
    "noend": {"endConvert": False, "percent": 50},
    "404": {"endConvert": True, "fileUrl": f"{DOCS}/status?code=404", "fileType": "docx", "percent": 100},
    "": {"endConvert": True, "fileUrl": f"{DOCS}/file/converted.bin", "fileType": "docx", "percent": 100},
}
COMMAND = {"cmderr1": {"error": 1}, "cmd502": 502}


def name_of_file(exchange: Exchange) -> str:
    return next((name for prefix, name in NAMES.items() if exchange["name"].startswith(prefix)), "report.docx")


def document_key(exchange: Exchange) -> str | None:
    """Find the document key that the recording's file had."""
    if "again" in exchange["name"] or "losing" in exchange["name"] or exchange["name"].startswith("21-"):
        return None
    text = json.dumps(exchange)
    doc = re.search(r"doc=(eyJ[\w.-]+)", text)
    if doc:
        return str(meaning(doc[1])["key"])
    found = re.search(r'key[\\"=:]+([0-9a-f]{20})', text)
    return found[1] if found else "a28961c0398d3d54d007"


def dress_up(hub: SmallHumHub, upstream: Upstream, exchange: Exchange) -> None:
    """Give the small HumHub the state in which the recording was made."""
    name, url = exchange["name"], exchange["request"]["url"]
    hub.space = Space("rig-space", "Rig Space", "e903c903-c0b6-46f5-9a8f-66356e454b18")
    hub.users["admin"].guid, hub.users["alice"].guid = ADMIN, ALICE
    length = re.search(r"51-open-secret-len(\d+)", name)
    hub.settings = replace(
        hub.settings,
        server_url="http://docs.public.test:8701/ds",
        storage_url="http://127.0.0.1:8703",
        secret=SECRET[: int(length[1])] if length else SECRET,
        pretty_urls=":8601/" not in url,
        base_path="/hub" if ":8602/" in url else "",
        trusts_forwarded="trusted" in name,
    )
    upstream.converter = _on_upstream(next(told for part, told in CONVERTER.items() if part in name), upstream)
    upstream.command = next((told for part, told in COMMAND.items() if part in name), upstream.command)
    file = seed_file(hub, exchange)
    for number in (36, 37):
        hub.add_post("admin", "a post", number=number)
    share = re.search(r"share=([0-9a-f]{50})(?!x)", json.dumps(exchange))
    if share:
        hub.shares[share[1]] = (file.guid, "edit")


def _on_upstream(told: Any, upstream: Upstream) -> Any:
    return json.loads(json.dumps(told).replace(DOCS, upstream.url))


def seed_file(hub: SmallHumHub, exchange: Exchange) -> HumHubFile:
    name = exchange["name"]
    text = json.dumps(exchange)
    guid = re.search(r"guid(?:=|%3D|%5B%5D=|List%5B%5D=)([0-9a-f-]{36})", exchange["request"]["url"] + text)
    owner = "alice" if "alice-own" in name or "specialname" in name else "admin"
    file_name = name_of_file(exchange)
    if name == "91-download-deleted":
        return hub.add_file("other.docx", b"x")
    file = hub.add_file(file_name, bytes(7726), owner=owner, guid=guid[1] if guid else None)
    file.mime = mime_of(file.extension)
    file.key = document_key(exchange)
    file.created = file.updated = _created(text, exchange["at"])
    if name != "02-create-post":
        hub.add_post(owner, "post with report.docx", [file], number=3)
    return file


def _created(text: str, at: float) -> float:
    found = re.search(r"(\d+)\\+/(\d+)\\+/26, 3:(\d+) AM", text)
    if not found:
        return int(at) - 60
    month, day, minute = map(int, found.groups())
    return time.mktime((2026, month, day, 3, minute, 0, 0, 0, 0)) - time.timezone


# Sending a recorded request


class Player:
    """Sends recorded requests with fresh cookies, tokens and hashes."""

    def __init__(self, hub: SmallHumHub, upstream: Upstream, browser: Browser, exchange: Exchange) -> None:
        self.hub, self.upstream, self.browser, self.exchange = hub, upstream, browser, exchange
        self.request = exchange["request"]

    async def play(self) -> Reply:
        path = re.sub(r"^http://[^/]+", "", self.fresh(self.request["url"]))
        return await self.browser.exactly(self.request["method"], path, self.headers(), self.body())

    def headers(self) -> dict[str, str]:
        headers = {name: self.fresh(value) for name, value in self.request["headers"].items()}
        if "If-None-Match" in headers:
            headers["If-None-Match"] = next(iter(self.hub.files.values())).etag
        if "If-Modified-Since" in headers:
            moment = next(iter(self.hub.files.values())).updated
            headers["If-Modified-Since"] = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(moment))
        if self.request["csrf"]:
            headers["X-CSRF-Token"] = self.browser.token()
        cookies = self.browser.cookies() | {"_identity": "*"}
        jar = {name: cookies[name] for name in self.request["cookies"]}
        if "_identity" in jar and self.browser.user:
            jar["_identity"] = self.hub.sessions.identity(self.browser.user)
            self.browser.session.notes["remember"] = "1"
        if jar:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in jar.items())
        return headers

    def body(self) -> bytes | None:
        body = self.request["body"]
        if body is None:
            return None
        if isinstance(body, dict):
            return self.upload(body)
        if self.request["headers"].get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            pairs = [(key, self.form_value(key, value)) for key, value in parse_qsl(body, keep_blank_values=True)]
            return urlencode(pairs).encode()
        return self.callback(body).encode()

    def form_value(self, key: str, value: str) -> str:
        return self.browser.token() if key == "_csrf" else value.replace(DOCS, self.upstream.url)

    def upload(self, body: dict[str, Any]) -> bytes:
        boundary = re.search(r"boundary=(\S+)", self.request["headers"]["Content-Type"])
        assert boundary
        kind = f"Content-Type: {body['type']}\r\n" if body["type"] else ""
        head = (
            f'--{boundary[1]}\r\nContent-Disposition: form-data; name="{body["field"]}"; filename="{body["filename"]}"'
        )
        return f"{head}\r\n{kind}\r\n{'x' * body['size']}\r\n--{boundary[1]}--\r\n".encode()

    def callback(self, body: str) -> str:
        """Point a callback's URLs at the scripted server, in its plain fields and in its token."""
        try:
            data = json.loads(body)
        except ValueError:
            return body
        return self.fresh(json.dumps(data)).replace(DOCS, self.upstream.url)

    def fresh(self, text: str) -> str:
        return TOKEN.sub(lambda found: self.fresh_token(found[0]), text)

    def fresh_token(self, token: str) -> str:
        """Make a token of the same meaning: a `doc=` hash by its claims, a JWT with its distance in time."""
        claims = meaning(token)
        if set(claims) <= {"key", "userGuid", "isEmpty"} and "exp" not in claims and claims:
            made = jwt.encode(claims, self.hub.internal_secret, algorithm="HS256")
            return made[:-4] + "xxxx" if token.endswith("xxxx") else made
        for moment in ("exp", "iat", "nbf"):
            if moment in claims:
                claims[moment] = int(claims[moment] - self.exchange["at"] + time.time())
        claims = json.loads(json.dumps(claims).replace(DOCS, self.upstream.url))
        return jwt.encode(claims, SECRET if sound(token) else "another-secret-0123456789abcdef0123", algorithm="HS256")


def sound(token: str) -> bool:
    try:
        jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    except jwt.InvalidTokenError:
        return False
    return True


def condensed_reply(reply: Reply, exchange: Exchange, upstream: Upstream) -> dict[str, Any]:
    body = gzip.decompress(reply.body) if reply.headers.get("Content-Encoding") == "gzip" else reply.body
    body = body.replace(upstream.url.encode(), DOCS.encode())
    content_type = reply.headers.get("Content-Type", "")
    found = body_shape(content_type, body, page=is_page(exchange["request"]["headers"]))
    return {"status": reply.status, "headers": kept(reply.headers), "body": found}


def settle(answer: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Forget the guids that an answer made up, and the size of the module's own template."""
    text = fade_guids(json.dumps(answer), json.dumps(exchange["request"]))
    if re.match("14-create-doc-post|21-empty-good", exchange["name"]):
        text = re.sub(r'("(?:size|length)": |Content-Length", ")\d+', r"\1 0", text)
        text = re.sub(r'"size_format": "[^"]+"', '"size_format": "*"', text)
    return dict(json.loads(text))


def diff(got: Any, want: Any, path: str = "") -> list[str]:
    """List where two answers differ, shortly."""
    if isinstance(got, dict) and isinstance(want, dict):
        names = sorted(set(got) | set(want))
        return [line for name in names for line in diff(got.get(name), want.get(name), f"{path}/{name}")]
    if path.endswith("headers") and isinstance(got, list):
        extra = [f"{path}: has {row}" for row in _more(got, want)]
        return extra + [f"{path}: lacks {row}" for row in _more(want, got)]
    return [] if got == want else [f"{path}: {got!r} for {want!r}"]


def _more(rows: list[Any], than: list[Any]) -> list[Any]:
    counted = collections.Counter(map(tuple, rows))
    counted.subtract(map(tuple, than))
    return [row for row, times in counted.items() for _ in range(times)]


REPLAYED = [exchange for exchange in exchanges() if "request" in exchange] if DATA.exists() else []


@pytest.mark.parametrize("exchange", REPLAYED, ids=lambda exchange: str(exchange["name"]))
async def test_answer_agrees_with_the_recorded_one(
    exchange: Exchange,
    hub: SmallHumHub,
    upstream: Upstream,
    browser: Callable[[str | None], Browser],
) -> None:
    dress_up(hub, upstream, exchange)
    client = browser(who(exchange))
    if not exchange["name"].startswith("12-idx"):
        client.session.nonce = "bm9uY2U="
    if "followed" in exchange["name"]:
        client.session.open_after = exchange["response"]["body"]["opens"][0]
    reply = await Player(hub, upstream, client, exchange).play()
    got = settle(condensed_reply(reply, exchange, upstream), exchange)
    want = settle(exchange["response"], exchange)
    differences = diff(got, want)
    assert not differences, "\n".join(differences)


def test_each_recording_is_replayed_or_has_a_reason() -> None:
    found = exchanges()
    counted = collections.Counter("replayed" if "request" in one else reason_not(one["name"]) for one in found)
    assert None not in counted
    assert counted["replayed"] == len(REPLAYED)
    assert counted.total() == len(found) == 229


@pytest.mark.skipif(not COMPLETE.exists(), reason="BRIDGE_RECORDINGS names no recordings")
def test_data_is_what_was_recorded() -> None:
    assert json.loads(json.dumps(read_complete(COMPLETE))) == exchanges()


if __name__ == "__main__":
    DATA.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in read_complete(Path(sys.argv[1]) / "humhub"))
    DATA.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
