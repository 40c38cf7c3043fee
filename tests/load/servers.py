"""HumHub's and Docs' own calls at the bridge's legs, signed as they sign: conversions, downloads, callbacks."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt
from locust.clients import HttpSession
from locust.user import User
from requests.adapters import HTTPAdapter

from bridge.demo.person import EditorPage
from tests.load.aim import Leg
from tests.load.measuring import FailedError, answer

Message = dict[str, Any]

_LIFETIME = 300
_POLL = 0.5
_POLLS = 120


class _From(HTTPAdapter):
    """Connections from one of this machine's addresses."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


def session(leg: Leg, user: User, verify: str | bool) -> HttpSession:
    """Make the client of one leg, whose requests are in the report."""
    made = HttpSession(leg.base, request_event=user.environment.events.request, user=user)
    made.verify, made.trust_env = verify, False
    if leg.source is not None:
        made.mount("http://", _From(leg.source))
        made.mount("https://", _From(leg.source))
    return made


def signed(claims: Message, secret: str) -> str:
    """Sign claims as HumHub and Docs do, with the times that they give them."""
    now = int(time.time())
    return jwt.encode({**claims, "iat": now, "exp": now + _LIFETIME}, secret, algorithm="HS256")


def _header(leg: Leg, claims: Message) -> dict[str, str]:
    return {leg.header: f"Bearer {signed({'payload': claims}, leg.secret)}"}


@dataclass(frozen=True, slots=True)
class HumHubCalls:
    """What HumHub's module asks of Docs."""

    leg: Leg
    http: HttpSession

    def convert(self, page: EditorPage, to: str, key: str) -> str:
        """Have a document converted, asking until it is done; return where the result is."""
        fields: Message = {
            "async": True,
            "filetype": page.config["document"]["fileType"],
            "outputtype": to,
            "key": key,
            "url": page.config["document"]["url"],
        }
        for _ in range(_POLLS):
            said = self._post(f"/converter?shardKey={quote(key)}", fields, f"convert to {to}")
            if said.get("endConvert"):
                return str(said["fileUrl"])
            time.sleep(_POLL)
        raise FailedError(f"the conversion to {to} did not end in {_POLL * _POLLS:g} s")

    def fetch(self, url: str) -> bytes:
        """Fetch a result."""
        with answer(self.http.get(url, name="fetch a converted file", catch_response=True)) as found:
            if not found.content:
                raise FailedError("the file is empty")
            return bytes(found.content)

    def _post(self, path: str, fields: Message, name: str) -> Message:
        flat = {**fields, "token": signed(fields, self.leg.secret)}
        headers = {
            **_header(self.leg, flat),
            "Accept": "application/json",
            # Labelled as the module labels it.
            "Content-Type": "application/x-www-form-urlencoded",
        }
        where = f"{self.leg.base}{path}"
        with answer(self.http.post(where, json.dumps(flat), headers=headers, name=name, catch_response=True)) as found:
            said = json.loads(found.text)
            if "error" in said:
                raise FailedError(f"Docs answers {found.text[:200]}")
            return dict(said)


@dataclass(frozen=True, slots=True)
class DocsCalls:
    """What Docs asks of HumHub, for a document whose page was opened."""

    leg: Leg
    http: HttpSession
    page: EditorPage

    def download(self) -> bytes:
        """Download the document."""
        url = str(self.page.config["document"]["url"])
        headers = _header(self.leg, {"url": url})
        with answer(self.http.get(url, headers=headers, name="Docs downloads", catch_response=True)) as found:
            if not found.content.startswith(b"PK"):
                raise FailedError(f"this is no document: {found.text[:100]}")
            return bytes(found.content)

    def joined(self) -> None:
        """Say that the user joined."""
        self._call(1, {"users": [self._user], "actions": [{"type": 1, "userid": self._user}]})

    def saved(self, url: str) -> None:
        """Say that what lies at `url` is a forced save."""
        self._call(
            6,
            {
                "users": [self._user],
                "url": url,
                "filetype": "docx",
                "forcesavetype": 0,
                "lastsave": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
                "notmodified": False,
                "actions": [{"type": 2, "userid": self._user}],
            },
        )

    def left(self) -> None:
        """Say that the user left without a change."""
        self._call(4, {"actions": [{"type": 0, "userid": self._user}]})

    @property
    def _user(self) -> str:
        return str(self.page.config["editorConfig"]["user"]["id"])

    def _call(self, status: int, fields: Message) -> None:
        claims = {"key": self.page.key, "status": status, **fields}
        body = {**claims, "token": signed(claims, self.leg.secret)}
        url = str(self.page.config["editorConfig"]["callbackUrl"])
        name = f"Docs calls back, status {status}"
        headers = _header(self.leg, claims)
        with answer(self.http.post(url, json=body, headers=headers, name=name, catch_response=True)) as found:
            if json.loads(found.text) != {"error": 0}:
                raise FailedError(f"the callback was answered {found.text[:200]}")
