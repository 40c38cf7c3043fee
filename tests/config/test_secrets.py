from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from bridge.config import ConfigurationFaults, Fault, Loaded, ensure_secret, load
from bridge.protocol.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

SMALLEST = (Path(__file__).parent.parent / "data/smallest.yaml").read_text()
HUMHUB = "humhub-secret-0123456789abcdef0123456789"
DOCS = "docs-secret-0123456789abcdef0123456789"
ENVIRON = {"HUMHUB_JWT": HUMHUB, "DOCS_JWT": DOCS}


def test_a_reference_may_stand_inside_a_longer_text(loaded: Callable[..., Loaded]) -> None:
    text = SMALLEST.replace("http://humhub.test", "http://${HOST}:${PORT}/hub")
    assert loaded(text, HOST="humhub.test", PORT="81").config.sites[0].upstream.url == URL("http://humhub.test:81/hub")


def test_a_secret_is_read_from_a_file_without_its_newline(loaded: Callable[..., Loaded], tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text(f"{HUMHUB}\n")
    (tmp_path / "jwt").chmod(0o600)
    found = loaded(
        SMALLEST.replace("    upstream", '    jwt: {secrets: ["file:${DIR}/jwt"]}\n    upstream', 1), DIR="."
    )
    assert found.config.sites[0].jwt.secrets == (Secret(HUMHUB),)
    assert found.warnings == ()


def test_what_a_variable_holds_is_no_reference(loaded: Callable[..., Loaded]) -> None:
    odd = "file:${DOCS_JWT}/0123456789abcdef0123456789"
    assert loaded(SMALLEST, HUMHUB_JWT=odd).config.sites[0].jwt.secrets == (Secret(odd),)


@pytest.mark.parametrize(
    ("line", "place", "message"),
    [
        (f'jwt: {{secrets: ["{HUMHUB}"]}}', "sites[0].jwt.secrets[0]", "the secret is written in the configuration"),
        ("jwt: {secrets: [file:open]}", "sites[0].jwt.secrets[0]", "every user of this machine can get at"),
        ("jwt: {secrets: []}", "sites[0].jwt.secrets", "NOTHING IS SIGNED"),
    ],
)
def test_a_careless_secret_is_a_warning(
    line: str, place: str, message: str, loaded: Callable[..., Loaded], tmp_path: Path
) -> None:
    (tmp_path / "open").write_text(HUMHUB)
    (tmp_path / "open").chmod(0o644)
    warnings = loaded(SMALLEST.replace("    upstream", f"    {line}\n    upstream", 1)).warnings
    assert [(warning.place, warning.line) for warning in warnings] == [(place, 7)]
    assert message in warnings[0].message
    assert warnings[0].remedy


def test_a_short_secret_of_docs_is_a_warning(loaded: Callable[..., Loaded]) -> None:
    (warning,) = loaded(SMALLEST, DOCS_JWT="short").warnings
    assert (warning.place, "can be guessed" in warning.message) == ("docs.jwt.secrets[0]", True)


def test_a_short_secret_of_humhub_is_a_fault(refused: Callable[..., tuple[Fault, ...]]) -> None:
    (fault,) = refused(SMALLEST, ENVIRON | {"HUMHUB_JWT": "x" * 31})
    assert (fault.place, "php-jwt refuses" in fault.message) == ("sites[0].jwt.secrets[0]", True)


def test_checking_makes_no_secret_and_serving_makes_one(write: Callable[[str], Path], tmp_path: Path) -> None:
    path = write(SMALLEST)
    assert len(load(path, environ=ENVIRON).config.secret) >= 32
    assert not (tmp_path / "data").exists()
    made = load(path, environ=ENVIRON, make_secret=True).config.secret
    assert stat.S_IMODE((tmp_path / "data/secret").stat().st_mode) == 0o600
    assert [item.name for item in (tmp_path / "data").iterdir()] == ["secret"]
    assert load(path, environ=ENVIRON, make_secret=True).config.secret == made


def test_a_secret_is_never_printed(loaded: Callable[..., Loaded]) -> None:
    config = loaded(SMALLEST + 'store: {url: "redis://:password-word@cache.test"}\n').config
    for shown in (repr(config), str(config.sites[0].jwt.secrets), f"{config.sites[0].jwt.secrets[0]}"):
        assert HUMHUB not in shown
        assert "password-word" not in shown
    assert config.sites[0].jwt.secrets[0].reveal() == HUMHUB.encode()


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")


def test_whoever_starts_second_takes_the_secret_that_is_there(tmp_path: Path) -> None:
    first = ensure_secret(tmp_path / "data/secret")
    assert ensure_secret(tmp_path / "data/secret") == first
    assert [item.name for item in (tmp_path / "data").iterdir()] == ["secret"]


def test_a_secret_that_cannot_be_made_is_a_fault(write: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file, where the directory should be")
    with pytest.raises(ConfigurationFaults) as caught:
        load(write(SMALLEST), environ=ENVIRON, make_secret=True)
    assert [fault.place for fault in caught.value.faults] == ["secret"]
