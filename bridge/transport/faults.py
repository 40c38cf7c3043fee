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

__all__ = ["FAULTS", "fault"]

FAULTS: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError)
"""What awaiting the client library can raise; hand it to ``fault``."""

# Before ClientOSError, whose subclass most of them are: after these nothing of the request has been sent.
_UNREACHED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    ssl.SSLError,
)


def fault(error: BaseException, upstream: str) -> UpstreamError:
    """Say in our words what went wrong with an exchange, and what an administrator can do about it.

    ``upstream`` is the configured name. What the library said holds inner addresses: it goes into ``details`` (the
    log's) and never into the message (the client's).
    """
    what, remedy = f"{type(error).__name__}: {error}", _remedy(error)
    told = {"upstream": upstream, "what": what, "remedy": remedy}
    if isinstance(error, _UNREACHED):
        return UnreachableError("The server behind the bridge can't be reached.", **told)
    if isinstance(error, TimeoutError):
        return UpstreamTimeoutError("The server behind the bridge doesn't answer.", **told)
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        return BadAnswerError("The server behind the bridge doesn't speak HTTP.", **told)
    return CutError("The server behind the bridge broke the connection off.", **told)


def _remedy(error: BaseException) -> str | None:
    """Give what to look at first; None where the error itself says as much as there is to say."""
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
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "It hung up without an answer: does it want https, or a client certificate (client_cert)? See its log."
    return _CALLS.get(inner.errno or 0) if isinstance(inner, OSError) else None


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
_CALLS: Final = {
    errno.ECONNREFUSED: "Nothing listens there: is the server up, and is the upstream's url right?",
    errno.EADDRNOTAVAIL: "The upstream's source_address is no address of this machine.",
    **dict.fromkeys(
        (errno.ENETUNREACH, errno.EHOSTUNREACH), "There is no route to it: look at the network of the bridge's machine."
    ),
}
