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

GUIDS = {
    "admin": "752cee76-b14d-4682-950b-12d7ea2b6d51",
    "alice": "a512beb9-d3ba-47c3-895f-5ff29672f9dd",
    "bobby": "d375f223-bf74-40e6-a1da-909963044b2f",
    "carol": "efded78c-96fb-4cf8-b521-3f5acf178da9",
}
GUID_OF_EXTRA, GUID_OF_SECOND = "a23ffcad-33e4-41b3-9014-910abe955a04", "c9bcc08c-af2a-475b-b2a6-761e7413af8d"
NUMBERS = {"admin": 1, "alice": 2, "bobby": 3, "carol": 4}
REST_KEY = "the rest module's key, which nobody but the rig knows: " + "x" * 64
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
    if (
        re.search("again|after-replace", exchange["name"])
        or "losing" in exchange["name"]
        or exchange["name"].startswith("21-")
    ):
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
    for username, user in hub.users.items():
        user.guid, user.number = GUIDS[username], NUMBERS[username]
    length = re.search(r"51-open-secret-len(\d+)", name)
    hub.settings = replace(
        hub.settings,
        server_url="http://docs.public.test:8701/ds",
        storage_url="http://127.0.0.1:8703",
        secret=SECRET[: int(length[1])] if length else SECRET,
        pretty_urls=":8601/" not in url,
        base_path="/hub" if ":8602/" in url else "",
        trusts_forwarded="trusted" in name,
        onlyoffice="nomod" not in name,
        tracking_code=f'<script src="{DOCS}/bridge.js"></script>' if "nomod" in name else "",
        rest_secret=REST_KEY,
        upload_limit=2_097_152,
    )
    upstream.converter = _on_upstream(next(told for part, told in CONVERTER.items() if part in name), upstream)
    upstream.command = next((told for part, told in COMMAND.items() if part in name), upstream.command)
    file = seed_file(hub, exchange)
    seed_posts(hub, exchange["name"])
    seed_space(hub, exchange)
    lent = re.search(r"Impersonate (\S+?)\"", json.dumps(exchange))
    if lent:
        hub.impersonations[lent[1]] = ("carol", int(time.time()) + 60)
    share = re.search(r"share=([0-9a-f]{50})(?!x)", json.dumps(exchange))
    if share:
        hub.shares[share[1]] = (file.guid, "edit")


def seed_posts(hub: SmallHumHub, name: str) -> None:
    """Write the posts that were there, the newest with its file and its comment."""
    numbers = (31, 32, 33, 34) if name == "8withmod-stream-ajax" else (35, 36, 37)
    for number in numbers:
        hub.add_post("admin", "a post", number=number)
    newest = hub.posts.newest_first()[0]
    if "stream" in name or name == "92-post-edit-admin":
        title = "after3.docx" if "withmod" in name else "probe.docx"
        hub.posts.attach(newest, hub.add_file(title, bytes(7726)))
    if name == "8nomod-stream-ajax":
        hub.add_post("admin", "an older post", number=34)
        hub.posts.comment(newest, "admin", "hi", [])


# By the entry's number: name, guid, and the numbers of the file and of the content.
CFILES = {
    1: ("plan-1795490620.docx", "f8c3fdec-049d-4e02-863e-5adbd9c7793a", 40, 74),
    2: ("rest-1795490681.docx", "a914e786-167c-4825-aea2-f5c0007ced56", 41, 76),
    3: ("bridge-created.docx", "f4cf2aa1-1dd1-4188-8f26-e1255a94f089", 44, 85),
    4: ("RESUME-1795491193.docx", "63fb37a8-dfe0-4642-be8c-f86639d456b0", 95, 133),
    5: ("renamed-1795491193.docx", "c260022c-603e-43b1-bac2-f9d1894a8abe", 96, 135),
    6: ("plan-1795491193.docx", "4ab7434b-1e32-455d-83e6-1268b8677132", 97, 137),
}
FOLDERS = {1: 4, 2: 5}
POSTS = {3: 10}
LAST_FILE = {"74-rest-post-upload-files": 41, "74-rest-post-upload-samename": 42}


