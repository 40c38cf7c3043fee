"""Answering with a file: its name, and one range of it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from urllib.parse import quote

from bridge.demo.humhub.answers import Answer, HumHubError, Piece
from bridge.demo.humhub.call import Call

# Source: the file module's inlineMimeTypes.
INLINE = {"application/pdf", "application/x-pdf", "image/gif", "image/png", "image/jpeg"}


def send_file(
    call: Call,
    path: Path,
    *,
    size: int,
    name: str,
    mime: str,
    kept: dict[str, str] | None = None,
    inline: bool = False,
) -> Answer:
    """Answer with a file or one range of it; several ranges, or one beyond its end, are a 416.

    `kept` are headers that were set before, and that a 416 has too; `inline` lets the browser show the file.
    """
    wanted = call.request.headers.get("Range")
    start, end = _range(wanted, size, kept or {})
    answer = Answer(status=206 if wanted else 200, content_type=mime, body=Piece(path, start, end - start + 1))
    answer.headers.update({"Cache-Control": "must-revalidate, post-check=0, pre-check=0", **(kept or {})})
    answer.headers.update({"Pragma": "public", "Expires": "0", "Accept-Ranges": "bytes"})
    if wanted:
        answer.headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    answer.headers["Content-Disposition"] = disposition(name, "inline" if inline else "attachment")
    answer.forgets_cache_rules = True
    return answer


def _range(header: str | None, size: int, kept: dict[str, str]) -> tuple[int, int]:
    if header is None:
        return 0, size - 1
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if match and any(match.groups()):
        first, last = match.groups()
        start = int(first) if first else max(size - int(last), 0)
        end = min(int(last), size - 1) if first and last else size - 1
        if start <= end:
            return start, end
    raise HumHubError(416, "Requested range unsatisfiable", {**kept, "Content-Range": f"bytes */{size}"})


def disposition(name: str, kind: str = "attachment") -> str:
    """Write Content-Disposition: an ASCII name, and the whole one where that differs from its percent-encoding."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    fallback = re.sub(r"[%/\\]", "_", ascii_name).replace('"', '\\"')
    encoded = quote(name, safe="")
    return f'{kind}; filename="{fallback}"' + (f"; filename*=utf-8''{encoded}" if encoded != name else "")
