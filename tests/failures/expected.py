"""What is expected of each fault on each route: the facts, as tables."""

from __future__ import annotations

import re
from typing import Any, Final

from tests.failures.asking import GOOD, Got
from tests.flows.tables import Table

__all__ = ["EXPECTED", "HOW", "OURS", "expected", "is_passed_on", "shape_of"]

HOW: Final[dict[str, tuple[str, ...]]] = {
    "relayed": ("page", "script", "upload", "asset", "image", "pdf", "download-as", "poll", "push"),
    "read whole": ("editor", "handshake"),
    "websocket": ("websocket",),
    "a file": ("download", "empty-file", "result", "converted"),
    "a call": ("convert", "convert-xml", "command"),
    "a save's file": ("save",),
    "a save told": ("delivery",),
    "news told": ("news",),
    "health": ("health",),
}
"""The routes, by what the bridge does with an answer to them.

*relayed*: passed on as it comes, whatever it is; *read whole*: before a byte of it goes on; *a file*: passed on as it
comes, if it is one; *a call*: Docs' conversion or command service, read whole and always answered with 200.
"""

EXPECTED: Final = Table.read(
    """
the server                | relayed            | read whole      | websocket      | a file             | a call         | a save's file | a save told   | news told     | health
--------------------------+--------------------+-----------------+----------------+--------------------+----------------+---------------+---------------+---------------+---------
whole, chunked, trailers, in-pieces, http-1-0, continue-first, hints-first | 200 ok | 200 ok | 502 bad-answer | 200 ok | 200 ok | 200 delivered | 200 delivered | 200 delivered | 200 ok
hangs, hangs-in-head, hangs-after-head, trickles-its-head, continues-for-ever | 504 time-out | 504 time-out | 504 time-out | 504 time-out | 200 time-out | 200 not-kept | 200 failed | 200 noted | 200 sick
hangs-in-body, hangs-in-chunks | 200, cut: time-out | 504 time-out | 504 time-out | 200, cut: time-out | 200 time-out | 200 not-kept | 200 failed | 200 noted | 200 sick
trickles                  | 200 ok             | 504 time-out    | 504 time-out   | 200, cut: time-out | 200 time-out   | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
closes, resets, cuts-its-head, cuts-after-its-head | 502 cut | 502 cut | 502 cut     | 502 cut            | 200 cut        | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
cuts-its-body, resets-in-its-body, cuts-its-chunks, cuts-a-chunk, cuts-before-the-last-line, promises-more | 200, cut: cut | 502 cut | 502 cut | 200, cut: cut | 200 cut | 200 not-kept | 200 failed | 200 noted | 200 sick
promises-nothing-and-resets | 200, cut: cut    | 502 cut         | 502 bad-answer | 502 bad-answer     | 200 cut        | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
promises-nothing          | 200 ok             | 200 ok          | 502 bad-answer | 502 bad-answer     | 200 ok         | 200 not-kept  | 200 delivered | 200 delivered | 200 ok
promises-less, says-two-lengths, says-length-and-chunks, says-no-number, breaks-its-chunks | 502 bad-answer | 502 bad-answer | 502 bad-answer | 502 bad-answer | 200 bad-answer | 200 not-kept | 200 failed | 200 noted | 200 sick
speaks-ssh, speaks-tls, has-a-large-header, has-many-headers, has-a-nul, has-no-such-status, switches-unasked | 502 bad-answer | 502 bad-answer | 502 bad-answer | 502 bad-answer | 200 bad-answer | 200 not-kept | 200 failed | 200 noted | 200 sick
204-with-a-body, 304-with-a-body | 502 bad-answer | 502 bad-answer | 502 bad-answer | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
is-empty                  | 200 ok             | 200 ok          | 502 bad-answer | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
page                      | 200 ok             | 200 ok          | 502 bad-answer | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
gzip-that-is-none         | 200 ok             | 200 not-rewritten | 502 bad-answer | 502 bad-answer   | 200 ok         | 200 not-kept  | 200 delivered | 200 delivered | 200 ok
redirects, redirects-to-itself, redirects-nowhere | 302 ok | 302 ok | 502 bad-answer | 502 bad-answer | 200 bad-answer | 200 not-kept | 200 failed | 200 noted | 200 sick
401                       | 401 http-401       | 401 http-401    | 401 http-401   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
403                       | 403 http-403       | 403 http-403    | 403 http-403   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 refused   | 200 refused   | 200 sick
404                       | 404 http-404       | 404 http-404    | 404 http-404   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 gone      | 200 gone      | 200 sick
429                       | 429 http-429       | 429 http-429    | 429 http-429   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
500                       | 500 http-500       | 500 http-500    | 500 http-500   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
503                       | 503 http-503       | 503 http-503    | 503 http-503   | 502 bad-answer     | 200 bad-answer | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
504                       | 504 http-504       | 504 http-504    | 504 http-504   | 502 bad-answer     | 200 time-out   | 200 not-kept  | 200 failed    | 200 noted     | 200 sick
""",
    names=1,
)
"""What the client gets (status; *cut*: it had begun, and was broken off), and what the log calls it."""

