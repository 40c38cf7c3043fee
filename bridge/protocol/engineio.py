r"""The editor's own connection: engine.io 4 and socket.io 5, as far as the bridge must look into them.

Theory of operation. Docs takes the document's key from a token's claims rather than from the path, and with a session
token (valid for 30 days, holding no URL) it takes callback and download URLs from the plain message. So whoever has
opened one document could open another one over its socket, or make Docs fetch and call any address. ``AuthGuard``
closes that: on the socket of key K only K is opened, and only with a site's URLs. It keeps no state, since ``auth`` may
come by websocket or by polling, again after the first one, and on a socket that has long been accepted: every text
message from the browser is looked at.

A message costs little: only two kinds are parsed as JSON.

- CONNECT (``40…``), whose claims are checked;
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

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from bridge.protocol.errors import BadRequestError, BridgeError, RefusedError
from bridge.protocol.keys import is_key
from bridge.protocol.urls import VERSION

__all__ = ["MAX_AUTH", "AuthGuard", "Screened", "check_query", "meaningless", "path_key", "screen", "split_payload"]

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
_TOKENS: Final = ("jwtOpen", "jwtSession")


@dataclass(frozen=True, slots=True)
class Screened:
    """A polling body as Docs may have it, what was refused of it, and whether it asks for the document."""

    body: bytes
    refused: RefusedError | None
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


def screen(guard: AuthGuard, body: bytes) -> Screened:
    """Check a polling body's packets; from the first refused one on, a meaningless one stands for the rest."""
    packets, opens = split_payload(body), False
    for index, packet in enumerate(packets):
        try:
            opens = guard.check(packet) or opens
        except RefusedError as error:
            return Screened(_SEPARATOR.join([*packets[:index], meaningless(packet)]), error, opens)
    return Screened(body, None, opens)


class AuthGuard:
    """Lets pass what a browser may say on the socket of one document; see this module's head.

    ``is_site_url(url, key)`` says whether ``url`` is one of a site's for Docs: a callback, a download or the empty
    file of the document with that key.
    """

    def __init__(self, key: str, is_site_url: Callable[[str, str], bool]) -> None:
        self._key = key
        self._is_site_url = is_site_url

    def check(self, packet: str | bytes) -> bool:
        """Check one engine.io packet in text form, and say whether it asks for the document: a session begins by it.

        Raises:
            RefusedError: it is not canonical, or opens another document, or names a URL that is no site's.
        """
        raw = packet.encode("utf-8", "surrogatepass") if isinstance(packet, str) else packet
        if raw[:1] != b"4":
            return False  # engine.io's own: ping, pong, upgrade; a base64 attachment of an event that was checked
        if event := _EVENT.match(raw):
            return self._check_event(raw, event.end(), binary=raw[1:2] == b"5")
        if _CONNECT.fullmatch(raw):
            self._check_connect(raw)
        elif not _OTHER.fullmatch(raw):
            raise self._refusal("not canonical", head=repr(raw[:40]))
        return False

    def _check_connect(self, raw: bytes) -> None:
        if len(raw) == len(b"40"):
            return
        connect = self._parse(raw, 2)
        # "data" is a stale copy of an auth message that Docs never reads.
        for name in ("token", "session"):
            self._check_token(connect.get(name), name)

    def _check_event(self, raw: bytes, start: int, *, binary: bool) -> bool:
        if not _is_escaped(raw) and _AUTH not in raw and not (_OPEN in raw and any(word in raw for word in _OPENING)):
            return False
        match self._parse(raw, start):
            case ["message", {"type": "auth", **auth}, *_]:
                if binary:
                    raise self._refusal("an auth with attachments")
                self._check_auth(auth)
                return True
            case ["message", {"type": "openDocument", "message": {"c": "open" | "reopen", **command}}, *_]:
                self._check_command(command, "openDocument")
                return True
            case _:
                return False

    def _check_auth(self, auth: Mapping[Any, Any]) -> None:
        self._check_key(auth.get("docid"), "docid")
        self._check_url(auth.get("documentCallbackUrl"), "documentCallbackUrl")
        for name in _TOKENS:
            self._check_token(auth.get(name), name)
        command = auth.get("openCmd")
        if command is not None:
            self._check_command(self._object(command, "openCmd"), "openCmd")

    def _check_command(self, command: Mapping[Any, Any], where: str) -> None:
        self._check_key(command.get("id"), f"{where}.id")
        self._check_url(command.get("url"), f"{where}.url")

    def _check_token(self, token: Any, where: str) -> None:
        """Check what a token says. Whether it holds is Docs' to say: one that can't be read is none to Docs either."""
        claims = _claims(token) if isinstance(token, str) else {}
        document = claims.get("document")
        editor = claims.get("editorConfig")
        if isinstance(document, dict):
            self._check_key(document.get("key", self._key), f"{where}.document.key")
            self._check_url(document.get("url"), f"{where}.document.url")
        if isinstance(editor, dict):
            self._check_url(editor.get("callbackUrl"), f"{where}.editorConfig.callbackUrl")
        # A version's token, which the history view opens with.
        for name, version in ((where, claims), (f"{where}.previous", claims.get("previous"))):
            if isinstance(version, dict):
                self._check_key(version.get("key", self._key), f"{name}.key")
                self._check_url(version.get("url"), f"{name}.url")

    def _check_key(self, key: Any, where: str) -> None:
        if key != self._key:
            raise self._refusal("another document's key", where=where, named=ascii(key)[:128])

    def _check_url(self, url: Any, where: str) -> None:
        if url is None or url == "":
            return
        try:
            known = isinstance(url, str) and self._is_site_url(url, self._key)
        except (BridgeError, ValueError):
            known = False
        if not known:
            raise self._refusal("a URL that is no site's", where=where, url=ascii(url)[:200])

    def _object(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._refusal("not an object", where=where)
        return value

    def _parse(self, raw: bytes, start: int) -> Any:
        if len(raw) > MAX_AUTH:
            raise self._refusal("too long for an auth", size=len(raw))
        try:
            return json.loads(raw[start:].decode(), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            raise self._refusal("not canonical JSON", what=str(error)[:200]) from error

    def _refusal(self, why: str, **details: Any) -> RefusedError:
        return RefusedError("The editor's message is not allowed on this document.", why=why, key=self._key, **details)


def _is_escaped(raw: bytes) -> bool:
    """Say whether a printable ASCII character is spelled as an escape."""
    return _ESCAPE.search(raw) is not None and _ESCAPE.search(raw.replace(b"\\\\", b"")) is not None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of whose keys none comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _claims(token: str) -> dict[str, Any]:
    """Read a token's claims, unverified; none if it is no token."""
    try:
        _, body, _ = token.split(".")
        claims = json.loads(base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}