def seed_space(hub: SmallHumHub, exchange: Exchange) -> None:
    """Put into the space's files what the recording shows there, or asks for, with the numbers that all had."""
    name, text = exchange["name"], json.dumps(exchange)
    for number in [one for one in CFILES if _has_cfile(name, text, one)]:
        title, guid, file_number, content = CFILES[number]
        file = hub.add_file(title, bytes(7736 if number == 1 else 7726), guid=guid)
        file.number = file_number
        entry = hub.cfiles.add(file)
        entry.number = file.cfile = number
        entry.content = content
        for _ in range(text.count('{"id": "version_file_')):
            hub.store.replace(file, hub.store.receive_bytes(bytes(7736)))
    hub.cfiles.entries = {entry.number: entry for entry in hub.cfiles.entries.values()}
    for number, content in FOLDERS.items():
        hub.cfiles.folders[number].content = content
    for number, content in POSTS.items():
        post = hub.posts.get(number)
        if post is not None:
            post.content = content
    if name in LAST_FILE:
        hub.store.number_from(LAST_FILE[name])


def _has_cfile(name: str, text: str, number: int) -> bool:
    """Say whether an entry was there: where it is shown, unless this is its upload, and where it is asked for."""
    if name == "60-cfiles-upload":
        return False
    if name.startswith(("60-cfiles-upload", "72-rest-files", "94-")):
        return number == 1
    return re.search(rf"file_{number}\b", text) is not None and "73-" not in name


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
    file.number = 3
    if name.startswith(("74-rest-post", "8nomod-", "8withmod-")) and "modal" not in name:
        return _seed_post_of_several(hub, file, name)
    if name != "02-create-post":
        hub.add_post(owner, "post with report.docx", [file], number=3)
    return file


def _seed_post_of_several(hub: SmallHumHub, file: HumHubFile, name: str) -> HumHubFile:
    """Give the post the files that were added to it by and by."""
    more = 0 if "upload-files" in name else 1 if name in {"74-rest-post", "74-rest-post-upload-samename"} else 2
    added = [("extra.docx", GUID_OF_EXTRA, 42), ("report.docx", GUID_OF_SECOND, 43)][:more]
    files = [file]
    for title, guid, number in added:
        files.append(hub.add_file(title, bytes(7726), guid=guid))
        files[-1].number = number
    hub.add_post("admin", "post with report.docx", files, number=3)
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
        start = f"--{boundary[1]}\r\nContent-Disposition: form-data; name="
        fields = "".join(f'{start}"{key}"\r\n\r\n{value}\r\n' for key, value in body.get("fields", {}).items())
        kind = f"Content-Type: {body['type']}\r\n" if body["type"] else ""
        head = f'{fields}{start}"{body["field"]}"; filename="{body["filename"]}"'
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
        if jwt.get_unverified_header(token)["alg"] == "HS512":
            return jwt.encode(claims, REST_KEY, algorithm="HS512")
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
    page = is_page(exchange["request"]["headers"])
    found = body_shape(content_type, body, name=exchange["name"], page=page)
    return {"status": reply.status, "headers": kept(reply.headers), "body": found}


def settle(answer: dict[str, Any], exchange: Exchange) -> dict[str, Any]:
    """Forget the guids that an answer made up, and the size of the module's own template."""
    if "-dashboard" in exchange["name"] and "hooks" in (answer["body"] or {}):
        # The small HumHub's start page has the space's form, too.
        rows = [row for row in answer["body"]["hooks"] if "contentFormBody" not in json.dumps(row)]
        answer = {**answer, "body": {**answer["body"], "hooks": rows}}
    text = fade_guids(json.dumps(answer), json.dumps(exchange["request"]))
    if re.match("14-create-doc-post|21-empty-good", exchange["name"]):
        text = re.sub(r'("(?:size|length)": |Content-Length", ")\d+', r"\1 0", text)
        text = re.sub(r'"size_format": "[^"]+"', '"size_format": "*"', text)
    if re.match("7[0-5]-", exchange["name"]):
        text = re.sub(r'"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"', '"*"', text)
        text = re.sub(r'"expires": \d+', '"expires": 0', re.sub(r"impersonated-[-\w]+", "impersonated-*", text))
    return dict(json.loads(text))
