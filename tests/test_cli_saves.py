"""The commands ``humhub-bridge saves …``, as an administrator calls them at night: with a bridge, and without one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bridge.app import running
from bridge.cli import main
from bridge.cli.owner import acting_as_owner
from bridge.config import load
from bridge.protocol.errors import StorageError
from bridge.store.records import State
from tests.legs.fakes import Bridge, serving, yaml_of
from tests.ports import fresh_port
from tests.saves.desks import DOCX, Kept, identity, kept, kept_in

__all__ = ["kept"]

REPOSITORY = Path(__file__).parent.parent
NOBODY = 65534
Outcome = tuple[int, str, str]


@pytest.fixture(autouse=True)
def _as_at_night(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOME_JWT", "FORCE_COLOR", "COLUMNS", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a bridge.yaml whose secrets are not set here."""
    ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin")}
    path = tmp_path / "bridge.yaml"
    path.write_text(yaml_of(ports, "http://humhub.test", "http://docs.test"))
    return path


@dataclasses.dataclass
class Command:
    """Calls ``humhub-bridge saves`` beside what else runs in this process."""

    config: Path
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, *arguments: str) -> Outcome:
        self.capsys.readouterr()
        code = await asyncio.to_thread(main, ["saves", *arguments, "-c", str(self.config)])
        shown = self.capsys.readouterr()
        return code, shown.out, shown.err

    async def json(self, *arguments: str) -> Any:
        return json.loads((await self(*arguments, "--json"))[1])


@pytest.fixture
def saves(config: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(config, capsys)


# List and show


async def test_where_nothing_was_saved_yet_there_is_nothing(saves: Command, tmp_path: Path) -> None:
    assert await saves("list") == (0, "Nothing waits for HumHub.\n", "")
    assert await saves.json("list") == {"saves": [], "more": False}
    code, out, error = await saves("show", "abcd")
    assert (code, out) == (1, "")
    assert "Nothing has been saved yet" in error
    assert names_in(tmp_path) == {"bridge.yaml"}


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def is_file(path: str) -> bool:
    return Path(path).is_file()


async def test_a_list_in_a_pipe_has_a_line_for_each(saves: Command, kept: Kept) -> None:
    await kept.put("a", state=State.DEAD, why="HumHub no longer knows this key (404)", tries=2)
    await kept.put("b", key="k" * 100, why="two\nlines \x1b[31mred")
    await kept.put("c", key="k3", state=State.DELIVERED)
    code, out, _ = await saves("list")
    lines = out.splitlines()
    assert code == 1
    assert lines[0].split() == ["ID", "STATE", "SITE", "KEY", "AGE", "SIZE", "TRIES", "NEXT", "WHY"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["aaaaaaaa", "dead", "social", "k1"],
        ["bbbbbbbb", "waiting", "social", "k" * 100],
    ]
    assert lines[1].endswith(" 2 HumHub no longer knows this key (404)") or "(404)" in lines[1]
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "found", "code"),
    [
        ((), "ab", 1),
        (("--state", "waiting"), "b", 0),
        (("--state", "dead"), "a", 1),
        (("--state", "waiting", "--state", "delivered"), "bc", 0),
        (("--all",), "abc", 1),
        (("--key", "k3"), "", 0),
        (("--all", "--key", "k3"), "c", 0),
        (("--site", "other"), "", 0),
    ],
)
async def test_a_list_finds_dead_letters(
    saves: Command, kept: Kept, arguments: tuple[str, ...], found: str, code: int
) -> None:
    await kept.put("a", state=State.DEAD)
    await kept.put("b", key="k2")
    await kept.put("c", key="k3", state=State.DELIVERED)
    answered, out, _ = await saves("list", *arguments, "--json")
    assert answered == code
    assert {entry["id"] for entry in json.loads(out)["saves"]} == {identity(letter) for letter in found}
    assert (await saves("list", *arguments))[0] == code


async def test_a_list_that_is_cut_says_so(saves: Command, kept: Kept) -> None:
    await kept.put("a")
    await kept.put("b", key="k2")
    assert "the oldest 1" in (await saves("list", "--limit", "1"))[2]
    assert (await saves.json("list", "--limit", "1"))["more"]


