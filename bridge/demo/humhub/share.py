"""Share links: open to whoever has one."""

from __future__ import annotations

import secrets

from bridge.demo.humhub import opening, panels
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call


def find_file(call: Call) -> None:
    opening.find_file(call)
    if call.mode != "edit":
        raise HumHubError(400, "Could not share when in edit mode!")


async def index(call: Call) -> Answer:
    return html(panels.share(call, call.the_file()))


async def get(call: Call) -> Answer:
    mode = _mode(call)
    secret = _existing(call, mode)
    if secret is None:
        secret = secrets.token_hex(25)
        call.hub.shares[secret] = (call.the_file().guid, mode)
    return as_json({"url": call.origin + call.links.to("onlyoffice/open", share=secret)})


async def remove(call: Call) -> Answer:
    secret = _existing(call, _mode(call))
    if secret is not None:
        del call.hub.shares[secret]
    return as_json({"success": True})


def _mode(call: Call) -> str:
    return "edit" if call.form.get("shareMode") == "edit" else "view"


def _existing(call: Call, mode: str) -> str | None:
    wanted = (call.the_file().guid, mode)
    return next((secret for secret, found in call.hub.shares.items() if found == wanted), None)
