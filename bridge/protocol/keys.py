"""Document keys: what they look like, and the key inside HumHub's ``doc=`` and inside the paths of Docs' files."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

from bridge.protocol.errors import BadRequestError, RefusedError

__all__ = ["DocHash", "is_key", "key_of_file", "read_doc_hash", "stem"]

# Source: protocol facts, "Keys". HumHub's have 20 hex digits, its conversions append a timestamp.
_KEY = re.compile(r"[0-9A-Za-z._=-]{1,128}")
# `data/{key}_{n}` for saves, `data/conv_{key}_{n}` for conversions; what a session opened and images lie under the
# plain key, and so do forgotten files.
_FILE = re.compile(
    r"/(?:storage-)?cache/files/(?:"
    r"data/(?P<open>[^/]+)/(?:media/|Editor\.bin|origin\.)"
    r"|data/(?:conv_)?(?P<saved>[^/]+?)(?:_\d+)?/"
    r"|forgotten/(?P<forgotten>[^/]+)/)"
)
_AFFIXES = re.compile(r"^(?:conv_)+|(?:_\d+)+$")


@dataclass(frozen=True, slots=True)
class DocHash:
    """HumHub's ``doc=``: a JWT by a secret of HumHub's own, so that its claims can be read here and not verified.

    ``key`` is the document's; an ``empty`` one names the module's empty file and no document. HumHub resolves an empty
    hash on download and track to *the first file that has no key*, so it must never get there.
    """

    key: str | None
    empty: bool


def is_key(value: object) -> bool:
    """Say whether ``value`` can be a document key."""
    return isinstance(value, str) and _KEY.fullmatch(value) is not None


def read_doc_hash(doc: str) -> DocHash:
    """Read the claims of a ``doc=`` value.

    Raises:
        BadRequestError: it isn't a JWT, or names neither a key nor the empty file.
    """
    try:
        _, body, _ = doc.split(".")
        claims: Any = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError as error:
        raise BadRequestError("The doc parameter is not one of HumHub's.", doc=doc[:40]) from error
    if isinstance(claims, dict):
        if claims.get("isEmpty"):
            return DocHash(None, empty=True)
        if is_key(claims.get("key")):
            return DocHash(claims["key"], empty=False)
    raise BadRequestError("The doc parameter names no document.", doc=doc[:40])


def key_of_file(path: str) -> str:
    """Give the document key inside the path of a Docs file, such as ``/cache/files/data/{key}_{n}/output.docx/…``.

    The ``shardkey`` in the query of such a URL can be another document's, the path can't.

    Raises:
        RefusedError: the path holds no key.
    """
    match = _FILE.search(path)
    key = match and (match["open"] or match["saved"] or match["forgotten"])
    if not is_key(key):
        raise RefusedError("That is no file of ONLYOFFICE Docs.", path=path)
    return str(key)


def stem(key: str) -> str:
    """Give what a key and the paths of all its files have in common.

    A path doesn't say whether what looks like an affix of Docs' is one or belongs to the key: ``data/conv_a_1_65/`` can
    be a conversion of ``a_1`` or a save of ``conv_a_1``. Without all of them, either reading gives the same.
    """
    return _AFFIXES.sub("", key)