OURS: Final = {
    # HumHub's module waits as long as it has to, and what comes in time comes whole.
    ("converted", "trickles"): "200 ok",
    # Nothing that could be packed wrongly is looked at.
    ("handshake", "gzip-that-is-none"): "200 ok",
}
"""Where one route is not as the others of its kind."""


def expected(route: str, fault: str) -> str:
    """Give the cell of an exchange."""
    kinds = list(HOW)
    (kind,) = [kind for kind in kinds if route in HOW[kind]]
    cell = OURS.get((route, fault), EXPECTED.rows[(fault,)][kinds.index(kind)])
    # HumHub's module takes any answer for the file that was converted, but one that breaks off.
    return re.sub(r"^(50\d) ", r"\1, cut: ", cell) if route == "converted" else cell


def is_passed_on(cell: str) -> bool:
    """Say whether the client gets what the server said, or an answer of the bridge's own."""
    return cell.endswith(" ok") or " http-" in cell or "cut: " in cell or "not-rewritten" in cell


def shape_of(route: str, got: Got) -> Any:  # noqa: PLR0911 - a table
    """Give an answer of the bridge's own in short, having seen that it has the shape which its client expects."""
    match route:
        case (
            "page" | "upload" | "asset" | "image" | "pdf" | "download-as" | "handshake" | "poll" | "push" | "websocket"
        ):
            assert got.headers["content-type"] == "text/html; charset=utf-8"
            assert f"Request {got.headers['x-request-id']}" in got.body.decode()
            return "a page"
        case "script" | "editor":
            said = got.json
            assert (said["error"], said["request_id"]) == (True, got.headers["x-request-id"])
            return "a message"
        case "download" | "empty-file" | "result" | "converted":
            assert got.body == b""
            return "nothing"
        case "save" | "delivery" | "news":
            return got.json
        case "convert-xml":
            assert got.headers["content-type"] == "text/xml; charset=UTF-8"
            return int(got.body.partition(b"<Error>")[2].partition(b"</Error>")[0])
        case "health":
            return got.body.decode()
        case _:
            return got.json["error"]


def said(route: str, cell: str) -> Any:  # noqa: PLR0911 - a table
    """Give what an answer of the bridge's own says."""
    outcome = cell.rpartition(" ")[2]
    match route:
        case "convert" | "convert-xml":
            return -2 if outcome == "time-out" else -1
        case "command":
            return 3
        case "save" | "delivery":
            return {"error": 0 if outcome == "delivered" else 1}
        case "news":
            return {"error": 1 if outcome in ("gone", "refused") else 0}
        case "health":
            return "false" if outcome == "sick" else "true"
        case "script" | "editor":
            return "a message"
        case "download" | "empty-file" | "result" | "converted":
            return "nothing"
        case _:
            return "a page"


def whole_body(route: str) -> bytes:
    """Give what the server has for a route."""
    return GOOD[route].body
