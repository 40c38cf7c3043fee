"""The story: whole through the bridge, and broken at a named step without it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from bridge.demo import connector_story
from bridge.demo.house import House
from bridge.demo.networks import BROWSERS, free_port
from bridge.demo.story import Step, play
from tests.houses import MakeHouse

CROSSED = {
    "log in": ("browser",),
    "create": ("browser",),
    "open by two": ("browser", "docs"),
    "type": ("browser",),
    "save": ("browser", "docs", "humhub"),
    "re-open": ("browser", "docs"),
    "convert": ("browser", "docs", "humhub"),
    "forced save": ("browser", "docs", "humhub"),
    "leave": ("browser", "docs", "humhub"),
}
# The bridge itself stores what was edited: nothing is asked of its humhub leg.
CONNECTOR = {
    "introduce": ("browser",),
    "create": ("browser",),
    "open by two": ("browser", "docs"),
    "type": ("browser",),
    "close": ("browser", "docs"),
    "save": ("browser", "docs"),
    "re-open": ("browser", "docs"),
    "conflict": ("browser", "docs"),
    "convert": ("browser", "docs"),
    "leave": ("browser", "docs"),
}
NOWHERE = {"server_url": "http://docs.invalid", "storage_url": "http://humhub.invalid"}
SAME_SECRET = "one-secret-for-both-0123456789abcdef"
AND_BROWSERS = {"clients": (BROWSERS.cidr,)}
DOCS_TOO = {"clients": BROWSERS.cidr}


async def played(house: House) -> list[Step]:
    return [step async for step in play(house)]


@pytest.mark.parametrize(
    "humhub",
    [{}, {"pretty_urls": False}, {"base_path": "/hub"}, NOWHERE],
    ids=["pretty", "plain", "sub-directory", "the front door needs no public addresses"],
)
async def test_the_whole_story_goes_well(make_house: MakeHouse, humhub: dict[str, Any]) -> None:
    steps = await played(await make_house(humhub=humhub))
    assert [(step.step, step.detail) for step in steps if not step.ok] == []
    assert {step.step: step.crossed for step in steps} == CROSSED


@pytest.mark.parametrize(
    ("fails_at", "because", "settings"),
    [
        ("log in", "connection", {}),
        ("open by two", "connection", {"humhub": AND_BROWSERS}),
        ("open by two", "4006", {"humhub": AND_BROWSERS, "docs": DOCS_TOO}),
        (
            "open by two",
            "err: -4",
            {
                "humhub": {**AND_BROWSERS, "secret": SAME_SECRET},
                "docs": {**DOCS_TOO, "secret": SAME_SECRET, "header": "Authorization"},
            },
        ),
    ],
    ids=["networks", "browsers reach HumHub", "browsers reach both", "browsers reach both, one secret"],
)
async def test_without_the_bridge_it_fails(
    make_house: MakeHouse, fails_at: str, because: str, settings: dict[str, Any]
) -> None:
    steps = await played(await make_house(bridged=False, **settings))
    assert [step.ok for step in steps] == [True] * (len(steps) - 1) + [False]
    assert steps[-1].step == fails_at
    assert because in steps[-1].detail
    assert steps[-1].crossed == ()


@pytest.mark.parametrize("connector", ["directory", "humhub"])
async def test_the_connectors_story_goes_well(make_house: MakeHouse, connector: str) -> None:
    house = await make_house(connector=connector)
    steps = [step async for step in connector_story.play(house)]
    assert [(step.step, step.detail) for step in steps if not step.ok] == []
    assert {step.step: step.crossed for step in steps} == CONNECTOR


async def test_without_docs_the_connectors_story_ends_where_one_is_needed(make_house: MakeHouse) -> None:
    house = await make_house(connector="directory", without=("docs",))
    steps = [step async for step in connector_story.play(house)]
    assert [(step.step, step.ok) for step in steps] == [("introduce", True), ("create", True), ("open by two", False)]


async def test_a_stopped_bridge_ends_the_story(make_house: MakeHouse) -> None:
    house = await make_house(without=("bridge",))
    (step,) = await played(house)
    assert (step.step, step.ok) == ("log in", False)
    await house.start_bridge()
    assert (await played(house))[-1].ok


async def test_a_step_says_what_was_expected_and_what_came(make_house: MakeHouse) -> None:
    house = await make_house(humhub={"internal_server_url": "http://docs.invalid"})
    step = (await played(house))[-1]
    assert (step.step, step.ok) == ("convert", False)
    assert "HumHub did not convert the file" in step.detail
    assert "docs.invalid" in step.detail


# The command, as it is called


def command(*arguments: str, before: str = "pass") -> list[str]:
    program = f"import sys; {before}; from bridge.cli import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", program, "demo", *arguments]


def run(cwd: Path, *arguments: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments, before=before), cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_prints_a_json_object_a_step(tmp_path: Path) -> None:
    done = run(tmp_path, "--once", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["step"] for line in lines] == list(CROSSED)
    assert all(set(line) == {"step", "ok", "crossed", "detail"} for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_the_command_plays_the_connectors_story(tmp_path: Path) -> None:
    done = run(tmp_path, "--connector", "--once", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [json.loads(line)["step"] for line in done.stdout.splitlines()] == list(CONNECTOR)


def test_the_two_demos_of_the_connector_are_not_one(tmp_path: Path) -> None:
    done = run(tmp_path, "--connector", "--connector-humhub", "--once")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Name one." in done.stderr


def test_the_command_prints_readable_steps_into_a_pipe(tmp_path: Path) -> None:
    done = run(tmp_path, "--once", "--keep", "kept")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"^ok +save +→ browser docs humhub$", done.stdout, re.MULTILINE)
    assert "The whole story went well" in done.stdout
    assert {path.name for path in (tmp_path / "kept").iterdir()} >= {"humhub", "docs", "bridge"}


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    port = free_port(BROWSERS.bridge)
    with socket.socket() as taken:
        taken.bind((BROWSERS.bridge, port))
        taken.listen()
        done = run(tmp_path, "--once", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == f"humhub-bridge: Port {port} is in use. Choose another with --port.\n"


@pytest.mark.parametrize("missing", ["socketio", "docx", "openpyxl", "pptx"])
def test_without_the_extra_it_says_what_to_install(tmp_path: Path, missing: str) -> None:
    done = run(tmp_path, "--once", before=f"sys.modules[{missing!r}] = None")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'humhub-onlyoffice-bridge[demo]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_it_and_removes_what_it_wrote(tmp_path: Path) -> None:
    port = free_port(BROWSERS.bridge)
    with subprocess.Popen(
        command("--json", "--port", str(port)), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert facts["url"] == f"http://127.0.0.1:{port}"
        assert Path(facts["directory"]).is_dir()
        with urllib.request.urlopen(f"{facts['url']}/user/auth/login", timeout=5) as answer:
            assert b"csrf-token" in answer.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=15)
        assert (process.returncode, errors) == (0, "")
    assert not Path(facts["directory"]).exists()


def test_the_demo_of_the_connector_has_documents_and_leaves_what_is_there_alone(tmp_path: Path) -> None:
    for _ in range(2):
        with subprocess.Popen(
            command("--connector", "--json", "--keep", "kept"), cwd=tmp_path, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            facts = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=15)
            assert process.returncode == 0
        names = [document["name"] for document in facts["documents"]]
        assert "Team handbook.docx" in names
        assert facts["users"] == []
        assert ("Mine.txt" in names) == (tmp_path / "kept/documents/Mine.txt").exists()
        (tmp_path / "kept/documents/Mine.txt").write_text("mine")
