"""Looks at bridge.yaml as a whole: what each value alone can't show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic_core import PydanticCustomError

from bridge.config import addresses, scalars
from bridge.config.faults import Place, Remark, dotted

__all__ = ["faults", "warnings"]

_T = TypeVar("_T")
Tree = dict[Any, Any]
_UPSTREAM = 'Add the server\'s address, such as upstream: "http://humhub.web.lan".'
_LEGS = ("browser", "docs", "humhub", "admin")
# php-jwt 7, in HumHub, and RFC 7518 for HS256.
_SHORTEST = 32
# The same for HS512, with which HumHub's rest module signs.
_SHORTEST_FOR_REST = 64


def faults(tree: Tree) -> Iterator[Remark]:
    """Find what keeps the bridge from working."""
    for check in (_empty, _upstreams, _names, _hosts, _listens, _admin_token, _docs_path, _short_secrets, _memory):
        yield from check(tree)


def warnings(tree: Tree) -> Iterator[Remark]:
    """Find what is worth a look."""
    for check in (_unsigned, _guessable, _plain_url):
        yield from check(tree)


def _at(tree: Any, *place: str | int) -> Any:
    """Give the value at a place, or None where the tree is shaped otherwise."""
    for step in place:
        try:
            tree = tree[step]
        except (LookupError, TypeError):
            return None
    return tree


def _items(tree: Tree, *place: str) -> list[Any]:
    found = _at(tree, *place)
    return found if isinstance(found, list) else []


def _parsed(parse: Callable[[Any], _T], value: Any) -> _T | None:
    """Read a value that may be wrong, which was said already."""
    try:
        return parse(value)
    except PydanticCustomError:
        return None


def _empty(tree: Tree) -> Iterator[Remark]:
    for place, what in ((("sites",), "HumHub"), (("docs", "nodes"), "ONLYOFFICE Docs")):
        if _at(tree, *place) == []:
            yield Remark(place, f"there is no {what}", f"Add one entry with name and upstream below {dotted(place)}.")


def _upstreams(tree: Tree) -> Iterator[Remark]:
    for index, site in enumerate(_items(tree, "sites")):
        upstream, directory = _at(site, "upstream"), _at(site, "directory")
        here = ("sites", index)
        if not isinstance(site, dict):
            continue
        if upstream is None and directory is None:
            yield Remark((*here, "upstream"), "upstream is missing", _UPSTREAM)
        elif upstream is not None and directory is not None:
            yield Remark((*here, "directory"), "a site is either a HumHub or a directory", "Leave one of the two out.")
        elif directory is not None and _at(site, "mode") != "connector":
            yield Remark((*here, "mode"), "a directory has no module to relay", "Write mode: connector.")


def _twice(found: list[tuple[Place, str | None]], what: str) -> Iterator[Remark]:
    first: dict[str, Place] = {}
    for place, text in found:
        if text is not None and first.setdefault(text, place) != place:
            yield Remark(
                place, f"the {what} {text} is taken by {dotted(first[text])}", f"Give each a {what} of its own."
            )


def _names(tree: Tree) -> Iterator[Remark]:
    for where in (("sites",), ("docs", "nodes")):
        items = _items(tree, *where)
        yield from _twice(
            [((*where, i, "name"), _parsed(scalars.parse_name, _at(item, "name"))) for i, item in enumerate(items)],
            "name",
        )


def _hosts(tree: Tree) -> Iterator[Remark]:
    sites = _items(tree, "sites")
    found: list[tuple[Place, str | None]] = []
    for index, site in enumerate(sites):
        hosts = _at(site, "hosts")
        if len(sites) > 1 and isinstance(site, dict) and not hosts:
            remedy = "Add what browsers call it, such as hosts: [social.example.com]."
            yield Remark(("sites", index, "hosts"), "with several sites each needs its hosts", remedy)
        for at, host in enumerate(hosts if isinstance(hosts, list) else []):
            found.append((("sites", index, "hosts", at), _parsed(addresses.parse_host_name, host)))
    yield from _twice(found, "host")


def _listens(tree: Tree) -> Iterator[Remark]:
    before: list[tuple[str, addresses.Listen]] = []
    for leg in _LEGS:
        written = _at(tree, "legs", leg, "listen")
        listen = _parsed(addresses.parse_listen, "127.0.0.1:8083" if written is None and leg == "admin" else written)
        if listen is None:
            continue
        other = next((name for name, taken in before if taken.clashes(listen)), None)
        if other:
            remedy = "Give each leg an address or a port of its own."
            yield Remark(("legs", leg, "listen"), f"{listen} is taken by legs.{other}", remedy)
        before.append((leg, listen))


def _admin_token(tree: Tree) -> Iterator[Remark]:
    listen = _parsed(addresses.parse_listen, _at(tree, "legs", "admin", "listen"))
    if listen is not None and not listen.loopback and _at(tree, "legs", "admin", "token") in (None, ""):
        yield Remark(
            ("legs", "admin", "token"),
            f"the admin leg listens on {listen}, beyond this machine, and has no token",
            'Add token: "${ADMIN_TOKEN}", or listen on "127.0.0.1:8083".',
        )


def _docs_path(tree: Tree) -> Iterator[Remark]:
    path = _parsed(scalars.parse_docs_path, _at(tree, "docs", "path") or "/ds")
    for index, site in enumerate(_items(tree, "sites")):
        base = _parsed(scalars.parse_base_path, _at(site, "base_path"))
        if path and base and f"{base}/".startswith(f"{path}/"):
            yield Remark(
                ("sites", index, "base_path"),
                f"{base} lies below docs.path {path}, where browsers find ONLYOFFICE Docs",
                "Change docs.path to a path that HumHub doesn't use, such as /ds.",
            )


def _memory(tree: Tree) -> Iterator[Remark]:
    """See that a page or message of the largest size can be read at all; other bodies are streamed."""
    whole = _parsed(scalars.parse_size, _at(tree, "limits", "memory") or "256MiB")
    for name, usual in (("page", "8MiB"), ("websocket_message", "100MiB")):
        one = _parsed(scalars.parse_size, _at(tree, "limits", name) or usual)
        if whole is not None and one is not None and whole < one:
            yield Remark(
                ("limits", "memory"),
                f"less than limits.{name}, so that one of that size could never be read",
                "Raise it to twice that at least, or lower the other.",
            )


def _rings(tree: Tree) -> Iterator[tuple[Place, Any, bool]]:
    """Give each key ring with its place, and whether it is HumHub's."""
    for index, site in enumerate(_items(tree, "sites")):
        if _at(site, "mode") != "connector":  # which has no module that would sign anything
            yield ("sites", index, "jwt"), _at(site, "jwt"), True
    jwt = _at(tree, "docs", "jwt")
    if isinstance(jwt, dict) and {"browser", "inbox", "outbox"} & jwt.keys():
        for name, ring in jwt.items():
            yield ("docs", "jwt", str(name)), ring, False
    else:
        yield ("docs", "jwt"), jwt, False


