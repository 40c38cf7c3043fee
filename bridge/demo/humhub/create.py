"""Creating a document: the choice of a kind, the form, and the new file."""

from __future__ import annotations

from bridge.demo.humhub import panels, samples
from bridge.demo.humhub.answers import Answer, InternalError, as_json, html
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.formats import NEW_DOCUMENTS, mime_of
from bridge.demo.humhub.infos import infos


async def index(call: Call) -> Answer:
    return html(panels.create_index(call))


async def document(call: Call) -> Answer:
    extension = call.parameter("extension") or ""
    if call.request.method != "POST":
        return html(panels.create_form(call, extension))
    name = call.form.get("CreateDocument[fileName]", "").strip()
    if not name:
        return as_json({"success": False, "output": panels.create_form(call, extension, missing=True)})
    if extension not in NEW_DOCUMENTS or call.user is None:
        raise InternalError(f"no template for {extension}")
    body = call.hub.store.receive_bytes(samples.new_document(extension))
    file = call.hub.store.add(f"{name}.{extension}", call.user.username, mime_of(extension), body)
    return as_json(
        {
            "success": True,
            "file": infos(call, file, fresh=True),
            "openFlag": call.form.getall("CreateDocument[openFlag]", ["1"])[-1] != "0",
            "openUrl": call.links.to("onlyoffice/open", guid=file.guid, mode="edit"),
        }
    )
