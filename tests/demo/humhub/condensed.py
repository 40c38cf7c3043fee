"""Recordings of the real HumHub, condensed to data: what other programs look at, and nothing of its text.

`tests/data/humhub/exchanges.json` holds them: requests, headers, JSON, the attributes and forms of HTML. It is written
anew by `python -m tests.demo.humhub.condensed RECORDINGS`.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.demo.humhub.hooks import hooks

DATA = Path(__file__).parents[2] / "data" / "humhub" / "exchanges.json"

NOT_REPLAYED = {
    r"33-loss-(diskfull|readonly)": "HumHub's disk failing is a fault of this stand-in, planned by a test",
    r"33-loss-huge100": "PHP runs out of memory; the small HumHub streams to disk",
    r"33-loss-dnsfail": "it would ask a name server",
    r"57-": "live updates: the small HumHub's pages ask for what they need",
}
SKIPPED_REQUEST_HEADERS = {"User-Agent", "Cookie", "Content-Length", "X-CSRF-Token"}
SKIPPED_ANSWER_HEADERS = {"Server", "Date", "Connection", "Transfer-Encoding", "Vary"}

# Pages that an integration without the module holds on to: their hooks are compared.
HOOKED = re.compile(r"60-cfiles-|8nomod-|8withmod-|92-post-edit-admin|93-|94-|95-")

Exchange = dict[str, Any]


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
    response_text = _answer_text(response, folder)
    sent = {
        "method": request["method"],
        "url": request["url"],
        "headers": {key: value for key, value in headers.items() if key not in SKIPPED_REQUEST_HEADERS},
        "cookies": [part.split("=")[0].strip() for part in cookies.split(";") if part],
        "csrf": "X-CSRF-Token" in headers,
        "body": _sent_body(request.get("body"), folder, response_text),
    }
    got = {"status": response["status"], "headers": kept(response["headers"])}
    kind = dict(response["headers"]).get("Content-Type", "")
    got["body"] = body_shape(kind, response_text, name=name, page=is_page(headers))
    moment = parsedate_to_datetime(dict(response["headers"])["Date"]).timestamp()
    return {"name": name, "at": moment, "request": sent, "response": got}


def is_page(headers: dict[str, str]) -> bool:
    return headers.get("X-Requested-With") is None


def _sent_body(body: Any, folder: Path, answer: bytes) -> Any:
    """Keep an upload as its fields, and its file's name, type and size."""
    if isinstance(body, dict):
        if not (folder / body["file"]).exists():
            return _too_large(json.loads(answer)["files"][0])
        body = (folder / body["file"]).read_bytes().decode("latin-1")
    if not (body or "").startswith("--"):
        return body
    boundary, _, rest = body.partition("\r\n")
    kept: dict[str, Any] = {}
    for part in rest.split(f"\r\n{boundary}"):
        head, _, content = part.removeprefix("\r\n").partition("\r\n\r\n")
        named = re.search(r'name="([^"]*)"(?:; filename="(.*)")?', head)
        if named and named[2] is None:
            kept.setdefault("fields", {})[named[1]] = content
        elif named:
            kind = re.search(r"Content-Type: (\S+)", head)
            kept |= {"field": named[1], "filename": named[2], "type": kind and kind[1], "size": len(content)}
    return kept


def _too_large(refused: dict[str, Any]) -> dict[str, Any]:
    """Tell what was sent by what was refused; the body itself isn't among the recordings."""
    return {"field": "files[]", "filename": refused["name"], "type": None, "size": int(refused["size"])}


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


def body_shape(content_type: str, body: bytes, *, name: str, page: bool) -> Any:
    """Condense a body by its kind: JSON as it is, HTML by its shape or its hooks, files by their length."""
    if not body:
        return None
    if content_type.startswith("text/html"):
        return _html_shape(body.decode(errors="replace"), name, page=page)
    if not content_type.startswith("application/json"):
        return {"length": len(body)}
    if HOOKED.match(name):
        return _hooked_json(json.loads(body))
    found = json.loads(fade(body.decode()))
    if isinstance(found, dict) and "output" in found:
        found["output"] = shape(found["output"], page=False) if "success" in found else "*"
        found |= {"id": "*"} if "id" in found else {}
    return found


def _html_shape(text: str, name: str, *, page: bool) -> Any:
    return faded(hooks(text)) if HOOKED.match(name) else shape(text, page=page)


def _hooked_json(found: dict[str, Any]) -> Any:
    """Condense JSON that holds HTML: lists of files, and a stream's posts without its other entries."""
    if "fileList" in found:
        found["fileList"] = hooks(found["fileList"])
    if "content" in found:
        outputs = [found["content"][str(number)]["output"] for number in found["contentOrder"]]
        keys = sorted(found["content"][str(found["contentOrder"][0])])
        posts = [hooks(output) for output in outputs if "wall_humhubmodulespostmodelsPost_" in output]
        found |= {"content": posts[0]["hooks"], "entry": keys, "contentOrder": "*", "lastContentId": "*"}
    return faded(found)


def faded(value: Any) -> Any:
    """Leave out, beyond what `fade` does, the numbers that content has and the ids that widgets get."""
    text = fade(json.dumps(value, ensure_ascii=False))
    text = re.sub(r'("(?:data-content-key|image)": ")[^"]+', r"\1*", text)
    text = re.sub(r"(contentId=|old-|version_file_|version=)\d+", r"\1*", text)
    return json.loads(re.sub(r'("data-cfiles-content": ")\d+', r"\1*", text))


def reason_not(name: str) -> str | None:
    return next((reason for pattern, reason in NOT_REPLAYED.items() if re.match(pattern, name)), None)


def read_complete(folder: Path) -> list[Exchange]:
    names = sorted(path.stem for path in folder.glob("*.json") if "." not in path.stem and path.stem[0].isdigit())
    found = []
    for name in names:
        if reason_not(name):
            found.append({"name": name})
        else:
            found.append(condense(name, json.loads((folder / f"{name}.json").read_text()), folder))
    return found


def exchanges() -> list[Exchange]:
    return list(json.loads(DATA.read_text()))


if __name__ == "__main__":
    DATA.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in read_complete(Path(sys.argv[1]) / "humhub"))
    DATA.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
