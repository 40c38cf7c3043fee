"""Answers in the shapes of the two programs that clients meet: the front (nginx) and the server behind it."""

from __future__ import annotations

import html
from typing import Any

from aiohttp import web

from bridge.demo.docs.outgoing import compact

_FRONT_TITLES = {403: "403 Forbidden", 405: "405 Not Allowed", 410: "410 Gone", 504: "504 Gateway Time-out"}


def front(status: int) -> web.Response:
    """The front's own page."""
    title = _FRONT_TITLES[status]
    lines = ("<html>", f"<head><title>{title}</title></head>", "<body>", f"<center><h1>{title}</h1></center>")
    text = "\r\n".join((*lines, "<hr><center>nginx</center>", "</body>", "</html>", ""))
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "text/html"})


def cannot(request: web.Request) -> web.Response:
    """The server's page for a route that it doesn't have."""
    what = html.escape(f"Cannot {request.method} {request.raw_path.split('?', 1)[0]}")
    lines = (
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        "<title>Error</title>",
        "</head>",
    )
    text = "\n".join((*lines, "<body>", f"<pre>{what}</pre>", "</body>", "</html>", ""))
    headers = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}
    return web.Response(status=404, text=text, content_type="text/html", charset="utf-8", headers=headers)


def json_answer(value: Any, content_type: str = "application/json") -> web.Response:
    return web.Response(body=compact(value).encode(), headers={"Content-Type": content_type})
