"""What Docs fetches: the document and the module's empty file."""

from __future__ import annotations

from bridge.demo.humhub import samples, serving, tokens
from bridge.demo.humhub.answers import Answer, HumHubError
from bridge.demo.humhub.call import Call
from bridge.demo.humhub.formats import mime_of


def find_document(call: Call) -> None:
    """Find the file by the key inside `doc=`; a hash without key finds the first file that has none."""
    claims = tokens.read_hash(call)
    call.file = call.hub.store.with_key(claims.get("key"))
    if call.file is None and not claims.get("isEmpty"):
        raise HumHubError(404, "Could not find requested file!")


async def download(call: Call) -> Answer:
    _check(call)
    file = call.the_file()
    return serving.send_file(call, file.path, size=file.size, name=file.name, mime="application/octet-stream")


async def empty_file(call: Call) -> Answer:
    _check(call)
    path = call.hub.store.directory / "new.docx"
    if not path.exists():
        path.write_bytes(samples.new_document("docx"))
    return serving.send_file(call, path, size=path.stat().st_size, name="new.docx", mime=mime_of("docx"))


def _check(call: Call) -> None:
    if call.hub.settings.secret:
        tokens.verify(call, tokens.header_token(call))
