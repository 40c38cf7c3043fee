r"""The editor's own connection: engine.io 4 and socket.io 5, as far as the bridge must look into them.

Theory of operation. Docs takes the document's key from a token's claims rather than from the path, and with a session
token (valid for 30 days, holding no URL) it takes callback and download URLs from the plain message. So whoever has
opened one document could open another one over its socket, or make Docs fetch and call any address. And where browsers
reach HumHub without the bridge, token and URLs are HumHub's own, which Docs can't read. So every text message from the
browser is looked at, and the three kinds that say what is opened go through a ``Checkpoint``, which verifies, maps and
signs anew (``opening.py``). Nothing is remembered between two messages, since ``auth`` may come by websocket or by
polling, again after the first one, and on a socket that has long been accepted.

A message costs little: only two kinds are parsed as JSON.

- CONNECT (``40…``);
- EVENT and BINARY_EVENT (``42…``, ``45…``) that could be ``auth`` or ``openDocument``. As JSON can spell a letter only
  as itself or as ``\u00xx``, a message without the literal ``"auth"`` (``"openDocument"``) and without any such escape
  of a printable letter, which no JSON writer makes, can't be one; nearly all messages, up to 100 MB, end here.

Docs' parser takes much that no client writes: it reads a blank as the number 0 (``4 {…}`` is a CONNECT), a name space
before or an id after the type, and the last of duplicate keys. What isn't canonical is refused unread.

Who refuses? An HTTP error or a closed socket looks like a broken network to the editor, and it tries for ever. Docs'
own refusals (``44{…}``; ``disconnectReason`` and ``41``) end it, alike on both transports. So a refused packet is
replaced by ``meaningless``, with a token that is none: Docs refuses that, in its own words.

Sources: protocol facts, "The editor's own connection"; the grammar of socket.io-parser 4.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from bridge.protocol.errors import BadRequestError, BridgeError, RefusedError
from bridge.protocol.keys import is_key
from bridge.protocol.urls import VERSION

__all__ = [
    "MAX_AUTH",
    "Checkpoint",
    "Passed",
    "check_query",
    "meaningless",
    "pass_packet",
    "pass_payload",
    "path_key",
    "session_id",
    "split_payload",
]

Json = dict[str, Any]

MAX_AUTH: Final = 256 * 1024
"""The longest message, in bytes, that may be an ``auth``; HumHub's take 3 to 5 kB."""

_SEPARATOR: Final = b"\x1e"
_PATH: Final = re.compile(rf"{VERSION}/doc/([^/]+)/c/")
_CONNECT: Final = re.compile(rb"40(?:\{.*)?", re.DOTALL)
_EVENT: Final = re.compile(rb"4(?:2|5\d{1,3}-)\d{0,15}(?=\[)")
_OTHER: Final = re.compile(rb"41|4(?:3|6\d{1,3}-)\d{1,15}\[.*", re.DOTALL)
# An escape of a printable ASCII character, if its backslash isn't itself escaped.
_ESCAPE: Final = re.compile(rb"\\u00[2-7]")
_AUTH: Final = b'"auth"'
_OPEN: Final = b'"openDocument"'
_OPENING: Final = (b'"open"', b'"reopen"')


class Checkpoint(Protocol):
    """Says what Docs gets of a message that opens a document; each takes and gives a whole message, and may refuse.

    Each raises BridgeError for what Docs must not have.
    """

    def connect(self, message: Json, /) -> Json:
        """Pass the CONNECT, which holds the configuration's token or a session's."""

    def auth(self, message: Json, /) -> Json:
        """Pass an ``auth``: who opens which document with which token."""

    def command(self, message: Json, /) -> Json:
        """Pass the command of an ``openDocument`` that opens the document anew."""

    def refused(self, error: BridgeError, /) -> None:
        """Hear why a packet was replaced."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What Docs gets of a packet, or of a polling body; ``opens`` says that it asks for the document."""

    data: bytes
    opens: bool = False


def path_key(raw_path: str) -> str | None:
    """Give the document key of a socket's path, ``/[version/]doc/{key}/c/`` as it came over the wire, or None.

    The key isn't decoded: one with a percent sign is none.
    """
    found = _PATH.fullmatch(raw_path)
    key = found[1] if found else None
    return key if is_key(key) and key not in (".", "..") else None


