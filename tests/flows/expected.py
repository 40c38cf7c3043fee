"""What is expected of the bridge for each recorded exchange: in what form it is stored, compared and written anew.

`tests/data/expectations` has one file a kind: names of recordings, and for each what the other side got and what the
caller heard; the name of another recording where that is the same. `pytest tests/flows --write-expectations` writes
what the bridge does now: a person reads the difference before it is believed. No other test run writes anything.

What is another one each time is shown by a word in brackets, and what a token repeats of its message as well.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt

from tests.flows.recorded import DATA, IS_COMPLETE, Json
from tests.legs.fakes import Seen

EXPECTATIONS = DATA / "expectations"

_WIDTH = 120
# Longer lists, such as a long history, are stored by their digest; tests compare them whole with what was sent.
_MANY = 12
_UNSTEADY = ("date", "server", "user-agent", "connection", "keep-alive", "content-length")
_NO_TIMES: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}


@dataclass(frozen=True)
class Party:
    """Who got a request: by which secret and header it reads tokens, and by which authority it was called."""

    secret: str
    header: str = "Authorization"
    authority: str = ""


def shown(seen: Seen, party: Party) -> Json:
    """Give a request as ``party`` got it, its tokens read with that party's own secret."""
    text = seen.body.decode("utf-8", "replace")
    message: Any = json.loads(text) if text.startswith("{") else text
    told: Any = None
    if isinstance(message, dict):
        told = {name: value for name, value in message.items() if name != "token"}
        if "token" in message:
            message = {**told, "token": _told(_read(message["token"], party), told)}
    headers = {}
    for name, value in sorted(seen.headers.items()):
        if name.lower() in _UNSTEADY or (name == "Authorization" and party.header != "Authorization"):
            assert name != "Authorization", "a token went into a header that this party doesn't read"
            continue
        bearer = name.lower() == party.header.lower() and value.startswith("Bearer ")
        shown_name = "Authorization" if bearer else name
        headers[shown_name] = {"Bearer": _told(_read(value[7:], party), told)} if bearer else _steady(name, value)
    if party.authority:
        headers = {name: "(upstream)" if value == party.authority else value for name, value in headers.items()}
    found: Json = masked({"method": seen.method, "target": seen.target, "headers": headers})
    return found | ({"message": masked(message)} if message else {})


def _steady(name: str, value: str) -> str:
    return "(id)" if name.lower() == "x-request-id" else value


def _read(token: Any, party: Party) -> Any:
    try:
        return jwt.decode(token, party.secret, algorithms=["HS256"], options=_NO_TIMES)
    except jwt.InvalidTokenError as error:
        raise AssertionError(f"a token does not hold for the party that got it: {error}") from error


def _told(claims: Any, message: Any) -> Any:
    """Leave out of a token's claims what they repeat of the message."""
    times = {name: claims[name] for name in ("iat", "nbf", "exp") if name in claims}
    rest = {name: value for name, value in claims.items() if name not in times}
    if rest and rest == message:
        return {"(the message)": "flat", **times}
    if rest.keys() == {"payload"} and rest["payload"] == message:
        return {"(the message)": "payload", **times}
    return claims


def masked(value: Any) -> Any:
    """Replace capabilities and HumHub's own hashes by what they are for."""
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        many = len(value) > _MANY
        return f"({len(value)} of them, {digest(json.dumps(value).encode())})" if many else [masked(i) for i in value]
    if isinstance(value, str):
        value = re.sub(r"/file/ey[\w.-]+", "/file/(capability)", value)
        return re.sub(r"doc=(ey[\w.-]+)", lambda found: f"doc=({_key(found[1])})", value)
    return value


def _key(token: str) -> str:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return "broken"
    return str(claims.get("key", "empty"))


def heard(status: int, raw: bytes, headers: Mapping[str, str]) -> Json:
    """Give what a caller heard: JSON and XML as they are, any other body by its length and digest."""
    found: Json = {"status": status}
    quiet = (*_UNSTEADY, "x-request-id", *(() if raw else ("content-type",)))
    kept = together((name, value) for name, value in headers.items() if name.lower() not in quiet)
    if not raw and headers.get("Content-Length", "0") != "0":
        found["promised"] = headers["Content-Length"]
    if raw[:1] in (b"{", b"[") and "json" in headers.get("Content-Type", ""):
        body: Any = json.loads(raw)
        if isinstance(body, dict) and "request_id" in body:
            body["request_id"] = "(id)"
        found["body"] = masked(body)
    elif raw.startswith(b"<?xml"):
        found["body"] = raw.decode()
    elif raw:
        found["body"] = digest(raw)
    return found | ({"headers": kept} if kept else {})


def together(headers: Iterable[tuple[str, str]]) -> Json:
    """Give headers by name; a list where there are several of one."""
    found: dict[str, list[str]] = {}
    for name, value in sorted(headers, key=lambda pair: pair[0]):
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def digest(raw: bytes) -> str:
    return f"{len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()[:16]}"


@dataclass
class Ledger:
    """The expectations of one kind: compared, or written anew."""

    kind: str
    names: Iterable[str]
    writing: bool
    found: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return EXPECTATIONS / f"{self.kind}.json"

    def stored(self) -> dict[str, Any]:
        """Give what is expected, by the names of the recordings."""
        if not self.path.exists():
            return {}
        stored: Json = json.loads(self.path.read_text())
        return {name: stored[one] if isinstance(one, str) else one for name, one in stored.items()}

    def check(self, name: str, happened: Any) -> None:
        """Compare what happened with what is expected of the recording ``name``."""
        happened = json.loads(json.dumps(happened))
        if self.writing:
            assert self.found.setdefault(name, happened) == happened, f"{name} goes two ways"
            return
        expected = self.stored_once().get(name)
        assert expected is not None, f"nothing is expected of {name}"
        assert happened == expected, f"{name} went another way than expected"

    def stored_once(self) -> dict[str, Any]:
        if not self.found:
            self.found = self.stored()
        return self.found

    def write(self) -> None:
        """Write what happened; what wasn't run this time stays, what is no recording any more goes."""
        known = set(self.names)
        merged = {name: one for name, one in self.stored().items() if name in known} | self.found
        first: dict[str, str] = {}
        written: Json = {}
        for name in sorted(merged, key=_in_order):
            shape = json.dumps(merged[name], sort_keys=True)
            written[name] = first.get(shape, merged[name])
            first.setdefault(shape, name)
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(pretty(written) + "\n", encoding="utf-8")


def _in_order(name: str) -> tuple[str, int]:
    base, _, number = name.partition(":")
    return base, int(number or 0)


def pretty(value: Any, indent: int = 0) -> str:
    """Write JSON of which each line says one thing: broken up only where it is too long for a line."""
    plain = json.dumps(value, ensure_ascii=False)
    if (indent and len(plain) + indent <= _WIDTH) or not isinstance(value, dict | list) or not value:
        return plain
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(name)}: {pretty(inner, indent + 1)}" for name, inner in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    parts = [pad + pretty(inner, indent + 1) for inner in value]
    return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"


__all__ = ["EXPECTATIONS", "IS_COMPLETE", "Ledger", "Party", "digest", "heard", "masked", "pretty", "shown", "together"]
