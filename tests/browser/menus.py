"""Pages with the hooks of HumHub's, the little of its script that our entries meet, and a bridge that answers them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

import bridge.connector
from bridge.connector.menu import menu
from bridge.protocol.menus import Injector, nonce_of, tag
from tests.ports import fresh_port

STATIC = Path(bridge.connector.__file__).parent / "static"
PREFIX = "/onlyoffice-bridge/"
UPLOAD = "/s/team/cfiles/upload?fid=1"
POST = "/s/team/post/post/edit?id=3"
POLICY = "script-src 'nonce-abc' 'self'; style-src * 'unsafe-inline'; default-src *"

# What HumHub's own script does where our entries meet it: widgets make lists of files, and take up what is uploaded; a
# folder's list is fetched again where its files changed; menus close.
SCRIPT = """
(() => {
  const listeners = [], heard = [];
  const item = (list, file) => {
    const made = document.createElement('li');
    made.className = 'file-preview-item mime';
    made.dataset.previewGuid = file.guid;
    made.innerHTML = '<span class="file-preview-content"></span>';
    if ('fileEdit' in list.dataset) made.firstChild.textContent = file.name;
    else made.firstChild.innerHTML = `<a href="/file/file/download?guid=${file.guid}" target="_blank">${file.name}</a> - 7 kB`;
    list.firstElementChild.append(made);
  };
  const widgets = {
    'file.Preview': (list) => ({add: (file) => item(list, file)}),
    'file.Upload': (input) => ({
      handleFileResponse: (file) => {
        input.form.insertAdjacentHTML('beforeend', `<input type="hidden" name="fileList[]" value="${file.guid}">`);
        item(document.querySelector(input.dataset.uploadPreview), file);
      },
    }),
  };
  const instance = (node) => widgets[node.dataset.uiWidget](node);
  const modules = {
    event: {trigger: (name, values) => { heard.push([name, values]); for (const one of listeners) one(name, ...values); }},
    'ui.widget': {Widget: {instance}},
  };
  window.humhub = {require: (name) => modules[name], config: {get: (name) => window.settings?.[name]}, heard, item};
  listeners.push(async (name) => {
    const list = document.getElementById('fileList');
    if (name === 'humhub:file:modified' && list) list.innerHTML = await (await fetch('/list')).text();
  });
  document.addEventListener('click', (event) => {
    const toggler = event.target.closest('.dropdown-toggle, [data-contextmenu-toggler]');
    for (const open of document.querySelectorAll('.dropdown-menu.show')) open.classList.remove('show');
    if (toggler) toggler.parentNode.querySelector('.dropdown-menu').classList.add('show');
    const row = event.target.closest('ul.contextMenu a');
    if (row) { event.preventDefault(); heard.push(['menu', row.dataset.action ?? 'unknown']); }
  });
})();
"""

_UPLOAD_MENU = """
<div class="btn-group{shown}"><span class="btn fileinput-button" data-action-click="file.upload" data-action-target="#{id}">
<input type="file" id="{id}" data-upload-preview="#{id}_list" data-ui-widget="file.Upload"{address} style="display:none"></span>
<button type="button" class="btn dropdown-toggle">…</button><ul class="dropdown-menu">
<li><a class="dropdown-item" data-action-click="file.uploadByType" data-action-process="file-handler">Attach an image</a></li>
<li><a class="dropdown-item" data-action-click="file.uploadByType" data-action-process="file-handler">Attach a video</a></li>
</ul></div>
"""


def upload_menu(name: str, address: str = "", *, hidden: bool = False) -> str:
    given = f' data-upload-url="{address}"' if address else ""
    return _UPLOAD_MENU.format(id=name, address=given, shown=" d-none" if hidden else "")


def preview(name: str, *, editing: bool = False) -> str:
    return f'<div id="{name}_list" class="post-file-list" data-ui-widget="file.Preview"{" data-file-edit" * editing}><ul></ul></div>'


def link(guid: str, name: str, rest: str = "") -> str:
    url = f"/file/file/download?guid={guid}&amp;hash_sha1=0"
    return f'<a href="{url}" data-file-download data-file-url="{url}&amp;download=1" data-file-name="{name}"{rest}>{name}</a>'


def row(number: int, guid: str, name: str, *, own: bool = True, kind: str = "file") -> str:
    editable = " data-cfiles-editable" if own else ""
    return (
        f'<tr data-cfiles-item="{kind}_{number}"{editable}><td><div class="title">{link(guid, name)}</div>'
        f'<ul class="contextMenu dropdown-menu"><li><a href="#" data-action="download">Download</a></li></ul><button type="button" data-contextmenu-toggler>…</button></td></tr>'
    )


def folder(rows: str, upload: str = UPLOAD) -> str:
    return (
        f'<form><div id="cfiles-folderView" data-upload-url="{upload}">{upload_menu("cfilesUploadFiles", upload)}'
        f'<table id="fileList"><tbody>{rows}</tbody></table></div></form>'
    )


def entry(number: int, inner: str, edit: str | None) -> str:
    menu = f'<a class="stream-entry-edit-link" data-action-url="{edit}">Edit</a>' if edit else ""
    return f'<div class="wall-entry" id="entry_{number}">{menu}{inner}</div>'


def page(body: str, lang: str = "en-US", more: str = "") -> str:
    script = f'<script nonce="abc">{SCRIPT}</script>'
    css = "<style>.d-none, .dropdown-menu:not(.show) {display: none}</style>"
    return f'<!DOCTYPE html><html lang="{lang}"><head><title>Team</title>{css}{script}{more}</head><body>{body}</body></html>'


@dataclass
class FakeBridge:
    """What the entries ask, and what they are told."""

    address: str
    pages: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    calls: list[tuple[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    close: dict[str, Any] = field(default_factory=lambda: {"saved": False, "before": "", "notice": None})
    steps: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Answers to conversions, in order."""
    refusals: list[tuple[str, int, str]] = field(default_factory=list)
    """Route, status and message of calls that are refused, each once."""
    listed: str = ""

    def show(self, path: str, body: str | bytes, headers: dict[str, str] | None = None) -> str:
        """Serve a page, with our tag in it; give its address."""
        raw = body if isinstance(body, bytes) else body.encode()
        headers = headers or {"Content-Type": "text/html; charset=UTF-8", "Content-Security-Policy": POLICY}
        it = Injector(tag(f"{PREFIX}menu.js", nonce_of([headers.get("Content-Security-Policy", "")])))
        self.pages[path] = (it.feed(raw) + it.end(), headers)
        return self.address + path

    def asked(self, route: str) -> list[Any]:
        return [body for name, body in self.calls if name == route]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/list":
            return web.Response(text=self.listed, content_type="text/html")
        if request.path_qs in self.pages:
            raw, headers = self.pages[request.path_qs]
            return web.Response(body=raw, headers=headers)
        if request.path.startswith(PREFIX):
            return await self._answer(request, request.path.removeprefix(PREFIX))
        return web.Response(status=404)

    async def _answer(self, request: web.Request, route: str) -> web.StreamResponse:
        if route in {"menu.js", "menu.css"}:
            return web.FileResponse(STATIC / route)
        body = None
        if request.method == "POST":
            assert request.headers["Content-Type"] == "application/json"
            body = await request.json()
        self.calls.append((route, body or dict(request.query)))
        for refusal in self.refusals:
            if refusal[0] == route:
                self.refusals.remove(refusal)
                return web.json_response({"error": True, "message": refusal[2]}, status=refusal[1])
        if route == "open":
            text = EDITOR.replace("{guid}", request.query["guid"])
            return web.Response(text=text, content_type="text/html")
        status, said = self._said(route, body or request.query)
        return web.json_response(said, status=status)

    def _said(self, route: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        match route:
            case "menu.json":
                return 200, menu(asked["lang"])
            case "create":
                made = file_of("made-1", f"{asked['name']}.{asked['kind']}", asked["place"])
                return 200, {"file": made, "open": f"{PREFIX}open?guid=made-1&mode=edit"}
            case "close":
                return 200, self.close
            case "convert":
                return self.steps.pop(0)
            case _:
                return 200, {"notices": self.lines}


EDITOR = """<!DOCTYPE html><html><body data-document="cap-{guid}" data-framed="1">The editor
<button>Done</button><script>
const close = () => parent.postMessage({onlyofficeBridge: 'close'}, location.origin);
document.querySelector('button').onclick = close;
addEventListener('message', (event) => { document.body.dataset.told = event.data.onlyofficeBridge; close(); });
</script></body></html>"""


def file_of(guid: str, name: str, place: str) -> dict[str, Any]:
    told = {"guid": guid, "name": name, "size": 7, "mimeType": "application/octet-stream"}
    return {"guid": guid, "name": name, "size": 7, "mime": "", "url": "", "place": place, "humhub": told}


@asynccontextmanager
async def fake_bridge() -> AsyncIterator[FakeBridge]:
    port = fresh_port()
    it = FakeBridge(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", it.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield it
    finally:
        await runner.cleanup()


def recorded(directory: Path, name: str) -> tuple[str, str | bytes, dict[str, str]]:
    """Give a recorded exchange: its target, its body and the headers that count in a browser."""
    it = json.loads((directory / f"{name}.json").read_text("utf-8"))
    body = it["response"]["body"]
    raw = (directory / body["file"]).read_bytes() if isinstance(body, dict) else body
    kept = {"Content-Type", "Content-Security-Policy"}
    target = it["request"]["url"].split("/", 3)[3]
    return f"/{target}", raw, {name: value for name, value in it["response"]["headers"] if name in kept}
