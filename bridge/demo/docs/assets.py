"""What a browser loads: api.js, the editor's frame, and the small static answers around them."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from bridge.demo.docs import answers, links
from bridge.demo.docs.settings import BUILD_NUMBER, BUILD_VERSION, MIB

STATIC = Path(__file__).with_name("static")
_EDITORS = re.compile(
    r"/web-apps/apps/(documenteditor|spreadsheeteditor|presentationeditor|pdfeditor)/(main|embed|mobile|forms)/(.+)"
)
_TYPES = {".js": "application/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
_FOLDERS = re.compile(r"/(web-apps|sdkjs|sdkjs-plugins|fonts|dictionaries)(/[a-zA-Z0-9/_-]*)?")
_SERVICE_WORKER = "self.addEventListener('fetch', () => {});\n"
_CLIENTS_ANSWER = {
    "authorization": {"header": "Authorization", "prefix": "Bearer "},
    "urls": {
        "api": "/web-apps/apps/api/documents/api.js",
        "command": "/command",
        "converter": "/converter",
        "docbuilder": "/docbuilder",
    },
    "limits": {"maxFileSize": 100 * MIB},
    "langs": [],
}


async def asset(request: web.Request) -> web.StreamResponse:
    """Answer below `/web-apps/`, `/sdkjs/`, `/fonts/`…"""
    path = f"/{request.match_info['path']}"
    name = _static_name(path)
    if name is not None and (STATIC / name).is_file():
        body = (STATIC / name).read_bytes()
        headers = {"Content-Type": f"{_TYPES[Path(name).suffix]}; charset=utf-8", "Cache-Control": "public, max-age=0"}
        return web.Response(body=body, headers=headers)
    if _FOLDERS.fullmatch(path) and "." not in path:
        # A folder's name without its slash redirects to an absolute URL, as the front does it.
        if not path.endswith("/"):
            return web.Response(status=301, headers={"Location": f"{links.base_url(request.headers)}{path}/"})
        return web.Response(text="", content_type="text/html")
    if path.startswith(("/sdkjs/", "/fonts/", "/dictionaries/", "/sdkjs-plugins/")):
        return web.Response(text="", content_type="application/javascript")
    return answers.cannot(request)


def _static_name(path: str) -> str | None:
    if path == "/web-apps/apps/api/documents/api.js":
        return "api.js"
    found = _EDITORS.fullmatch(path)
    if found is None:
        return None
    name = found.group(3)
    if name in {"index.html", "index_loader.html"}:
        return "editor.html"
    return name if re.fullmatch(r"[a-z]+\.(js|css|svg)", name) else None


async def plugins(_request: web.Request) -> web.Response:
    return answers.json_answer({"url": "", "pluginsData": [], "autostart": []}, "application/json; charset=utf-8")


async def themes(_request: web.Request) -> web.Response:
    return web.Response(status=404, text="Not Found", headers={"cache-control": "max-age=300"})


async def service_worker(_request: web.Request) -> web.Response:
    return web.Response(text=_SERVICE_WORKER, content_type="application/javascript")


async def config(_request: web.Request) -> web.Response:
    return answers.json_answer(_CLIENTS_ANSWER, "application/json; charset=utf-8")


async def index(_request: web.Request) -> web.Response:
    text = (
        f"Server is functioning normally. Version: {BUILD_VERSION}. Build: {BUILD_NUMBER}. Release date: "
        "2016-06-29T00:00:00.000Z. Package type: 0. Customer Id: . Multitenancy: false. Alias: "
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8")


async def base(request: web.Request) -> web.Response:
    return web.Response(text=links.base_url(request.headers), content_type="text/html", charset="utf-8")


async def harmless(request: web.Request) -> web.Response:
    """Routes that a bridge must keep from browsers; they answer, so that a test can tell."""
    return answers.json_answer({"small docs": request.path, "licenseInfo": {}}, "application/json; charset=utf-8")