async def test_show_says_everything(saves: Command, kept: Kept) -> None:
    entry = await kept.put("a", state=State.DEAD, why="HumHub no longer knows this key (404)")
    code, out, _ = await saves("show", "aaaa")
    assert code == 0
    for said in (
        entry.id,
        "dead letter",
        "(404)",
        "key k1 of the site social",
        "u1",
        "saved when the last one left",
        "the newest save of its document",
        "docx",
        "as it was saved",
        entry.sha256,
        str(kept.path(entry)),
        "humhub-bridge saves deliver|export|discard aaaaaaaa",
    ):
        assert said in out
    assert "eyJ" not in out


async def test_show_finds_a_body_that_changed(saves: Command, kept: Kept) -> None:
    entry = await kept.put("a")
    kept.path(entry).write_bytes(b"something else")
    code, out, _ = await saves("show", "aaaa")
    assert code == 1
    assert "DAMAGED" in out
    assert (await saves.json("show", "aaaa"))["body"] == "damaged"


async def test_an_unknown_save_is_said_in_a_line(saves: Command, kept: Kept) -> None:
    for command in (("show", "abcd"), ("deliver", "abcd"), ("export", "abcd", "x"), ("discard", "abcd", "--yes")):
        code, out, error = await saves(*command)
        assert (code, out, len(error.splitlines())) == (1, "", 1)
        assert "begins with abcd" in error


async def test_a_variable_that_the_spool_needs_must_be_set(saves: Command) -> None:
    text = saves.config.read_text()
    saves.config.write_text(text.replace("./saves", '"${SAVES_DIRECTORY}"'))
    code, _, error = await saves("list")
    assert code == 2
    assert "SAVES_DIRECTORY is not set" in error
    saves.config.write_text(f"{text}typo: 1\n")
    assert (await saves("list"))[0] == 2


# Deliver


@dataclasses.dataclass
class Night:
    """A bridge that runs, and the command beside it."""

    bridge: Bridge
    saves: Command


@pytest.fixture
async def night(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Night]:
    async with AsyncExitStack() as stack:
        humhub, docs = [await stack.enter_async_context(serving()) for _ in range(2)]
        ports = {name: fresh_port() for name in ("browser", "docs", "humhub", "admin")}
        path = tmp_path / "bridge.yaml"
        path.write_text(yaml_of(ports, humhub.url, docs.url))
        config = load(path, environ={"SOME_JWT": "some-secret-0123456789abcdef0123456789abcdef"}).config
        await stack.enter_async_context(running(config))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        yield Night(Bridge(config, humhub, docs, http), Command(path, capsys))


async def test_a_running_bridge_delivers_a_dead_letter(kept: Kept, night: Night) -> None:
    await kept.put("a", state=State.DEAD)
    night.bridge.humhub.answers(web.json_response({"error": 0}))
    code, out, error = await night.saves("deliver", "aaaa")
    assert (code, error) == (0, "")
    assert out.endswith(f"\n{identity('a')} is delivered: HumHub has it.\n"), "after what the bridge itself logs here"
    entry = await night.saves.json("show", "aaaa")
    assert (entry["state"], entry["delivered_as"], entry["tries"]) == ("delivered", 6, 1)
    code, _, error = await night.saves("deliver", "aaaa")
    assert code == 1
    assert "HumHub has it already" in error


async def test_what_fails_again_is_said_with_its_reason(kept: Kept, night: Night) -> None:
    await kept.put("a")
    night.bridge.humhub.answers(web.Response(status=500), web.Response(status=404))
    code, out, _ = await night.saves("deliver", "aaaa")
    assert code == 1
    assert "was tried, and waits again: HumHub answered 500" in out
    code, out, _ = await night.saves("deliver", "aaaa")
    assert code == 1
    assert "is a dead letter again: HumHub no longer knows this key (404)" in out


async def test_who_does_not_wait_is_told_that_it_is_due(kept: Kept, night: Night) -> None:
    await kept.put("a", state=State.DEAD)
    code, out, _ = await night.saves("deliver", "aaaa", "--wait", "0")
    assert code == 1
    assert "is due, and not delivered yet" in out


async def test_without_a_bridge_it_is_delivered_when_one_runs(saves: Command, kept: Kept) -> None:
    await kept.put("a", state=State.DEAD)
    await kept.end()
    code, out, _ = await saves("deliver", "aaaa")
    assert code == 1
    assert "no bridge runs here" in out
    told = await saves.json("deliver", "aaaa")
    assert (told["state"], told["bridge_runs"]) == ("waiting", False)


