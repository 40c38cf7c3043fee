"""Load bridge.yaml: read it, put references in place, make values of it, and look at it as a whole.

Theory of operation. Each step reports all that it finds and leaves ``UNKNOWN`` behind for what it could not read, so
that the steps after it still see the rest, and an administrator sees every fault at once. Only a text that isn't YAML
ends the work early. The looks at the whole (``checks.py``) work on the plain tree, not on the values: those exist only
once nothing is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from bridge.config import checks
from bridge.config.document import Document, read
from bridge.config.faults import ConfigurationFaults, Fault, Place, Remark, dotted
from bridge.config.references import UNKNOWN, References
from bridge.config.values import Config
from bridge.config.vocabulary import names_at, nearest

__all__ = ["Loaded", "load"]

_CONFIG = TypeAdapter(Config)
_HUMHUB_SECRET, _DOCS_SECRET = "${HUMHUB_JWT}", "${DOCS_JWT}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that loads, and what is worth a look all the same."""

    config: Config
    warnings: tuple[Fault, ...]


def load(path: Path, *, make_secret: bool = False, environ: Mapping[str, str] | None = None) -> Loaded:
    """Load the configuration in ``path``.

    Args:
        path: bridge.yaml; what it names relatively begins at its directory.
        make_secret: write the bridge's own secret where its file is missing; else it is made up for this time.
        environ: where ``${NAME}`` is looked up; the process's environment by default.

    Raises:
        ConfigurationFaults: with every fault that there is.
    """
    document = read(path)
    references = References(path.parent, os.environ if environ is None else environ, make_secret)
    tree = references.resolve(_completed(document.tree))
    faults = [*document.remarks, *references.faults]
    config = None
    try:
        config = _CONFIG.validate_python(tree, context={"directory": path.parent})
    except ValidationError as error:
        faults += _explained(document, error)
    faults += checks.faults(tree)
    warnings = _placed(document, [*references.warnings, *checks.warnings(tree)])
    if config is None or faults:
        raise ConfigurationFaults(_placed(document, faults), warnings)
    return Loaded(config, warnings)


def _placed(document: Document, remarks: list[Remark]) -> tuple[Fault, ...]:
    found = {document.fault(remark): None for remark in remarks}
    return tuple(sorted(found, key=lambda fault: (fault.line or 0, fault.column or 0)))


def _completed(tree: dict[Any, Any]) -> dict[Any, Any]:
    """Add the defaults that are references or paths, which are read like those in the file."""
    # A section whose settings are all commented out is there, and empty.
    written = {name: {} if inner is None and names_at((str(name),)) else inner for name, inner in tree.items()}
    tree = {"secret": "file:./data/secret", **written}
    for name, inner, default in (
        ("saves", "directory", "./data/saves"),
        ("store", "url", "sqlite:///./data/bridge.db"),
    ):
        if isinstance(section := tree.get(name, {}), dict):
            tree[name] = {inner: default, **section}
    if isinstance(sites := tree.get("sites"), list):
        tree["sites"] = [_with_ring(site, *_humhub_secrets(site)) for site in sites]
    if isinstance(docs := tree.get("docs"), dict):
        tree["docs"] = _with_ring(docs, _DOCS_SECRET)
    return tree


def _humhub_secrets(site: Any) -> tuple[str, ...]:
    """Give the usual secrets of a site: none where there is no module that would sign anything."""
    return () if isinstance(site, dict) and site.get("mode") == "connector" else (_HUMHUB_SECRET,)


def _with_ring(owner: Any, *secrets: str) -> Any:
    if not isinstance(owner, dict) or not isinstance(ring := owner.get("jwt") or {}, dict):
        return owner
    if {"browser", "inbox", "outbox"} & ring.keys():
        rings = {name: {"secrets": [*secrets], **one} if isinstance(one, dict) else one for name, one in ring.items()}
        return {**owner, "jwt": rings}
    return {**owner, "jwt": {"secrets": [*secrets], **ring}}


def _explained(document: Document, error: ValidationError) -> Iterator[Remark]:
    for detail in error.errors(include_url=False):
        if detail["input"] is not UNKNOWN:
            yield _explain(document, detail)


def _explain(document: Document, detail: ErrorDetails) -> Remark:
    """Say in the words of bridge.yaml what a detail of pydantic's means."""
    place: Place = tuple(detail["loc"])
    name = str(place[-1]) if place else ""
    match detail["type"]:
        case "missing":
            return Remark(place, f"{name} is missing", _example(place))
        case "unexpected_keyword_argument" | "invalid_key":
            place = (*place[:-1], name)
            return Remark(place, f"the name {name} is not known", nearest(name, place[:-1]), at_key=True)
        case "refused":
            message, remedy = detail["ctx"]["message"], detail["ctx"]["remedy"]
        case "enum":
            message, remedy = f"{detail['input']} is not known here", f"Write {detail['ctx']['expected']}."
        case "dataclass_type":
            message = "names and values are expected here"
            remedy = f"Write below it what it needs: {', '.join(names_at(place))}."
        case "tuple_type":
            message, remedy = (
                "a list is expected here",
                'Write it in brackets, such as ["…"], or with "- " before each.',
            )
        case _:
            message, remedy = detail["msg"], f"Correct {dotted(place)}."
    while place and not document.holds(place):
        place = place[:-1]
    return Remark(place, message, remedy)


_EXAMPLES = {
    "legs": 'Add "legs:" with browser, docs and humhub, each with listen and url.',
    "sites": 'Add "sites:" with one HumHub: "- {name: social, upstream: http://humhub.web.lan}".',
    "docs": 'Add "docs:" with nodes: "[{name: docs-1, upstream: http://docs1.docs.lan}]".',
    "nodes": 'Add one ONLYOFFICE Docs: "nodes: [{name: docs-1, upstream: http://docs1.docs.lan}]".',
    "listen": 'Add the address to listen on, such as listen: "10.0.2.1:8081".',
    "url": 'Add the address that is called, such as url: "http://bridge.docs.lan:8081".',
    "upstream": 'Add the server\'s address, such as upstream: "http://humhub.web.lan".',
    "name": "Add a short name, such as name: social.",
}


def _example(place: Place) -> str:
    name = str(place[-1])
    if len(place) > 1 and names_at(place):
        return f"Add {name}: with {', '.join(names_at(place))}."
    return _EXAMPLES.get(name, f"Add {name} here.")
