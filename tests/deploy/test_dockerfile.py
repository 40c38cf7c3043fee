"""deploy/Dockerfile: what hadolint says, and that it fits what it is built from and what it is configured with."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, ROOT, configuration, project

_HADOLINT = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which("hadolint")
_TEXT = (DEPLOY / "Dockerfile").read_text()
_CODE = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", _TEXT, flags=re.MULTILINE))
_STEPS = [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in _CODE.splitlines() if line.strip()]
_LAST = [number for number, (word, _) in enumerate(_STEPS) if word == "FROM"][-1]
_IMAGE = _STEPS[_LAST:]


def values(word: str) -> list[str]:
    return [value for found, value in _IMAGE if found == word]


@pytest.mark.skipif(_HADOLINT is None, reason="no hadolint for this kind of machine: the Dockerfile isn't linted")
def test_hadolint_has_nothing_to_say() -> None:
    assert _HADOLINT is not None
    done = subprocess.run([_HADOLINT, "-"], input=_TEXT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_base_has_a_version() -> None:
    bases = [value.split()[0] for word, value in _STEPS if word == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases[0])


def test_what_is_copied_is_there_and_nothing_else_gets_in() -> None:
    copied = {
        source
        for word, value in _STEPS
        if word == "COPY" and not value.startswith("--from")
        for source in value.split()[:-1]
    }
    assert all((ROOT / source).exists() for source in copied)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_all_that_is_installed_is_hashed_or_our_own() -> None:
    installs = [part for word, value in _STEPS if word == "RUN" for part in value.split("&&") if " install " in part]
    pip = [part for part in installs if "pip" in part]
    assert len(pip) == 3
    assert all("--require-hashes" in part or "--no-index" in part for part in pip)
    assert "no-build-isolation" in _CODE


def test_it_runs_as_a_user_of_its_own_that_a_new_volume_belongs_to() -> None:
    assert values("USER") == ["10001:10001"]
    assert values("VOLUME") == ["/var/lib/humhub-bridge"]
    assert "--owner 10001 --group 10001 /var/lib/humhub-bridge" in _CODE
    assert values("STOPSIGNAL") == ["SIGTERM"]


def test_it_listens_and_is_asked_where_its_configuration_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    legs = configuration(DEPLOY / "compose" / "bridge.yaml", tmp_path, monkeypatch).legs
    ports = [leg.listen.port for leg in (legs.browser, legs.docs, legs.humhub)]
    assert values("EXPOSE") == [" ".join(map(str, ports))]
    (health,) = values("HEALTHCHECK")
    assert f"http://{legs.admin.listen}/livez" in health


def test_its_labels_are_the_projects() -> None:
    assert values("ARG") == [f"VERSION={project()['version']}"]
    (labels,) = values("LABEL")
    assert f'licenses="{project()["license"]}"' in labels
    assert f'description="{project()["description"]}"' in labels
