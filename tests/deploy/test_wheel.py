"""The wheel that a deployment installs: it has all that the command needs, and works where no checkout is."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, ROOT, SECRETS, project

_GIVEN = ("bridge", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it from what the Dockerfile copies, and nothing else."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for name in _GIVEN:
        subprocess.run(["cp", "-r", ROOT / name, source], check=True)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target), str(source))
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install it beside the libraries of this environment: they are what the lock names."""
    where = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", where], check=True)
    python = where / "bin" / "python"
    pip("--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    libraries = next(where.glob("lib/python*/site-packages"))
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return where / "bin" / "humhub-bridge"


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=100)


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("bridge/")}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "bridge").rglob("*") if path.is_file()}
    assert {name for name in there - held if "__pycache__" not in name} == set()


def test_it_works_in_an_empty_directory(command: Path, tmp_path: Path) -> None:
    version = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert version.stdout == f"humhub-bridge {project()['version']}\n"
    where = [str(command.with_name("python")), "-c", "import bridge; print(bridge.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(command.parents[1])


@pytest.mark.parametrize("kind", ["compose", "systemd"])
def test_it_checks_the_deployments_configurations(command: Path, tmp_path: Path, kind: str) -> None:
    for name in SECRETS:
        (tmp_path / name).write_text("0123456789abcdef0123456789abcdef")
        (tmp_path / name).chmod(0o400)
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path), "OFFICE_URL": "https://office.example.com"}
    checked = subprocess.run(
        [command, "check", "--json", "-c", DEPLOY / kind / "bridge.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(checked.stdout) == {"faults": [], "warnings": []}


@pytest.mark.parametrize("name", ["production.lock", "build.lock", "dev.lock"])
def test_each_lock_is_hashed_and_names_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text()
    packages = [part for part in text.replace("\\\n", " ").splitlines() if part and not part.lstrip().startswith("#")]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)
    assert "://" not in text
    assert "index" not in text
