"""The load scenarios' users, one round each: they find a sound bridge sound, and say so where it isn't.

Locust turns the whole process it is imported in over to gevent: it runs in one of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.load.__main__ import House, house

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("load")) as found:
        yield found


def locust(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    # The rounds end a run, and not its time.
    command = [sys.executable, "-m", "locust", "-f", "tests/load/locustfile.py", "--config", "tests/load/small.conf"]
    command += ["--run-time", "80s"]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("LOAD_", "LOCUST_"))}
    done = subprocess.run(
        [*command, *arguments],
        cwd=_ROOT,
        env={**quiet, "LOAD_ROUNDS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_each_user_plays_its_round_and_nothing_is_left(stood: House, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    one_of_each = ("-u", "3", "--config-users", *(f'{{"user_class_name":"{who}","fixed_count":1}}' for who in _USERS))
    code, said = locust(stood.environment, "--html", str(report), *one_of_each)
    assert code == 0, said
    for what in ("in HumHub after leaving", "all in HumHub at the end", "a forced save is in HumHub", "to txt, until"):
        assert what in said
    assert said.count("delete a document") == 2  # in both tables
    page = report.read_text()
    assert "in HumHub after leaving" in page
    assert stood.environment["LOAD_DOCS_SECRET"] not in page


_USERS = ("Writer", "Docs", "HumHub")


def test_recorded_changes_are_sent_under_the_save_lock_and_found_in_humhub(stood: House, tmp_path: Path) -> None:
    change = {"id": "recorded-1", "do": "splice", "block": "p0", "at": 0, "length": 0, "text": "as it was recorded"}
    recorded = tmp_path / "recorded.jsonl"
    recorded.write_text(json.dumps({"type": "saveChanges", "startSaveChanges": True, "base": 0, "change": change}))
    replay = {"LOAD_REPLAY": str(recorded), "LOAD_REPLAY_SHOWS": "as it was recorded"}
    code, said = locust({**stood.environment, **replay}, "-u", "1", "Writer")
    assert code == 0, said
    assert "changes acknowledged" in said


def test_an_edit_that_humhub_does_not_have_in_time_fails_the_run(stood: House) -> None:
    code, said = locust({**stood.environment, "LOAD_SAVED_WITHIN": "0"}, "-u", "1", "Writer")
    assert code == 1
    assert "lacks ['load-" in said


def test_a_refused_request_fails_the_run(stood: House) -> None:
    code, said = locust({**stood.environment, "LOAD_DOCS_SECRET": "another " * 8}, "-u", "1", "Docs")
    assert code == 1
    assert "Docs calls back, status 1" in said


def test_a_run_that_lacks_something_says_all_of_it_before_it_begins(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.txt"
    accounts.write_text("alice\n")
    code, said = locust({"LOAD_ACCOUNTS": str(accounts), "LOAD_HUMHUB_LEG": "http://127.0.20.2:1"})
    assert code == 1
    for what in ("LOCUST_HOST", "LOAD_DOCS_LEG", "LOAD_DOCS_SECRET", "LOAD_HUMHUB_SECRET", "“alice” has no password"):
        assert what in said
    assert "LOAD_HUMHUB_LEG" not in said
    assert "Traceback" not in said


def test_users_without_the_servers_secrets_need_none(tmp_path: Path) -> None:
    code, said = locust({"LOCUST_HOST": "http://127.0.0.1:1", "LOAD_ACCOUNTS": str(tmp_path / "none")}, "Writer")
    assert code == 1
    first, *faults = said.strip().splitlines()
    assert first == "The load can't run:"
    assert [fault.partition(" can't be read")[0] for fault in faults] == [
        f"--accounts (LOAD_ACCOUNTS): {tmp_path / 'none'}"
    ]


def test_who_can_not_log_in_fails_the_run_and_ends_it(stood: House, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.txt"
    accounts.write_text("alice:another-password\n")
    code, said = locust({**stood.environment, "LOAD_ACCOUNTS": str(accounts)}, "-u", "1", "Writer")
    assert code == 1
    assert "POST log in: expected 302, got 200" in said
    assert "Traceback" not in said