def check_query(query: str) -> None:
    """Check the query of a handshake or a poll, as it came over the wire.

    Raises:
        RefusedError: JSONP, whose bodies have another form, in any spelling.
        BadRequestError: another protocol than engine.io 4 over websocket or polling, or one said twice.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(name == "j" for name, _ in pairs):
        raise RefusedError("JSONP is not supported.")
    for name, known in (("EIO", ("4",)), ("transport", ("polling", "websocket"))):
        values = [value for key, value in pairs if key == name]
        if len(values) != 1 or values[0] not in known:
            raise BadRequestError("The editor's protocol is not known.", parameter=name, values=values[:3])
    if sum(name == "sid" for name, _ in pairs) > 1:
        raise BadRequestError("The editor's connection names two sessions.", parameter="sid")


def session_id(payload: bytes) -> str | None:
    """Give the ``sid`` that Docs hands out in its answer to a polling handshake, or None where it refuses."""
    opened = split_payload(payload)[0]
    if not opened.startswith(b"0{"):
        return None
    try:
        sid = json.loads(opened[1:]).get("sid")
    except (ValueError, RecursionError):
        return None
    return sid if isinstance(sid, str) else None


def split_payload(body: bytes) -> list[bytes]:
    """Take a polling body apart into its packets."""
    return body.split(_SEPARATOR)


def meaningless(packet: bytes) -> bytes:
    """Give what Docs gets instead of a refused packet, so that it refuses in its own words.

    Without a document, so that a Docs that checks no tokens opens none either.
    """
    if packet[:2] == b"40":
        return b'40{"token":"refused"}'
    return b'42["message",{"type":"auth","token":"refused","user":{"id":"refused"},"jwtOpen":"refused"}]'


def pass_payload(checkpoint: Checkpoint, body: bytes) -> Passed:
    """Give what Docs gets of a polling body; after a refused packet Docs gets nothing more of it."""
    passed: list[bytes] = []
    opens = False
    for packet in split_payload(body):
        try:
            one = _pass(checkpoint, packet)
        except BridgeError as error:
            checkpoint.refused(error)
            return Passed(_SEPARATOR.join([*passed, meaningless(packet)]), opens)
        passed.append(one.data)
        opens = opens or one.opens
    return Passed(_SEPARATOR.join(passed), opens)


def pass_packet(checkpoint: Checkpoint, packet: bytes) -> Passed:
    """Give what Docs gets of one engine.io packet in text form, as a websocket's text message is one."""
    try:
        return _pass(checkpoint, packet)
    except BridgeError as error:
        checkpoint.refused(error)
        return Passed(meaningless(packet))


def _pass(checkpoint: Checkpoint, raw: bytes) -> Passed:
    if raw[:1] != b"4":
        return Passed(raw)  # engine.io's own: ping, pong, upgrade; a base64 attachment of an event that was looked at
    if event := _EVENT.match(raw):
        return _pass_event(checkpoint, raw, event.end(), binary=raw[1:2] == b"5")
    if _CONNECT.fullmatch(raw):
        connect = _parse(raw, len(b"40")) if len(raw) > len(b"40") else {}
        return Passed(_written(raw[:2], connect, checkpoint.connect(connect), raw))
    if not _OTHER.fullmatch(raw):
        raise _refusal("not canonical", head=repr(raw[:40]))
    return Passed(raw)


def _pass_event(checkpoint: Checkpoint, raw: bytes, start: int, *, binary: bool) -> Passed:
    if not _is_escaped(raw) and _AUTH not in raw and not (_OPEN in raw and any(word in raw for word in _OPENING)):
        return Passed(raw)
    event = _parse(raw, start)
    outbound: Any
    match event:
        case ["message", {"type": "auth"} as auth, *rest]:
            if binary:
                raise _refusal("an auth with attachments")
            outbound = ["message", checkpoint.auth(auth), *rest]
        case ["message", {"type": "openDocument", "message": {"c": "open" | "reopen"} as command} as asked, *rest]:
            outbound = ["message", {**asked, "message": checkpoint.command(command)}, *rest]
        case _:
            return Passed(raw)
    return Passed(_written(raw[:start], event, outbound, raw), opens=True)


def _written(head: bytes, inbound: Any, outbound: Any, raw: bytes) -> bytes:
    """Write a message, or leave it byte for byte where nothing of it has changed."""
    if inbound == outbound:
        return raw
    return head + json.dumps(outbound, separators=(",", ":")).encode()


def _parse(raw: bytes, start: int) -> Any:
    if len(raw) > MAX_AUTH:
        raise _refusal("too long for an auth", size=len(raw))
    try:
        return json.loads(
            raw[start:].decode(), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        raise _refusal("not canonical JSON", what=str(error)[:200]) from error


def _refusal(why: str, **details: Any) -> RefusedError:
    return RefusedError("The editor's message can't be passed on.", why=why, **details)


def _is_escaped(raw: bytes) -> bool:
    """Say whether a printable ASCII character is spelled as an escape."""
    return _ESCAPE.search(raw) is not None and _ESCAPE.search(raw.replace(b"\\\\", b"")) is not None


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    """Build an object of whose keys none comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return number


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")
