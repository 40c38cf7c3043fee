"""An empty text document."""

from __future__ import annotations

from typing import Final

from bridge.connector.blanks.package import XML, Part, Relation, common, pack, theme
from bridge.connector.tongues import Tongue

__all__ = ["word"]

_W: Final = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_TYPE: Final = "wordprocessingml.{}+xml"
# In twentieths of a point: width, height, margin.
_A4: Final = (11906, 16838, 1417)
_LETTER: Final = (12240, 15840, 1440)
_COLOURS: Final = {
    "bg1": "light1",
    "t1": "dark1",
    "bg2": "light2",
    "t2": "dark2",
    **{name: name for name in (*(f"accent{number}" for number in range(1, 7)), "hyperlink", "followedHyperlink")},
}
_FONTS: Final = (
    f'{XML}<w:fonts {_W}><w:font w:name="Arial"><w:panose1 w:val="020B0604020202020204"/><w:charset w:val="00"/>'
    '<w:family w:val="swiss"/><w:pitch w:val="variable"/></w:font></w:fonts>'
)
_HEADINGS: Final = (32, 26, 24, 22, 22, 20)  # sizes in half points
_LATIN, _ARABIC = "en-US", "ar-SA"  # the spelling of letters that the language itself has none of


def word(speech: Tongue) -> bytes:
    """Make an empty DOCX."""
    document = Part(
        "word/document.xml",
        _TYPE.format("document.main"),
        _document(speech),
        (
            Relation("styles", "styles.xml"),
            Relation("settings", "settings.xml"),
            Relation("theme", "theme/theme1.xml"),
            Relation("fontTable", "fontTable.xml"),
        ),
    )
    return pack(
        (
            document,
            Part("word/styles.xml", _TYPE.format("styles"), _styles(speech)),
            Part("word/settings.xml", _TYPE.format("settings"), _settings(speech)),
            Part("word/theme/theme1.xml", "theme+xml", theme(speech)),
            Part("word/fontTable.xml", _TYPE.format("fontTable"), _FONTS),
            *common(speech),
        )
    )


def _document(speech: Tongue) -> str:
    width, height, margin = _LETTER if speech.letter else _A4
    sides = " ".join(f'w:{side}="{margin}"' for side in ("top", "right", "bottom", "left"))
    bidi = "<w:bidi/>" if speech.right_to_left else ""
    return (
        f'{XML}<w:document {_W}><w:body><w:p/><w:sectPr><w:pgSz w:w="{width}" w:h="{height}"/>'
        f'<w:pgMar {sides} w:header="708" w:footer="708" w:gutter="0"/><w:cols w:space="708"/>{bidi}</w:sectPr>'
        "</w:body></w:document>"
    )


def _settings(speech: Tongue) -> str:
    compatible = "".join(
        f'<w:compatSetting w:name="{name}" w:uri="http://schemas.microsoft.com/office/word" w:val="{value}"/>'
        for name, value in (
            ("compatibilityMode", 15),
            ("overrideTableStyleFontSizeAndJustification", 1),
            ("enableOpenTypeFeatures", 1),
            ("doNotFlipMirrorIndents", 1),
        )
    )
    colours = " ".join(f'w:{name}="{value}"' for name, value in _COLOURS.items())
    return (
        f'{XML}<w:settings {_W}><w:zoom w:percent="100"/><w:defaultTabStop w:val="708"/>'
        f'<w:characterSpacingControl w:val="doNotCompress"/><w:compat>{compatible}</w:compat>'
        f"<w:themeFontLang {_languages(speech)}/><w:clrSchemeMapping {colours}/></w:settings>"
    )


def _languages(speech: Tongue) -> str:
    """Name the language of each script: the document's own stands with the letters that it is written in."""
    eastern = f' w:eastAsia="{speech.proofing}"' if speech.east_asian_font else ""
    bidi = speech.proofing if speech.right_to_left else _ARABIC
    latin = _LATIN if eastern or speech.right_to_left else speech.proofing
    return f'w:val="{latin}"{eastern} w:bidi="{bidi}"'


