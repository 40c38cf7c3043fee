"""The one place that turns the HTTP client library's errors, and the operating system's, into ours."""

from __future__ import annotations

import errno
import ssl
from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from bridge.protocol.errors import (
    BadAnswerError,
    CutError,
    UnreachableError,
    UpstreamError,
    UpstreamTimeoutError,
)

__all__ = ["BROKE_OFF", "FAULTS", "NO_HTTP", "fault"]

FAULTS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)
"""What awaiting the client library can raise; hand it to ``fault``."""

# Before ClientOSError, whose subclass most of them are: after these nothing of the request has been sent.
_UNREACHED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLError,
)


def fault(error: BaseException, upstream: str, awaited: str, limit: str, *, begun: bool) -> UpstreamError:
    """Say in our words what went wrong with an exchange, and what an administrator can do about it.

    ``upstream`` is the configured name; ``awaited`` is what didn't come, and ``limit`` the setting that bounds it;
    ``begun`` says that the answer's head has come. What the library said holds inner addresses: it goes into
    ``details`` (the log's) and never into the message (the client's).
    """
    if isinstance(error, _UNREACHED):
        what = f"{type(error).__name__}: {error}"
        return UnreachableError(
            "The server behind the bridge can't be reached.", upstream=upstream, what=what, remedy=_unreached(error)
        )
    if isinstance(error, TimeoutError):
        return UpstreamTimeoutError(
            "The server behind the bridge doesn't answer.",
            upstream=upstream,
            what=f"waited for {awaited}",
            remedy=f"Is it overloaded, or waiting for something itself? See its log. If it's only slow, raise {limit}.",
        )
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        what = _first_line(error.message)
        remedy = _LARGE if what.startswith(_TOO_LARGE) else NO_HTTP
        return BadAnswerError(
            "The server behind the bridge doesn't speak HTTP.", upstream=upstream, what=what, remedy=remedy
        )
    return CutError(
        "The server behind the bridge broke the connection off.", upstream=upstream, **_broken(error, begun=begun)
    )


def _first_line(said: str) -> str:
    """Give what the parser says, without the excerpt of the answer that it puts below: that may be anybody's data."""
    words = said.strip().partition("\n\n")[0].split()
    return " ".join(words).partition("b'")[0].partition('b"')[0].rstrip(": ")[:200]


def _broken(error: BaseException, *, begun: bool) -> dict[str, str]:
    """Say where an answer broke off, and what that points to."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        if isinstance(error.message, str):
            return {"what": "it hung up before its answer", "remedy": _HUNG_UP}
        return {"what": "it hung up in the middle of its answer's head", "remedy": BROKE_OFF}
    if isinstance(error, aiohttp.ClientPayloadError):
        inner = error.__cause__
        why = _first_line(inner.message) if isinstance(inner, HttpProcessingError) else str(error)
        return {"what": f"the answer's body ended early: {why}", "remedy": BROKE_OFF}
    return {"what": f"{type(error).__name__}: {error}", "remedy": BROKE_OFF if begun else _HUNG_UP}


def _unreached(error: BaseException) -> str:
    """Give what to look at first."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(
            inner.verify_code, "Its certificate doesn't hold: see what openssl s_client says of it."
        )
    if isinstance(inner, ssl.SSLError):
        return _TLS.get(inner.reason or "", "TLS fails: compare the versions and certificates of both sides.")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "The name isn't known here: correct the upstream's url, or the name service of the bridge's machine."
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "Nothing answers there: is it the right address, and does a firewall let the bridge through?"
    return _CALLS.get((inner.errno or 0) if isinstance(inner, OSError) else 0, _DIAL)


_AUTHORITY: Final = "Its certificate is of no authority that is known here: name that authority in the upstream's ca."
_NAME: Final = "Its certificate is for another name: call it by that name in url, or name it in the upstream's host."
# OpenSSL's X509_V_ERR_…: 2, 18 to 21 no known issuer; 62, 64 the name; 10 and 9 the dates; 23 revoked.
_CERTIFICATES: Final = {
    **dict.fromkeys((2, 18, 19, 20, 21), _AUTHORITY),
    **dict.fromkeys((62, 64), _NAME),
    10: "Its certificate has expired: renew it there.",
    9: "Its certificate isn't valid yet: compare the clocks of both machines.",
    23: "Its certificate was revoked: give the server a new one.",
}
_WANTED: Final = "It takes only clients with a certificate of its authority: see the upstream's client_cert."
_TLS: Final = {
    "WRONG_VERSION_NUMBER": "It doesn't speak TLS there: write http:// in the upstream's url, or its TLS port.",
    **dict.fromkeys(
        (
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "TLSV1_ALERT_UNKNOWN_CA",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        ),
        _WANTED,
    ),
    **dict.fromkeys(
        ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"), "It speaks no TLS of version 1.2 or later: update it."
    ),
}
NO_HTTP: Final = (
    "Is it the right address and port, and is what it sends as long as its Content-Length says? "
    "See what curl makes of it."
)
_TOO_LARGE: Final = ("Got more than", "Too many headers")
_LARGE: Final = "Its answer's head is too large: more than 64 KiB a line, or than 128 of them. curl -I shows which."
_HUNG_UP: Final = (
    "It hung up without an answer: does it want https, or a client certificate (client_cert)? See its log."
)
BROKE_OFF: Final = "Was it restarted, or did something between cut it (a proxy, a firewall, a limit)? See its log."
_DIAL: Final = "See whether it can be reached from the bridge's machine, with curl."
_CALLS: Final = {
    errno.ECONNREFUSED: "Nothing listens there: is the server up, and is the upstream's url right?",
    errno.EADDRNOTAVAIL: "The upstream's source_address is no address of this machine.",
    **dict.fromkeys(
        (errno.ENETUNREACH, errno.EHOSTUNREACH), "There is no route to it: look at the network of the bridge's machine."
    ),
}
