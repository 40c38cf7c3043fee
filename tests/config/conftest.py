"""What the tests of the configuration share: a file with the given text, loaded or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.config import ConfigurationFaults, Fault, Loaded, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENVIRON = {
    "HUMHUB_JWT": "humhub-secret-0123456789abcdef0123456789",
    "DOCS_JWT": "docs-secret-0123456789abcdef0123456789",
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def _write(text: str) -> Path:
        path = tmp_path / "bridge.yaml"
        path.write_text(text)
        return path

    return _write


@pytest.fixture
def loaded(write: Callable[[str], Path]) -> Callable[..., Loaded]:
    def _load(text: str, **environ: str) -> Loaded:
        return load(write(text), environ=ENVIRON | environ)

    return _load


@pytest.fixture
def refused(write: Callable[[str], Path]) -> Callable[..., tuple[Fault, ...]]:
    def _refuse(text: str, environ: dict[str, str] | None = None) -> tuple[Fault, ...]:
        with pytest.raises(ConfigurationFaults) as caught:
            load(write(text), environ=ENVIRON if environ is None else environ)
        return caught.value.faults

    return _refuse