def _short(tree: Tree, *, humhub: bool) -> Iterator[tuple[Place, int]]:
    for place, ring, of_humhub in _rings(tree):
        for index, secret in enumerate(_items(ring, "secrets") if of_humhub == humhub else []):
            if isinstance(secret, str) and 0 < len(secret.encode()) < _SHORTEST:
                yield (*place, "secrets", index), len(secret.encode())


def _short_secrets(tree: Tree) -> Iterator[Remark]:
    for place, length in _short(tree, humhub=True):
        yield Remark(
            place,
            f"the secret has {length} bytes; HumHub's php-jwt refuses fewer than {_SHORTEST}, and no page would open",
            "Set a longer one here and in HumHub's ONLYOFFICE module, such as that of: openssl rand -hex 32",
        )
    for index, site in enumerate(_items(tree, "sites")):
        key = _at(site, "rest", "secret")
        if isinstance(key, str) and 0 < len(key.encode()) < _SHORTEST_FOR_REST:
            yield Remark(
                ("sites", index, "rest", "secret"),
                f"the key has {len(key.encode())} bytes; HumHub's php-jwt refuses fewer than {_SHORTEST_FOR_REST}",
                "Copy the key of HumHub's rest module; if it is that short, have a new one made there.",
            )
    own = _at(tree, "secret")
    if isinstance(own, str) and 0 < len(own.encode()) < _SHORTEST:
        remedy = "Remove the file, and the bridge makes a good one; or: openssl rand -hex 32"
        yield Remark(("secret",), f"the secret has {len(own.encode())} bytes and can be guessed", remedy)


def _guessable(tree: Tree) -> Iterator[Remark]:
    for place, length in _short(tree, humhub=False):
        remedy = (
            "Set a longer one here and in Docs' local.json (or its JWT_SECRET), such as that of: openssl rand -hex 32"
        )
        yield Remark(place, f"the secret has {length} bytes; shorter than {_SHORTEST} it can be guessed", remedy)


def _unsigned(tree: Tree) -> Iterator[Remark]:
    for place, ring, humhub in _rings(tree):
        if isinstance(ring, dict) and not ring.get("secrets"):
            side = "HumHub" if humhub else "ONLYOFFICE Docs"
            yield Remark(
                (*place, "secrets"),
                f"NOTHING IS SIGNED: whoever reaches the bridge can speak as {side}, read documents and replace them",
                f'Set a secret in {side}, and name it here: secrets: ["${{NAME}}"].',
            )


def _plain_url(tree: Tree) -> Iterator[Remark]:
    for leg in _LEGS:
        url = _parsed(addresses.parse_url, _at(tree, "legs", leg, "url"))
        if url is not None and url.scheme == "http" and _at(tree, "legs", leg, "tls"):
            remedy = f'Write url: "{url.with_scheme("https")}", or leave tls out.'
            yield Remark(("legs", leg, "url"), "the leg speaks TLS, and its clients are sent to http", remedy)
