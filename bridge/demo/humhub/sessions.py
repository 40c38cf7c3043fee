"""Sessions, the three cookies and the CSRF check, in HumHub's own shapes.

`_csrf` and `_identity` are PHP arrays, serialised, with a keyed hash before them. The CSRF token that pages and
requests carry is masked: a random mask, then the token XOR that mask, in URL-safe base64.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from email.utils import formatdate
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote

from bridge.demo.humhub.people import User

REMEMBER = 30 * 24 * 3600
HASH_LENGTH = 64
PAIR = re.compile(r';i:1;s:\d+:"(.*)";}$')


@dataclass(slots=True)
class Session:
    """One PHP session."""

    id: str
    username: str | None = None
    nonce: str | None = None
    open_after: str | None = None
    """The editor that the next page opens by itself."""
    notes: dict[str, str] = field(default_factory=dict)


class Sessions:
    """All sessions, and the key that signs cookies."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._by_id: dict[str, Session] = {}

    def find(self, session_id: str | None) -> Session | None:
        return self._by_id.get(session_id or "")

    def start(self) -> Session:
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
        session = Session("".join(secrets.choice(alphabet) for _ in range(26)))
        self._by_id[session.id] = session
        return session

    def all(self) -> list[Session]:
        return list(self._by_id.values())

    def end(self, session: Session) -> None:
        self._by_id.pop(session.id, None)

    def seal(self, name: str, value: str) -> str:
        """Build a cookie's value: the keyed hash, then the serialised pair, percent-encoded."""
        data = f'a:2:{{i:0;s:{len(name)}:"{name}";i:1;s:{len(value.encode())}:"{value}";}}'
        return quote(self._hash(data) + data, safe="")

    def unseal(self, sealed: str | None) -> str | None:
        """Return what a cookie of ours holds, or None."""
        text = unquote(sealed or "")
        found, data = text[:HASH_LENGTH], text[HASH_LENGTH:]
        if not hmac.compare_digest(found.encode(), self._hash(data).encode()):
            return None
        pair = PAIR.search(data)
        return pair[1] if pair else None

    def identity(self, user: User) -> str:
        return self.seal("_identity", json.dumps([user.number, user.auth_key, REMEMBER], separators=(",", ":")))

    def _hash(self, data: str) -> str:
        return hmac.new(self._key, data.encode(), hashlib.sha256).hexdigest()


def new_csrf() -> str:
    return secrets.token_urlsafe(24)


def mask(token: str) -> str:
    noise = secrets.token_bytes(len(token))
    return base64.urlsafe_b64encode(noise + _xor(noise, token.encode())).decode()


def unmask(masked: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(masked.encode() + b"==")
    except ValueError:
        return ""
    half = len(raw) // 2
    return _xor(raw[:half], raw[half:]).decode(errors="replace")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))


def read_cookies(headers: list[str]) -> dict[str, str]:
    """Read cookies with their values as they came; browsers send the percent-encoding back."""
    jar: dict[str, str] = {}
    for header in headers:
        try:
            parsed = SimpleCookie(header)
        except CookieError:
            continue
        jar.update({name: morsel.value for name, morsel in parsed.items()})
    return jar


def cookie(name: str, value: str, *, secure: bool, max_age: int | None = None, now: float = 0) -> str:
    """Write one Set-Cookie value, in the order that PHP writes it."""
    expires = (
        "" if max_age is None else f" expires={formatdate(max(now + max_age, 1), usegmt=True)}; Max-Age={max_age};"
    )
    if name == "_identity" and max_age == 0:
        expires = " expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0;"
    return f"{name}={value};{expires} path=/;{' secure;' if secure else ''} HttpOnly; SameSite=Lax"
