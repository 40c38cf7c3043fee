"""Recorded calls to Docs, as HumHub sends them to the humhub leg: signed by HumHub, in the way of its module."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import jwt

from tests.flows.recorded import HUMHUB_STORAGE, STORAGES, Json
from tests.flows.stage import Stage, answering, doc_of, files_of_docs, signed_anew
from tests.legs.fakes import HUMHUB_SECRET

_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
_FILE_URL = re.compile("<FileUrl>([^<]+)</FileUrl>")
_MODULE = {"Content-Type": "application/x-www-form-urlencoded"}
_NOT_PASSED = ("authorization", "content-type", "host", "content-length")


def on_site(message: Json) -> Json:
    """Give a message whose file, where it is one of the recording storage, is a document of HumHub."""
    url = message.get("url")
    if isinstance(url, str) and url.startswith(tuple(f"{storage}/file/" for storage in STORAGES)):
        return {**message, "url": document_of(message.get("key"))}
    payload = message.get("payload")
    return {**message, "payload": on_site(payload)} if isinstance(payload, dict) else message


def document_of(key: Any) -> str:
    return f"{HUMHUB_STORAGE}/onlyoffice/backend/download?doc={doc_of(key)}"


def time_of(exchange: Json) -> int:
    """Give when a call was made: its token's time, or its answer's."""
    token = _TOKEN.search(json.dumps(exchange["request"]))
    if token is not None:
        return int(jwt.decode(token[0], options={"verify_signature": False})["iat"])
    date = dict(exchange["response"]["headers"]).get("Date")
    return int(parsedate_to_datetime(date).timestamp()) if date else 1_795_490_000


def sending(name: str, exchange: Json, **instead: Any) -> Json:
    """Give the options of the request that HumHub sends in place of a recorded one.

    Recordings about tokens keep theirs where they are, signed by HumHub; ``instead`` replaces fields of the message.
    """
    request, now = exchange["request"], time_of(exchange)
    recorded = {key: value for key, value in request["headers"].items() if key.lower() not in _NOT_PASSED}
    fields = request["body"]
    if not isinstance(fields, dict):
        return {"headers": {**recorded, **_MODULE}, "data": request.get("raw") or None}
    if "-jwt-" in name:
        authorization = {key: _by_humhub(value) for key, value in request["headers"].items() if key == "Authorization"}
        token = {"token": _by_humhub(fields["token"])} if "token" in fields else {}
        return {"headers": {**recorded, **_MODULE, **authorization}, "data": json.dumps({**on_site(fields), **token})}
    message = on_site({key: value for key, value in fields.items() if key != "token"}) | instead
    flat = jwt.encode({**message, "exp": now + 300}, HUMHUB_SECRET)
    wrapped = jwt.encode({"payload": message, "exp": now + 300}, HUMHUB_SECRET)
    headers = {**recorded, **_MODULE, "Authorization": f"Bearer {wrapped}"}
    return {"headers": headers, "data": json.dumps({**message, "token": flat})}


def _by_humhub(text: str) -> str:
    return _TOKEN.sub(lambda found: signed_anew(found[0], HUMHUB_SECRET, on_site), text)


async def call(stage: Stage, name: str, exchange: Json, **instead: Any) -> Json:
    """Send a recorded call, answer it as Docs did, and fetch the file that the answer names."""
    stage.clock[0] = float(time_of(exchange))
    request = exchange["request"]
    # A HEAD was answered without a body; the bridge asks with GET.
    body = b"true" if request["path"] == "/healthcheck" else None
    stage.bridge.docs.answers(answering(_in_json(exchange["response"]), body))
    path = re.sub(_TOKEN, lambda found: _by_humhub(found[0]), request["path"])
    said = await stage.ask("humhub", path, request["method"], **sending(name, exchange, **instead))
    _hold_to_the_law(stage)
    happened = {"to docs": stage.to_docs(), "humhub hears": said}
    url = _file_of(said.get("body"))
    if url is not None:
        stage.bridge.docs.answers(files_of_docs)
        got = await stage.pull(url)
        assert got["status"] == 200, "HumHub can't fetch what the answer names"
        happened["humhub fetches"] = {"to docs": stage.to_docs(), "gets": got}
    return happened


def _file_of(body: Any) -> str | None:
    """Give the file that an answer names, in JSON or XML."""
    if isinstance(body, dict):
        return body.get("fileUrl") or body.get("url")
    named = _FILE_URL.search(body) if isinstance(body, str) else None
    return unescape(named[1]) if named else None


def _in_json(response: Json) -> Json:
    """Give what Docs would have answered had it been asked for JSON, as the bridge always does."""
    if not str(response.get("body")).startswith("<?xml"):
        return response
    said = {element.tag: element.text for element in ET.fromstring(response["body"])}
    fields = {
        "fileUrl": said["FileUrl"],
        "fileType": said["FileType"],
        "percent": int(said["Percent"] or 0),
        "endConvert": said["EndConvert"] == "True",
    }
    headers = [[name, value.replace("text/xml", "application/json")] for name, value in response["headers"]]
    return {**response, "body": json.dumps(fields), "headers": headers}


def as_docs_would(stage: Stage, response: Json) -> Json:
    """Give Docs' own recorded answer to a conversion, its file on the humhub leg."""
    text = re.sub(r'https?://[^"<]*?(?=/cache/files/)', f"{stage.humhub_url}/s/social", response["body"])
    label = {name.lower(): value for name, value in response["headers"]}["content-type"]
    body = json.loads(text) if text.startswith("{") else text
    return {"status": response["status"], "body": body, "headers": {"Content-Type": label}}


def _hold_to_the_law(stage: Stage) -> None:
    """See what must hold for each call that goes on: Docs reaches every address in it, and both tokens say the same."""
    for seen in stage.bridge.docs.seen:
        text = seen.body.decode()
        assert not any(address in text for address in (*STORAGES, HUMHUB_STORAGE))
        assert not any(name.lower().startswith("x-forwarded") for name in seen.headers)
        if text:
            message = json.loads(text)
            token = jwt.decode(message.pop("token"), options={"verify_signature": False})
            header = jwt.decode(seen.headers[stage.docs.header][7:], options={"verify_signature": False})
            times = {"iat": int(stage.clock[0]), "exp": int(stage.clock[0]) + 300}
            assert token == {**message, **times}
            assert header == {"payload": message, **times}
