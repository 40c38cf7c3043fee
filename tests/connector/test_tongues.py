"""Language tags of every spelling, and what documents and editors make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.connector.tongues import tongue

# tag: (whole, proofing, editor's, US Letter, right to left, first sheet)
TONGUES = {
    "en-US": ("en-US", "en-US", "en", True, False, "Sheet1"),
    "en": ("en-US", "en-US", "en", True, False, "Sheet1"),
    "en-GB": ("en-GB", "en-GB", "en", False, False, "Sheet1"),
    "en_CA": ("en-CA", "en-CA", "en", True, False, "Sheet1"),
    "de": ("de-DE", "de-DE", "de", False, False, "Tabelle1"),
    "DE-at": ("de-AT", "de-AT", "de", False, False, "Tabelle1"),
    "de_CH.UTF-8": ("de-CH", "de-CH", "de", False, False, "Tabelle1"),
    "pt": ("pt-PT", "pt-PT", "pt-PT", False, False, "Folha1"),
    "pt-BR": ("pt-BR", "pt-BR", "pt", False, False, "Planilha1"),
    "es": ("es-ES", "es-ES", "es", False, False, "Hoja1"),
    "es-419": ("es-419", "es-MX", "es", True, False, "Hoja1"),
    "es-MX": ("es-MX", "es-MX", "es", True, False, "Hoja1"),
    "fr-CA": ("fr-CA", "fr-CA", "fr", True, False, "Feuil1"),
    "nb-NO": ("nb-NO", "nb-NO", "nb", False, False, "Ark1"),
    "nn-NO": ("nn-NO", "nn-NO", "nb", False, False, "Ark1"),
    "no": ("nb-NO", "nb-NO", "nb", False, False, "Ark1"),
    "zh-CN": ("zh-CN", "zh-CN", "zh", False, False, "Sheet1"),
    "zh-Hant": ("zh-TW", "zh-TW", "zh-TW", False, False, "Sheet1"),
    "zh-Hant-HK": ("zh-HK", "zh-HK", "zh-TW", False, False, "Sheet1"),
    "sr": ("sr-RS", "sr-RS", "sr", False, False, "Sheet1"),
    "ar": ("ar-SA", "ar-SA", "ar", False, True, "ورقة1"),
    "iw": ("he-IL", "he-IL", "he", False, True, "גיליון1"),  # noqa: RUF001 - it is that letter
    "fa-IR": ("fa-IR", "fa-IR", "fa", False, True, "Sheet1"),
    "uk": ("uk-UA", "uk-UA", "uk", False, False, "Аркуш1"),  # noqa: RUF001 - it is that letter
    "": ("en-US", "en-US", "en", True, False, "Sheet1"),
    "klingon!": ("en-US", "en-US", "en", True, False, "Sheet1"),
    "../../etc": ("en-US", "en-US", "en", True, False, "Sheet1"),
}


@pytest.mark.parametrize("tag", TONGUES)
def test_a_tag_says_what_a_document_is_like(tag: str) -> None:
    read = tongue(tag)
    assert (read.tag, read.proofing, read.editor, read.letter, read.right_to_left, read.sheet) == TONGUES[tag]


@given(st.text(max_size=20))
def test_whatever_is_sent_as_a_language_gives_a_plain_tag(tag: str) -> None:
    assert all(text.replace("-", "").isalnum() and text.isascii() for text in (tongue(tag).tag, tongue(tag).editor))
