from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bridge.config import ConfigurationFaults, Loaded, load

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST = (Path(__file__).parent.parent / "data/smallest.yaml").read_text()
ENVIRON = {
    "HUMHUB_JWT": "humhub-secret-0123456789abcdef0123456789",
    "DOCS_JWT": "docs-secret-0123456789abcdef0123456789",
}


@pytest.mark.parametrize(
    ("content", "line", "message", "remedy"),
    [
        (b"", None, "the file is empty", "bridge.yaml"),
        (b"# nothing but this\n", None, "the file is empty", "bridge.yaml"),
        (b"- a\n", None, "doesn't begin with names", "bridge.yaml"),
        (b"just words\n", None, "doesn't begin with names", "bridge.yaml"),
        (b"legs:\n\tbrowser: {}\n", 2, "this is not YAML", "spaces"),
        (b"log: {level: info\nworkers: 1\n", 2, "this is not YAML", "bracket"),
        (b"docs:\n  jwt: {secrets: [${DOCS_JWT}]}\n", 2, "this is not YAML", "in quotes"),
        (b"log: a: b\n", 1, "this is not YAML", "quotes"),
        (b"secret: !vault x\n", 1, "this is not YAML", "file:NAME"),
        (b"log: {}\n---\nlog: {}\n", 2, "this is not YAML", "---"),
        (b"log: *nowhere\n", 1, "this is not YAML", "Look at"),
        (b"log: &log\n  level: *log\n", 2, "contains itself", "Write it out"),
        (b"log: {}\naudit: {file: caf\xe9}\n", 2, "not UTF-8", "UTF-8"),
        ("log: {}\n".encode("utf-16"), 1, "not UTF-8", "UTF-8"),
        (b"log: \x07\n", None, "this is not YAML", "Look at"),
        (b"log: " + b"[" * 3000, None, "", ""),
        (b"workers: 0x" + b"f" * 9000 + b"\n", None, "", ""),
        (b"workers: 9" + b"9" * 9000 + b"\n", None, "can't be read", "quotes"),
    ],
)
def test_what_is_no_configuration_is_a_fault(
    content: bytes, line: int | None, message: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationFaults) as caught:
        load(path, environ={})
    fault = caught.value.faults[0]
    assert line is None or fault.line == line
    assert message in fault.message
    assert remedy in fault.remedy


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "nope.yaml", "no such file"), (tmp_path, "a directory"), (Path("a\0b"), "read")):
        with pytest.raises(ConfigurationFaults) as caught:
            load(path)
        assert message in caught.value.faults[0].message


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_text(SMALLEST, encoding="utf-8-sig")
    assert load(path, environ=ENVIRON).warnings == ()


def test_what_stands_once_may_be_named_again(loaded: Callable[..., Loaded]) -> None:
    text = SMALLEST.replace('127.0.0.1:8081",', '127.0.0.1:8081", allow: &lan [10.0.0.0/8],')
    text = text.replace('127.0.0.1:8082",', '127.0.0.1:8082", allow: *lan,')
    legs = loaded(text).config.legs
    assert legs.docs.allow == legs.humhub.allow == (ip_network("10.0.0.0/8"),)
