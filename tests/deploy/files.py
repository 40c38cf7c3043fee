"""What the tests of deploy/ share: where the files are, and the bridge's configuration in them as it is read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from bridge.config import Config, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SECRETS = ("humhub-jwt", "docs-jwt")


def project() -> dict[str, Any]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return dict(tomllib.load(file)["project"])


def configuration(path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Load a bridge.yaml with the credentials that its deployment gives it, and see that nothing is to be said of it."""
    for name in SECRETS:
        (credentials / name).write_text(f"{name}-0123456789abcdef0123456789abcdef\n")
        (credentials / name).chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    monkeypatch.setenv("OFFICE_URL", "https://office.example.com")
    loaded = load(path)
    assert loaded.warnings == ()
    return loaded.config
