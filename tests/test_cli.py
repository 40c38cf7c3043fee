from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import jwt
import pytest

from bridge.cli import main

REPOSITORY = Path(__file__).parent.parent
HUMHUB = "humhub-secret-0123456789abcdef0123456789"
DOCS = "docs-secret-0123456789abcdef0123456789"


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for name in ("HUMHUB_JWT", "DOCS_JWT", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _with_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMHUB_JWT", HUMHUB)
    monkeypatch.setenv("DOCS_JWT", DOCS)


def test_check_names_exactly_the_secrets_that_are_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [fault["place"] for fault in answer["faults"]] == ["sites[0].jwt.secrets[0]", "docs.jwt.secrets[0]"]
    assert answer["warnings"] == []
    assert answer["faults"][0] == {
        "file": "bridge.yaml",
        "line": 73,
        "column": 17,
        "place": "sites[0].jwt.secrets[0]",
        "message": "the environment variable HUMHUB_JWT is not set",
        "remedy": 'Set HUMHUB_JWT where the bridge is started, or write "file:NAME" here to read it from a file.',
    }


def test_check_is_readable_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 2
    assert capsys.readouterr().out.splitlines() == [
        "error    bridge.yaml:73:17  sites[0].jwt.secrets[0]",
        "         the environment variable HUMHUB_JWT is not set",
        '         Set HUMHUB_JWT where the bridge is started, or write "file:NAME" here to read it from a file.',
        "error    bridge.yaml:96:15  docs.jwt.secrets[0]",
        "         the environment variable DOCS_JWT is not set",
        '         Set DOCS_JWT where the bridge is started, or write "file:NAME" here to read it from a file.',
        "2 errors, 0 warnings",
    ]


@pytest.mark.usefixtures("_with_secrets")
def test_check_of_a_good_configuration_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "bridge.yaml is fine.\n"
    assert main(["check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"faults": [], "warnings": []}


@pytest.mark.usefixtures("_with_secrets")
def test_warnings_alone_are_fine(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCS_JWT", "short")
    assert main(["check"]) == 0
    shown = capsys.readouterr().out
    assert "warning  bridge.yaml:96:15  docs.jwt.secrets[0]\n" in shown
    assert shown.endswith("0 errors, 1 warning\nbridge.yaml is fine.\n")
    assert main(["check", "--json"]) == 0
    assert [found["place"] for found in json.loads(capsys.readouterr().out)["warnings"]] == ["docs.jwt.secrets[0]"]


def test_a_long_path_is_not_broken(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = Path("/nowhere") / "/".join(["a-long-directory-name"] * 12) / "bridge.yaml"
    assert main(["check", "-c", str(path)]) == 2
    assert str(path) in capsys.readouterr().out


def test_brackets_in_a_path_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", "/nowhere/[red]bridge.yaml"]) == 2
    assert "/nowhere/[red]bridge.yaml" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Missing command"),
        (["nope"], "No such command 'nope'"),
        (["check", "--nope"], "No such option: --nope"),
        (["check", "-c"], "requires an argument"),
        (["formats", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.err.endswith("See humhub-bridge --help.\n")


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"humhub-bridge {version('humhub-onlyoffice-bridge')}\n"


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "check" in shown
    assert "formats" in shown


def test_formats_are_listed_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "--json"]) == 0
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(listed["docx"]) == {"name", "type", "mime", "actions", "convert"}
    for name in ("docx", "xlsx", "pptx", "docxf", "oform"):
        assert "edit" in listed[name]["actions"]
    for name in ("odt", "ods", "odp", "doc", "xls", "ppt", "txt", "pdf"):
        assert "view" in listed[name]["actions"]
    for name in ("odt", "ods", "odp", "doc", "xls", "ppt", "txt", "csv"):
        assert "convert" in listed[name]["actions"]
        assert {"docx", "xlsx", "pptx"} & set(listed[name]["convert"])


def test_formats_are_listed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Format", "Type", "Actions", "Converts", "to"]
    assert any(line.startswith("oform ") and " edit " in f"{line} " for line in lines)


def test_the_command_and_the_module_are_the_same_program() -> None:
    (command,) = entry_points(group="console_scripts", name="humhub-bridge")
    assert command.load() is main
    run = subprocess.run(
        [sys.executable, "-m", "bridge", "check", "--json"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert len(json.loads(run.stdout)["faults"]) == 2
    assert run.stderr == ""


def test_a_reader_that_has_seen_enough_makes_no_noise() -> None:
    command = f"{sys.executable} -m bridge formats | true"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert run.stderr == ""


@pytest.mark.usefixtures("_with_secrets")
def test_token_sign_and_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "sign", "--for", "docs", '{"c":"version"}', "--json"]) == 0
    signed = json.loads(capsys.readouterr().out)
    assert signed["header"] == "Authorization"
    claims = jwt.decode(signed["token"], DOCS, algorithms=["HS256"])
    assert claims["c"] == "version"
    assert claims["exp"] - claims["iat"] == 300
    assert main(["token", "show", f"Bearer {signed['token']}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["claims"] == claims
    assert shown["header"]["alg"] == "HS256"
    assert [side.partition(" (")[0] for side in shown["verified_by"]] == ["ONLYOFFICE Docs"] * 3
    assert len(shown["times"]) == 2


@pytest.mark.usefixtures("_with_secrets")
def test_a_token_for_humhub_has_no_iat_ahead_of_its_clock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "sign", "--for", "humhub", "{}"]) == 0
    assert set(jwt.decode(capsys.readouterr().out.strip(), HUMHUB, algorithms=["HS256"])) == {"exp"}


@pytest.mark.usefixtures("_with_secrets")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["token", "show", "abc"], 1, "no JWT"),
        (["token", "show", "a.b.c"], 1, "no"),
        (["token", "sign", "--for", "docs", "[]"], 1, "not an object"),
        (["token", "sign", "--for", "docs", "{"], 1, "not JSON"),
        (["token", "sign", "--for", "humhub", "--site", "nope", "{}"], 1, "No such site"),
        (["token", "sign", "--for", "nobody", "{}"], 2, "nobody"),
    ],
)
def test_what_is_no_token_is_said_in_a_line(
    arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.usefixtures("_with_secrets")
def test_a_strangers_expired_token_is_shown_and_verified_by_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    token = jwt.encode({"exp": 10}, "stranger-secret-0123456789abcdef01234567")
    assert main(["token", "show", token]) == 1
    said = capsys.readouterr().out
    assert "exp 1970-01-01 00:00:10 UTC" in said
    assert "verified  by no secret of this configuration" in said
    assert main(["token", "show", jwt.encode({"exp": 10}, HUMHUB)]) == 0
    assert "HumHub" in capsys.readouterr().out
