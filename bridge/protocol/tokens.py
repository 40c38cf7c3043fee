"""JWTs: one key ring a side, where each party puts its tokens, and what a token that doesn't hold is called.

Theory of operation
-------------------
A :class:`KeyRing` has the secrets and the header of one side. Its first secret signs, all of them verify, so that a
secret can be changed without a pause. Signatures are PyJWT's work; times are compared here, because the clock is an
argument and both directions get the same tolerance.

Where tokens stand (observed on the real software):

==========================  =======================================  =====================================
message                     body token                               header token
==========================  =======================================  =====================================
Docs, callback              flat                                     ``{payload: …}``; cut when it is long
Docs, download              none                                     ``{payload: {url}}``
HumHub, conversion/command  flat                                     ``{payload: …}``
to HumHub, track            flat, and the only one that counts       none: long histories outgrow a header
to HumHub, download         none                                     any claims
==========================  =======================================  =====================================

The body token wins everywhere, and its claims replace the plain fields beside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from bridge.protocol.errors import TokenError
from bridge.protocol.secret import Secret

__all__ = ["BEARER", "LEEWAY", "LIFETIME", "KeyRing", "from_body_or_header", "from_header", "unverified", "unwrap"]

Claims = dict[str, Any]

# Docs itself tolerates 60 s; inbound tokens get as much in both directions.
LEEWAY = 60.0
# What Docs gives its own tokens, and HumHub its pages.
LIFETIME = 300
_ALGORITHMS = ("HS256", "HS384", "HS512")
_SIGNATURE_ONLY: jwt.types.Options = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The secrets of one side: the first signs, all verify.

    Args:
        side: whose tokens these are, for messages, such as ``HumHub "social"``.
        place: where its secrets are configured, such as ``sites[0].jwt``; named in remedies.
        header: the HTTP header that carries that side's tokens.
        secrets: none means that this side doesn't use tokens.
    """

    side: str
    place: str
    header: str = "Authorization"
    secrets: tuple[Secret, ...] = ()

    @property
    def signs(self) -> bool:
        """Say whether this side uses tokens at all."""
        return bool(self.secrets)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign ``claims`` as they are, with the first secret."""
        return jwt.encode(dict(claims), self.secrets[0].reveal(), algorithm="HS256")

    def bearer(self, claims: Mapping[str, Any]) -> tuple[str, str]:
        """Give the header, name and value, that carries ``claims``."""
        return self.header, BEARER + self.sign(claims)

    def verify(self, token: str, *, now: float, where: str) -> Claims:
        """Give the claims of ``token``.

        Args:
            token: the JWT in its compact form.
            now: seconds since the epoch.
            where: where it was found, for the log: ``body`` or ``header X``.

        Raises:
            TokenError: it doesn't hold; ``details`` name side, where and why.
        """
        claims = self.signed(token, where=where)
        self.check_times(claims, now=now, where=where)
        return claims

    def signed(self, token: str, *, where: str) -> Claims:
        """Give the claims of ``token`` whatever its times, for who passes them on to be judged.

        Raises:
            TokenError: no secret of the ring has signed it.
        """
        failure: Exception | None = None
        for secret in self.secrets:
            try:
                return jwt.decode(token, secret.reveal(), algorithms=list(_ALGORITHMS), options=_SIGNATURE_ONLY)
            except jwt.InvalidSignatureError as error:
                failure = error
            except jwt.InvalidTokenError as error:
                raise self.refusal(where, "malformed", f"It can't be read: {error}.") from error
        raise self.refusal(
            where,
            "signature",
            f"Compare the secret in {self.place} with the one that {self.side} uses; they differ.",
        ) from failure

    def check_times(self, claims: Claims, *, now: float, where: str) -> None:
        """See that claims are of now (seconds since the epoch), with the tolerance that Docs has.

        Raises:
            TokenError: they have expired, or are from the future.
        """
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise self.refusal(where, "malformed", f"Its {name} is not a number.")
            if name == "exp" and value < now - LEEWAY:
                late = f"It expired {now - value:.0f} s ago."
                raise self.refusal(where, "expired", f"{late} Compare the clocks, or reload the page that holds it.")
            if name != "exp" and value > now + LEEWAY:
                early = f"Its {name} is {value - now:.0f} s ahead."
                raise self.refusal(where, "early", f"{early} Set the clocks of {self.side} and of the bridge (NTP).")

    def missing(self, where: str) -> TokenError:
        """Give the error for a message without a token."""
        return self.refusal(
            where,
            "missing",
            f"{self.side} sent no token there: set its secret, or the header in {self.place}.header, "
            "or let the proxy between pass that header.",
        )

    def refusal(self, where: str, why: str, remedy: str) -> TokenError:
        """Give the error for a token that doesn't hold."""
        return TokenError(
            f"The token of {self.side} does not hold ({why}).", remedy=remedy, side=self.side, where=where, why=why
        )


def unverified(token: str) -> Claims:
    """Read a token's claims without a secret, to see which one it needs; none if it is no token."""
    try:
        _, body, _ = token.split(".")
        claims = json.loads(base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


def unwrap(claims: Claims) -> Claims:
    """Give the message inside a header token's ``{payload: …}``, or a flat one as it is."""
    payload = claims.get("payload")
    return payload if isinstance(payload, dict) else claims


def from_header(ring: KeyRing, headers: Mapping[str, str], *, now: float, header: str | None = None) -> Claims:
    """Give the verified claims of the token in ``ring``'s header, or another one, wrapped or flat as sent.

    Raises:
        TokenError: missing, or it doesn't hold. ``Bearer`` is case-sensitive in Docs, so it is here.
    """
    name = header or ring.header
    where = f"header {name}"
    value = headers.get(name, "")
    if not value.startswith(BEARER):
        raise ring.missing(where)
    return ring.verify(value[len(BEARER) :].strip(), now=now, where=where)


def from_body_or_header(
    ring: KeyRing, body: Mapping[str, Any], headers: Mapping[str, str], *, now: float
) -> tuple[Claims, float | None]:
    """Give the message that a signed request means, and when its token was made (``iat``, seconds).

    The body token wins; without one the header's is taken. A side without secrets sends the message itself.

    Raises:
        TokenError: neither is there, or the one that counts doesn't hold.
    """
    if not ring.signs:
        return {name: value for name, value in body.items() if name != "token"}, None
    token = body.get("token")
    if isinstance(token, str) and token:
        claims = ring.verify(token, now=now, where="body token")
    else:
        claims = from_header(ring, headers, now=now)
    made = claims.get("iat")
    message = {name: value for name, value in unwrap(claims).items() if name not in ("iat", "exp", "nbf")}
    return message, made
