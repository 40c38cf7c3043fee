"""Converting a file to OOXML: the modal, and the step that it repeats until Docs is done."""

from __future__ import annotations

from bridge.demo.humhub import opening, panels
from bridge.demo.humhub.answers import Answer, HumHubError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.formats import FORMATS
from bridge.demo.humhub.outgoing import FetchError


def find_file(call: Call) -> None:
    """Find the file; a reader may convert it too, the module asks for no more."""
    opening.find_file(call)
    found = FORMATS.get(call.the_file().extension)
    if found is None or found.convert is None:
        raise HumHubError(400, "Could not convert this file")


async def index(call: Call) -> Answer:
    return html(panels.convert(call, call.the_file()))


async def convert(call: Call) -> Answer:
    """Ask Docs once; when it has ended, fetch the result, whatever it is, and let it replace the file."""
    file = call.the_file()
    key = await call.document_key()
    doc = call.hub.document_hash(key, call.user.guid if call.user else None)
    url = (call.hub.settings.storage_url or call.origin) + call.links.to("onlyoffice/backend/download", doc=doc)
    result = await call.hub.outgoing.convert(
        url,
        from_ext=file.extension,
        to_ext=FORMATS[file.extension].convert or "",
        key=f"{key}{call.parameter('ts') or ''}",
        run_async=True,
    )
    if result.get("endConvert"):
        try:
            body = await call.hub.outgoing.fetch(str(result.get("fileUrl")))
        except FetchError as error:
            raise HumHubError(500, "An internal server error occurred.") from error
        call.hub.store.replace(file, body)
        file.key, file.name = None, call.parameter("newName") or file.name
    return as_json(result)