async def test_the_command_and_the_api_tell_the_same(kept: Kept, night: Night) -> None:
    await kept.put("a", state=State.DEAD)
    for path, arguments in (("/api/saves", ["list"]), ("/api/saves/aaaa", ["show", "aaaa"])):
        _, raw, _ = await night.bridge.ask("admin", path)
        assert json.loads(raw) == await night.saves.json(*arguments)


async def test_a_body_that_is_not_what_its_type_says_is_delivered_with_a_yes(saves: Command, kept: Kept) -> None:
    await kept.put("a", body=b"<html>", state=State.DEAD)
    await kept.end()
    code, _, error = await saves("deliver", "aaaa")
    assert code == 2
    assert "no docx" in error
    assert (await saves.json("show", "aaaa"))["state"] == "dead"
    assert (await saves.json("deliver", "aaaa", "--yes"))["state"] == "waiting"


# Export


async def test_a_body_is_exported_whole_and_for_its_admin_alone(saves: Command, kept: Kept, tmp_path: Path) -> None:
    entry = await kept.put("a")
    target = tmp_path / "out" / "minutes.docx"
    target.parent.mkdir()
    code, out, _ = await saves("export", "aaaa", str(target))
    assert code == 0
    assert entry.sha256 in out
    assert target.read_bytes() == DOCX + b"a"
    assert target.stat().st_mode & 0o777 == 0o600
    assert names_in(target.parent) == {"minutes.docx"}


async def test_nothing_is_overwritten_by_the_way(saves: Command, kept: Kept, tmp_path: Path) -> None:
    await kept.put("a")
    target = tmp_path / "minutes.docx"
    target.write_bytes(b"mine")
    code, _, error = await saves("export", "aaaa", str(target))
    assert code == 2
    assert "--force" in error
    assert target.read_bytes() == b"mine"
    told = await saves.json("export", "aaaa", str(target), "--force")
    assert told["file"] == str(target)
    assert target.read_bytes() == DOCX + b"a"


@pytest.mark.parametrize("target", ["/dev/null", "directory", "missing/minutes.docx"])
async def test_only_a_file_is_written(saves: Command, kept: Kept, tmp_path: Path, target: str) -> None:
    await kept.put("a")
    (tmp_path / "directory").mkdir()
    before = names_in(tmp_path)
    code, _, error = await saves("export", "aaaa", str(tmp_path / target), "--force")
    assert code == 1
    assert len(error.splitlines()) == 1
    assert names_in(tmp_path) == before
    assert not is_file("/dev/null")


async def test_a_damaged_body_is_not_exported(saves: Command, kept: Kept, tmp_path: Path) -> None:
    entry = await kept.put("a")
    kept.path(entry).write_bytes(DOCX + b"b")
    code, _, error = await saves("export", "aaaa", str(tmp_path / "minutes.docx"))
    assert code == 1
    assert "no longer what was saved" in error
    assert "minutes.docx" not in str(names_in(tmp_path))


def called(*arguments: str, piped_into: str | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bridge", "saves", *arguments]
    if piped_into is not None:
        command = ["bash", "-c", f'"$@" | {piped_into}', "-", *command]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, stdin=subprocess.DEVNULL, check=False)


async def test_a_body_can_be_piped(kept: Kept, config: Path) -> None:
    await kept.put("a", body=DOCX * 40_000)
    run = await asyncio.to_thread(called, "export", "aaaa", "-", "-c", str(config))
    assert (run.returncode, run.stderr, run.stdout) == (0, b"", DOCX * 40_000)
    run = await asyncio.to_thread(called, "export", "aaaa", "-", "-c", str(config), piped_into="head -c 4")
    assert (run.stdout, run.stderr) == (DOCX[:4], b"")


# Discard


