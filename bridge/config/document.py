"""The text of bridge.yaml to plain values, with the line and column of each; what isn't YAML is said as faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bridge.config.faults import ConfigurationFaults, Fault, Place, Remark, dotted

__all__ = ["Document", "read"]

Position = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and where each of them stands: line and column, from 1, of its value and of its key."""

    file: Path
    tree: dict[Any, Any]
    values: dict[Place, Position]
    keys: dict[Place, Position]
    remarks: list[Remark] = field(default_factory=list)

    def fault(self, remark: Remark) -> Fault:
        """Give a remark its line: that of its place, or of the nearest one around it that is written down."""
        place = remark.place
        positions = self.keys if remark.at_key else self.values
        while place and place not in positions:
            place, positions = place[:-1], self.keys
        line, column = positions.get(place, (None, None))
        return Fault(self.file, line, column, dotted(remark.place), remark.message, remark.remedy)

    def holds(self, place: Place) -> bool:
        """Say whether the file itself has that place."""
        return place in self.values


def read(file: Path) -> Document:
    """Read a file.

    Raises:
        ConfigurationFaults: it isn't there, isn't text, isn't YAML or isn't a mapping.
    """
    text = _text(file)
    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True  # every one of them is found below, not only the first
    try:
        node = yaml.compose(text)
        tree = yaml.load(text)
    except YAMLError as error:
        raise ConfigurationFaults((_syntax(file, error),)) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(file, f"a value can't be read: {error}", "Put it in quotes.") from error
    if not isinstance(node, MappingNode):
        what = "is empty" if node is None else "doesn't begin with names and values"
        raise _unreadable(file, f"the file {what}", "Begin with the bridge.yaml that comes with the bridge.")
    document = Document(file, tree, {}, {})
    _locate(document, node, (), ())
    return document


def _unreadable(file: Path, message: str, remedy: str, line: int | None = None) -> ConfigurationFaults:
    return ConfigurationFaults((Fault(file, line, None, "", message, remedy),))


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except FileNotFoundError as error:
        raise _unreadable(
            file, "there is no such file", "Name another with -c, or copy the bridge.yaml of the bridge."
        ) from error
    except IsADirectoryError as error:
        raise _unreadable(
            file, "this is a directory", f"Name the file in it, such as {file / 'bridge.yaml'}."
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise _unreadable(file, f"it can't be read: {why}", "Let the user that runs the bridge read it.") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _unreadable(file, "the file is not UTF-8 text", "Save it as UTF-8.", line) from error


def _syntax(file: Path, error: YAMLError) -> Fault:
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error).partition("\n")[0]
    line, column = _position(mark) if mark is not None else (None, None)
    return Fault(file, line, column, "", f"this is not YAML: {problem}", _syntax_remedy(problem))


def _syntax_remedy(problem: str) -> str:
    if "\\t" in problem:
        return "Indent with spaces: YAML takes no tabs."
    if "expected ',' or" in problem:
        return 'Close the bracket, and put "${NAME}" and texts with brackets or commas in quotes.'
    if "mapping values are not allowed" in problem:
        return 'Align it with its neighbours; put a text that holds ": " in quotes.'
    if "tag" in problem:
        return 'Write a plain value: a secret is "${NAME}" or "file:NAME".'
    if "another document" in problem:
        return 'Keep one document: take the line "---" away.'
    return "Look at the indentation, quotes and brackets of this line and of the one before."


def _position(mark: StringMark) -> Position:
    return mark.line + 1, mark.column + 1


def _locate(document: Document, node: Node, place: Place, around: tuple[int, ...]) -> None:
    """Note where ``node`` and all below it stand, and remark on names that come twice."""
    if id(node) in around:
        remark = Remark(
            place, "this value contains itself", "Write it out instead of pointing to it with *.", at_key=True
        )
        raise ConfigurationFaults((document.fault(remark),))
    written = not isinstance(node, ScalarNode) or node.value != "" or node.style is not None
    document.values[place] = _position(node.start_mark) if written else document.keys.get(place, (1, 1))
    around = (*around, id(node))
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            document.keys[(*place, index)] = _position(item.start_mark)
            _locate(document, item, (*place, index), around)
    elif isinstance(node, MappingNode):
        _locate_names(document, node, place, around)


def _locate_names(document: Document, node: MappingNode, place: Place, around: tuple[int, ...]) -> None:
    for key, value in node.value:
        inner = (*place, str(key.value))
        position = _position(key.start_mark)
        if inner in document.keys:
            document.remarks.append(
                Remark(
                    inner,
                    f"the name stands in lines {document.keys[inner][0]} and {position[0]}",
                    "Keep one of them.",
                    at_key=True,
                )
            )
        document.keys[inner] = position
        _locate(document, value, inner, around)