def _styles(speech: Tongue) -> str:
    fonts = 'w:asciiTheme="minorHAnsi" w:eastAsiaTheme="minorEastAsia" w:hAnsiTheme="minorHAnsi" w:cstheme="minorBidi"'
    direction = "<w:bidi/>" if speech.right_to_left else ""
    defaults = (
        f'<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts {fonts}/><w:sz w:val="22"/><w:szCs w:val="22"/>'
        f"<w:lang {_languages(speech)}/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr>"
        '<w:spacing w:after="120" w:line="276" w:lineRule="auto"/></w:pPr></w:pPrDefault></w:docDefaults>'
    )
    kept = "<w:keepNext/><w:keepLines/>"
    spaced = f'<w:pPr>{kept}<w:spacing w:before="{{}}" w:after="80"/><w:outlineLvl w:val="{{}}"/></w:pPr>'
    colour = '<w:color w:val="2F3E4E" w:themeColor="text2"/>'
    headings = "".join(
        _style(
            f"Heading{level}",
            f"heading {level}",
            spaced.format(360 if level == 1 else 240, level - 1)
            + f'<w:rPr><w:b/><w:bCs/>{colour}<w:sz w:val="{size}"/><w:szCs w:val="{size}"/></w:rPr>',
            following="Normal",
            priority=9,
        )
        for level, size in enumerate(_HEADINGS, 1)
    )
    size = '<w:sz w:val="{0}"/><w:szCs w:val="{0}"/>'
    return (
        f"{XML}<w:styles {_W}>{defaults}"
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/>'
        f"<w:pPr>{direction}</w:pPr></w:style>"
        '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont">'
        '<w:name w:val="Default Paragraph Font"/><w:uiPriority w:val="1"/><w:semiHidden/></w:style>'
        '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/>'
        '<w:uiPriority w:val="99"/><w:semiHidden/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar>'
        '<w:top w:w="0" w:type="dxa"/><w:left w:w="108" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/>'
        '<w:right w:w="108" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>'
        '<w:style w:type="numbering" w:default="1" w:styleId="NoList"><w:name w:val="No List"/>'
        f'<w:uiPriority w:val="99"/><w:semiHidden/></w:style>{headings}'
        + _style(
            "Title",
            "Title",
            f'<w:pPr><w:spacing w:after="200"/></w:pPr><w:rPr>{colour}{size.format(52)}</w:rPr>',
            following="Normal",
            priority=10,
        )
        + _style(
            "Subtitle",
            "Subtitle",
            f'<w:pPr><w:spacing w:after="200"/></w:pPr><w:rPr><w:color w:val="5F6871"/>{size.format(28)}</w:rPr>',
            following="Normal",
            priority=11,
        )
        + _style("ListParagraph", "List Paragraph", '<w:pPr><w:ind w:left="720"/><w:contextualSpacing/></w:pPr>', 34)
        + _style("Header", "header", _tabs(speech), 99)
        + _style("Footer", "footer", _tabs(speech), 99)
        + _grid()
        + "</w:styles>"
    )


def _tabs(speech: Tongue) -> str:
    """Put a header's two tabs to the middle and the end of its line."""
    width, _, margin = _LETTER if speech.letter else _A4
    line = width - 2 * margin
    return (
        f'<w:pPr><w:tabs><w:tab w:val="center" w:pos="{line // 2}"/><w:tab w:val="right" w:pos="{line}"/></w:tabs>'
        '<w:spacing w:after="0" w:line="240" w:lineRule="auto"/></w:pPr>'
    )


def _grid() -> str:
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="auto"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    return (
        '<w:style w:type="table" w:styleId="TableGrid"><w:name w:val="Table Grid"/><w:basedOn w:val="TableNormal"/>'
        '<w:uiPriority w:val="39"/><w:pPr><w:spacing w:after="0" w:line="240" w:lineRule="auto"/></w:pPr>'
        f"<w:tblPr><w:tblBorders>{borders}</w:tblBorders></w:tblPr></w:style>"
    )


def _style(name: str, shown: str, looks: str, priority: int, following: str = "") -> str:
    after = f'<w:next w:val="{following}"/>' if following else ""
    return (
        f'<w:style w:type="paragraph" w:styleId="{name}"><w:name w:val="{shown}"/><w:basedOn w:val="Normal"/>{after}'
        f'<w:uiPriority w:val="{priority}"/><w:unhideWhenUsed/><w:qFormat/>{looks}</w:style>'
    )