async def test_nothing_is_discarded_without_a_yes(saves: Command, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await kept.put("a", state=State.DEAD)
    monkeypatch.setenv("SUDO_USER", "alice")
    code, out, error = await saves("discard", "aaaa")
    assert (code, out) == (2, "")
    assert "HumHub never got this edit" in error
    assert "--yes" in error
    assert kept.path(entry).exists()
    told = await saves.json("discard", "aaaa", "--yes")
    assert (told["state"], told["held"], told["why"]) == ("superseded", False, "discarded by alice")
    assert not kept.path(entry).exists()
    assert await saves("list") == (0, "Nothing waits for HumHub.\n", "")


def in_a_terminal(config: Path, *arguments: str, says: bytes = b"", columns: int = 80) -> tuple[int, str]:
    """Call the command where somebody sits; give what was shown, without colours."""
    master, slave = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [sys.executable, "-m", "bridge", "saves", *arguments, "-c", str(config)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdin=slave, stdout=slave, stderr=slave, env=environ)
    os.close(slave)
    if says:
        os.write(master, says)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # all of the terminal's other end is closed
        pass
    os.close(master)
    return process.wait(), re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize(("says", "code", "there"), [(b"n\n", 1, True), (b"\n", 1, True), (b"y\n", 0, False)])
async def test_who_sits_there_is_asked(kept: Kept, config: Path, says: bytes, code: int, there: bool) -> None:
    entry = await kept.put("a", state=State.DEAD)
    answered, shown = await asyncio.to_thread(in_a_terminal, config, "discard", "aaaa", says=says)
    assert answered == code
    assert "HumHub never got this edit" in shown
    assert "Discard it? [y/N]" in shown
    assert kept.path(entry).exists() is there


@pytest.mark.parametrize("columns", [80, 100, 160])
async def test_a_list_fits_the_terminal(kept: Kept, config: Path, columns: int) -> None:
    await kept.put("a", key="k" * 120, state=State.DEAD, why="a reason that is told at some length " * 4)
    await kept.put("b", key="k2", site="a-site-with-a-long-name")
    _, shown = await asyncio.to_thread(in_a_terminal, config, "list", columns=columns)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= columns
    assert "a reason that is told at some length" in " ".join(shown.split())
    assert lines[0].endswith("WHY") is (columns == 160)


async def test_a_document_is_not_printed_on_a_terminal(kept: Kept, config: Path) -> None:
    await kept.put("a")
    code, shown = await asyncio.to_thread(in_a_terminal, config, "export", "aaaa", "-")
    assert code == 2
    assert "PK" not in shown


# Root, whose files must not stand in the bridge's way


ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user")


@pytest.fixture
def public() -> Iterator[Path]:
    """Give a directory below which every user may go; a test's own is its user's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def given_to(user: int, *paths: Path) -> None:
    for path in paths:
        os.chown(path, user, user)


def below(directory: Path) -> list[Path]:
    return list(directory.rglob("*"))


@pytest.fixture
def moved(public: Path, config: Path) -> Path:
    return config.rename(public / "bridge.yaml")


@ROOT
async def test_root_leaves_no_file_of_its_own(public: Path, moved: Path, tmp_path: Path) -> None:
    async with kept_in(public) as kept:
        entry = await kept.put("a", state=State.DEAD)
        given_to(NOBODY, public, *below(public))

        def call(*arguments: str) -> tuple[int, bytes]:
            run = called(*arguments, "-c", str(moved))
            return run.returncode, run.stderr

        assert call("list") == (1, b"")
        target = tmp_path / "minutes.docx"
        assert call("export", "aaaa", str(target)) == (0, b"")
        assert target.stat().st_uid == 0
        assert call("deliver", "aaaa", "--wait", "0") == (1, b"")
        assert call("discard", "aaaa", "--yes")[0] == 0
        assert not kept.path(entry).exists()
    given_to(NOBODY, public / "bridge.db")
    assert call("list", "--all")[0] == 0
    assert {path.stat().st_uid for path in below(public)} == {NOBODY}


@ROOT
def test_who_is_neither_root_nor_the_owner_is_told(public: Path) -> None:
    index = public / "bridge.db"
    index.touch(mode=0o600)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(StorageError) as refusal, acting_as_owner(index):
            pass
    finally:
        os.seteuid(0)
    assert "sudo -u root" in str(refusal.value.remedy)


@ROOT
def test_root_is_root_again_afterwards(public: Path) -> None:
    given_to(NOBODY, public)
    before = os.geteuid(), os.getegid(), os.getgroups()
    with acting_as_owner(public):
        assert (os.geteuid(), os.getegid()) == (NOBODY, NOBODY)
        assert 0 not in os.getgroups()
    assert (os.geteuid(), os.getegid(), os.getgroups()) == before


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["saves", "--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in ("list", "show", "deliver", "export", "discard") if f"  {name} " not in shown] == []
