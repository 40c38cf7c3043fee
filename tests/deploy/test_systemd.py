"""deploy/humhub-bridge.service: what systemd's own tools say of it, and that its configuration fits it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, SECRETS, configuration

_ANALYZE = shutil.which("systemd-analyze")
_UNIT = DEPLOY / "humhub-bridge.service"
_SETTINGS = re.findall(r"^(\w+)=(.*)$", _UNIT.read_text(), flags=re.MULTILINE)
# Tenths: what is left is the network itself. systemd calls below 2.0 the best kind.
_EXPOSED = 15

needs_systemd = pytest.mark.skipif(
    _ANALYZE is None and not os.environ.get("BRIDGE_REQUIRE_BROWSER"),
    reason="no systemd-analyze here: install it (Debian: apt-get install systemd) to test the unit",
)


def values(name: str) -> list[str]:
    return [value for found, value in _SETTINGS if found == name]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Give the unit with a command that is there: systemd looks for it."""
    assert _ANALYZE is not None, "BRIDGE_REQUIRE_BROWSER is set, and there is no systemd-analyze"
    command = Path(sys.executable).with_name("humhub-bridge")
    text = _UNIT.read_text()
    assert text.count("/opt/humhub-bridge/bin/humhub-bridge") == 2
    made = tmp_path / _UNIT.name
    made.write_text(text.replace("/opt/humhub-bridge/bin/humhub-bridge", str(command)))
    return made


def analyze(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [str(_ANALYZE), *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@needs_systemd
def test_systemd_takes_the_unit_without_a_word(unit: Path) -> None:
    code, said = analyze("verify", "--man=no", str(unit))
    assert (code, [line for line in said.splitlines() if unit.name in line]) == (0, [])


@needs_systemd
def test_systemd_finds_it_well_enclosed(unit: Path) -> None:
    code, said = analyze("security", "--offline=yes", "--no-pager", f"--threshold={_EXPOSED}", str(unit))
    assert code == 0, said


@needs_systemd
def test_the_threshold_tells_an_open_unit_from_this_one(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("SystemCallFilter=", "#").replace("CapabilityBoundingSet=", "#"))
    assert analyze("security", "--offline=yes", "--no-pager", f"--threshold={_EXPOSED}", str(unit))[0] != 0


def test_its_configuration_is_sound_with_the_credentials_that_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [value.partition(":")[0] for value in values("LoadCredential")] == list(SECRETS)
    config = configuration(DEPLOY / "systemd" / "bridge.yaml", tmp_path, monkeypatch)
    example = (DEPLOY / "systemd" / "environment").read_text()
    named = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "systemd" / "bridge.yaml").read_text()))
    assert named - {"CREDENTIALS_DIRECTORY"} == set(re.findall(r"^(\w+)=", example, flags=re.MULTILINE))
    legs = (config.legs.browser, config.legs.docs, config.legs.humhub, config.legs.admin)
    assert all(leg.listen.port >= 1024 for leg in legs)  # it has no capability for less


def test_all_that_it_keeps_is_in_its_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(DEPLOY / "systemd" / "bridge.yaml", tmp_path, monkeypatch)
    (name,) = values("StateDirectory")
    assert str(config.saves.directory).startswith(f"/var/lib/{name}/")
    assert config.store.url.startswith(f"sqlite:////var/lib/{name}/")
    assert f'secret: "file:/var/lib/{name}/secret"' in (DEPLOY / "systemd" / "bridge.yaml").read_text()


def test_it_has_time_to_end_its_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(DEPLOY / "systemd" / "bridge.yaml", tmp_path, monkeypatch)
    (limit,) = values("TimeoutStopSec")
    assert int(limit.removesuffix("s")) >= config.saves.deadline + 30
