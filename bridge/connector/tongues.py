"""A user's language as documents and editors need it: with a region, a direction, a paper and names of its own.

HumHub names languages as ``de``, ``pt-BR``, ``nb-NO`` or ``es-419`` (its list of languages), browsers and Python add
``en_US`` and ``zh-Hant-TW``. A document's proofing language needs a region always: what isn't said is the one where
most people of that language live, as ONLYOFFICE's own templates have it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Tongue", "tongue"]

_TAG: Final = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{4}))?(?:[-_]([a-z]{2}|[0-9]{3}))?(?:[-_.@].*)?", re.IGNORECASE)

# Where it isn't the language's own letters, as in `de-DE`.
_REGIONS: Final = {
    "am": "ET", "an": "ES", "ar": "SA", "be": "BY", "ca": "ES", "cs": "CZ", "cy": "GB", "da": "DK", "el": "GR",
    "en": "US", "et": "EE", "eu": "ES", "fa": "IR", "ga": "IE", "gl": "ES", "he": "IL", "hi": "IN", "hy": "AM",
    "ja": "JP", "ka": "GE", "kk": "KZ", "ko": "KR", "lb": "LU", "lo": "LA", "ms": "MY", "nb": "NO", "nn": "NO",
    "sl": "SI", "sq": "AL", "sr": "RS", "sv": "SE", "sw": "KE", "uk": "UA", "ur": "PK", "vi": "VN", "zh": "CN",
}  # fmt: skip
_SAME: Final = {"iw": "he", "in": "id", "no": "nb", "ji": "yi"}  # former codes, which PHP and Java still give out
_REGIONS_BY_SCRIPT: Final = {"hant": "TW", "hans": "CN"}
_RIGHT_TO_LEFT: Final = frozenset({"ar", "he", "fa", "ur", "yi", "ps", "sd", "ug", "dv"})
# Where paper is 8.5 by 11 inches. Source: CLDR's measurement data; 419 is Latin America.
_LETTER: Final = frozenset(
    {"BZ", "CA", "CL", "CO", "CR", "GT", "HT", "MX", "NI", "PA", "PH", "PR", "SV", "US", "VE", "419"}
)

# What a new table's first sheet is called in that language, without its number.
_SHEETS: Final = {
    "ar": "ورقة", "ca": "Full", "cs": "List", "da": "Ark", "de": "Tabelle", "el": "Φύλλο", "es": "Hoja", "et": "Leht",
    "fi": "Taul", "fr": "Feuil", "he": "גיליון", "hr": "List", "hu": "Munka", "it": "Foglio", "lt": "Lapas",
    "lv": "Lapa", "nb": "Ark", "nl": "Blad", "nn": "Ark", "pl": "Arkusz", "pt": "Folha", "pt-BR": "Planilha",
    "ru": "Лист", "sk": "Hárok", "sl": "List", "sv": "Blad", "tr": "Sayfa", "uk": "Аркуш",
}  # fmt: skip
_EAST_ASIAN: Final = {
    "ja-JP": "Yu Gothic", "ko-KR": "Malgun Gothic", "zh-CN": "Microsoft YaHei", "zh-SG": "Microsoft YaHei",
    "zh-TW": "Microsoft JhengHei", "zh-HK": "Microsoft JhengHei", "zh-MO": "Microsoft JhengHei",
}  # fmt: skip
# The editors have two Portuguese and two Chinese. Source: ONLYOFFICE API, editorConfig.lang.
_EDITORS: Final = {"pt-BR": "pt", "pt": "pt-PT", "zh-TW": "zh-TW", "zh-HK": "zh-TW", "zh-MO": "zh-TW", "nn": "nb"}


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language of a region, such as ``de`` of ``DE``."""

    language: str
    region: str

    @property
    def tag(self) -> str:
        """Give both, as in ``de-DE``."""
        return f"{self.language}-{self.region}"

    @property
    def right_to_left(self) -> bool:
        """Say whether it is written from right to left."""
        return self.language in _RIGHT_TO_LEFT

    @property
    def letter(self) -> bool:
        """Say whether its paper is US Letter rather than A4."""
        return self.region in _LETTER

    @property
    def sheet(self) -> str:
        """Give the name of a new table's first sheet."""
        return f"{_SHEETS.get(self.tag) or _SHEETS.get(self.language, 'Sheet')}1"

    @property
    def east_asian_font(self) -> str:
        """Give the font of Chinese, Japanese and Korean letters; empty where documents need none of their own."""
        return _EAST_ASIAN.get(self.tag, "")

    @property
    def editor(self) -> str:
        """Give the language for the editors' own words. Source: ONLYOFFICE API, editorConfig.lang."""
        return _EDITORS.get(self.tag) or _EDITORS.get(self.language, self.language)

    @property
    def proofing(self) -> str:
        """Give the tag for spell checkers, which know no Spanish of a whole continent."""
        return "es-MX" if self.tag == "es-419" else self.tag


def tongue(tag: str) -> Tongue:
    """Read a language tag of any spelling; what is none is US English."""
    found = _TAG.fullmatch(tag.strip())
    if found is None:
        return Tongue("en", "US")
    language, script, region = (part or "" for part in found.groups())
    language = _SAME.get(language.lower(), language.lower())
    usual = _REGIONS_BY_SCRIPT.get(script.lower()) or _REGIONS.get(language, language.upper())
    return Tongue(language, region.upper() or usual)
