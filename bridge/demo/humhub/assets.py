"""The files that pages load: this HumHub's own, and those of the module where it is there."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from aiohttp import web

from bridge.demo.humhub.settings import HumHubSettings

STATIC = Path(__file__).parent / "static"
MODULE = "humhub.onlyoffice.js"


def find(request: web.Request, settings: HumHubSettings) -> web.Response | None:
    """Answer with an asset; None where the request is for something else."""
    for prefix in ("/static/", "/assets/onlyoffice/"):
        if request.path.startswith(settings.base_path + prefix):
            path = STATIC / request.path[len(settings.base_path + prefix) :]
            gone = path.name == MODULE and not settings.onlyoffice
            if gone or path.parent != STATIC or not path.is_file():
                return web.Response(status=404, text="404")
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            return web.Response(body=path.read_bytes(), headers={"Content-Type": kind, "Cache-Control": "no-cache"})
    return None
