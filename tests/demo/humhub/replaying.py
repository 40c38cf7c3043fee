"""Sending recorded requests again, in the state that the recording had, and reading what comes back.

Sessions, CSRF tokens, `doc=` hashes and JWTs can't be sent again as they were; each is replaced by a fresh one of the
same meaning: same user, same claims, as much before or after its time, sound or not. What HumHub calls is scripted.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt

from bridge.demo.humhub import HumHubFile, SmallHumHub, Space
from bridge.demo.humhub.formats import mime_of
from tests.demo.humhub.condensed import TOKEN, Exchange, body_shape, fade_guids, is_page, kept, meaning
from tests.demo.humhub.rig import Browser, Reply, Upstream

ADMIN, ALICE = "752cee76-b14d-4682-950b-12d7ea2b6d51", "a512beb9-d3ba-47c3-895f-5ff29672f9dd"
SECRET = "humhub-secret-0123456789abcdef0123456789"
DOCS = "http://127.0.0.1:8702"


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
