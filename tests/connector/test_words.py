"""What the connector says is said in English and German, and in whatever language has a catalogue."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest

import bridge.connector
import bridge.legs
from bridge.connector.words import CatalogueError, msgid, words

CONNECTOR = Path(bridge.connector.__file__).parent
LOCALE = CONNECTOR / "locale"
SAYING = [*CONNECTOR.rglob("*.py"), *Path(bridge.legs.__file__).parent.glob("*.py")]


def sentences() -> Iterator[str]:
    """Find what is said: `msgid("…")`, `say("…")` and `words(language)("…")`."""
    for path in SAYING:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _speaks(node.func) and node.args:
                said = node.args[0]
                if isinstance(said, ast.Constant) and isinstance(said.value, str):
                    yield said.value


def _speaks(called: ast.expr) -> bool:
    match called:
        case ast.Name(id="say" | "msgid") | ast.Attribute(attr="say"):
            return True
        case ast.Call(func=ast.Name(id="words") | ast.Attribute(attr="words")):
            return True
        case _:
            return False


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(str(LOCALE / language / "LC_MESSAGES/connector.po"))


def write(locale: Path, language: str, *pairs: tuple[str, str]) -> Path:
    file = locale / language / "LC_MESSAGES/connector.po"
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = ['msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n']
    lines += [f'msgid "{sentence}"\nmsgstr "{foreign}"\n' for sentence, foreign in pairs]
    file.write_text("\n".join(lines), "utf-8")
    return file


def test_every_sentence_is_in_german() -> None:
    missing = set(sentences()) - {entry.msgid for entry in catalogue("de").translated_entries()}
    lines = "\n".join(f'msgid "{sentence}"\nmsgstr ""\n' for sentence in sorted(missing))
    assert not missing, f"translate these in {LOCALE}/de/LC_MESSAGES/connector.po:\n\n{lines}"


@pytest.mark.parametrize("language", sorted(folder.name for folder in LOCALE.iterdir()))
def test_a_catalogue_has_no_sentence_that_nobody_says(language: str) -> None:
    known = {entry.msgid for entry in catalogue(language)}
    assert known <= set(sentences())


def test_the_english_catalogue_lists_every_sentence() -> None:
    missing = set(sentences()) - {entry.msgid for entry in catalogue("en")}
    lines = "\n".join(f'msgid "{sentence}"\nmsgstr ""\n' for sentence in sorted(missing))
    assert not missing, f"add these to {LOCALE}/en/LC_MESSAGES/connector.po:\n\n{lines}"


@pytest.mark.parametrize(
    ("asked", "language", "said"),
    [
        ("de", "de", "Tabelle"),
        ("de-AT", "de", "Tabelle"),
        ("de_CH", "de", "Tabelle"),
        ("DE-de", "de", "Tabelle"),
        ("en", "en", "Spreadsheet"),
        ("en-US", "en", "Spreadsheet"),
        ("tlh", "en", "Spreadsheet"),
        ("", "en", "Spreadsheet"),
        ("../de", "en", "Spreadsheet"),
    ],
)
def test_a_tag_finds_its_language(asked: str, language: str, said: str) -> None:
    say = words(asked)
    assert (say.language, say("Spreadsheet")) == (language, said)


def test_values_stand_where_their_names_are() -> None:
    assert words("de")("The new file is {name}.", name="a {b}.docx") == "Die neue Datei heißt a {b}.docx."
    assert words("en")("The new file is {name}.", name="Plan.docx") == "The new file is Plan.docx."


def test_another_language_is_a_catalogue_more(tmp_path: Path) -> None:
    write(tmp_path, "pt_BR", ("Spreadsheet", "Planilha"))
    write(tmp_path, "pt", ("Spreadsheet", "Folha de cálculo"))
    assert words("pt-BR", tmp_path)("Spreadsheet") == "Planilha"
    assert words("pt-PT", tmp_path)("Spreadsheet") == "Folha de cálculo"
    assert words("pt", tmp_path)("Document") == "Document"
    assert words("de", tmp_path).language == "en"


def test_what_is_marked_as_fuzzy_stays_english(tmp_path: Path) -> None:
    file = write(tmp_path, "fr", ("Document", "Papier"))
    file.write_text(file.read_text("utf-8").replace('msgid "Document"', '#, fuzzy\nmsgid "Document"'), "utf-8")
    assert words("fr", tmp_path)("Document") == "Document"


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([("The new file is {name}.", "Le fichier {nom}.")], "nom"),
        ([("Document", "Docu{ment")], "Docu{ment"),
        ([('Docu"ment', "x")], "line"),
    ],
)
def test_a_broken_catalogue_is_named(tmp_path: Path, pairs: list[tuple[str, str]], why: str) -> None:
    file = write(tmp_path, "fr", *pairs)
    with pytest.raises(CatalogueError) as caught:
        words("fr", tmp_path)
    assert str(file) == caught.value.details["catalogue"]
    assert why in caught.value.details["what"]


def test_a_marked_sentence_is_itself() -> None:
    assert msgid("Document") == "Document"
