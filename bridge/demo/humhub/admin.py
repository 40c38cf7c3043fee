"""The module's settings page; saving tries the connection the way the module does."""

from __future__ import annotations

import time

from bridge.demo.humhub import pages
from bridge.demo.humhub.answers import Answer, HumHubError
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.outgoing import FetchError

FIELDS = {
    "serverUrl": "server_url",
    "internalServerUrl": "internal_server_url",
    "storageUrl": "storage_url",
    "jwtSecret": "secret",
}


async def index(call: Call) -> Answer:
    _only_admin(call)
    if call.request.method == "POST":
        return await save(call)
    return pages.settings(call)


async def save(call: Call) -> Answer:
    _only_admin(call)
    given = {own: call.form.get(f"ConfigureForm[{name}]") for name, own in FIELDS.items()}
    call.hub.reconfigure(**{own: value.rstrip("/") for own, value in given.items() if value is not None})
    header = call.form.get("ConfigureForm[jwtHeader]")
    if header is not None:
        call.hub.reconfigure(header=header or "Authorization")
    trouble, version = await _try_connection(call)
    if trouble:
        call.hub.connection_note = ("danger", f"Error when trying to connect ({trouble})")
    else:
        call.hub.connection_note = ("success", f"Successfully connected! - Installed version: {version}")
    return pages.redirect(call, call.origin + call.links.to("onlyoffice/admin"))


async def _try_connection(call: Call) -> tuple[str, str]:
    """Ask for the version, the health, and a conversion of the empty file, whose result is fetched."""
    out, internal = call.hub.outgoing, call.hub.settings.internal_url
    answer = await out.command({"c": "version"})
    version = str(answer.get("version", ""))
    if not version:
        return str(answer.get("error") or "no version"), ""
    try:
        if await out.text(f"{internal}/healthcheck") != "true":
            return "Bad healthcheck status", version
        doc = call.hub.document_hash(None, call.user.guid if call.user else None, empty=True)
        url = (call.hub.settings.storage_url or call.origin) + call.links.to("onlyoffice/backend/empty-file", doc=doc)
        key = f"check_{int(time.time() * 1000)}"
        result = await out.convert(url, from_ext="docx", to_ext="docx", key=key, run_async=False)
        if "fileUrl" not in result:
            return str(result.get("error") or "no result"), version
        body = await out.fetch(str(result["fileUrl"]))
    except FetchError as error:
        return str(error), version
    # Whatever it holds: the module looks for errors below HTTP alone.
    body.discard()
    return "", version


def _only_admin(call: Call) -> None:
    if call.user is None or not call.user.admin:
        raise HumHubError(403, "You are not allowed to perform this action.")
