"""An empty spreadsheet."""

from __future__ import annotations

from typing import Final

from bridge.connector.blanks.package import OFFICE, XML, Part, Relation, common, pack, theme
from bridge.connector.tongues import Tongue

__all__ = ["table"]

_S: Final = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPE: Final = "spreadsheetml.{}+xml"
_LETTER, _A4 = 1, 9  # ST_PaperSize's numbers

_STYLES: Final = (
    f'{XML}<styleSheet {_S}><fonts count="1"><font><sz val="11"/><color theme="1"/><name val="Arial"/>'
    '<family val="2"/><scheme val="minor"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill>'
    '</fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    '<dxfs count="0"/><tableStyles count="0" defaultTableStyle="TableStyleMedium2"/></styleSheet>'
)


def table(speech: Tongue) -> bytes:
    """Make an empty XLSX with one sheet."""
    book = Part(
        "xl/workbook.xml",
        _TYPE.format("sheet.main"),
        f'{XML}<workbook {_S} xmlns:r="{OFFICE}"><bookViews><workbookView/></bookViews><sheets>'
        f'<sheet name="{speech.sheet}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        (
            Relation("worksheet", "worksheets/sheet1.xml"),
            Relation("styles", "styles.xml"),
            Relation("theme", "theme/theme1.xml"),
        ),
    )
    return pack(
        (
            book,
            Part("xl/worksheets/sheet1.xml", _TYPE.format("worksheet"), _sheet(speech)),
            Part("xl/styles.xml", _TYPE.format("styles"), _STYLES),
            Part("xl/theme/theme1.xml", "theme+xml", theme(speech)),
            *common(speech),
        )
    )


def _sheet(speech: Tongue) -> str:
    direction = ' rightToLeft="1"' if speech.right_to_left else ""
    paper = _LETTER if speech.letter else _A4
    return (
        f'{XML}<worksheet {_S}><dimension ref="A1"/><sheetViews><sheetView{direction} tabSelected="1" '
        'workbookViewId="0"/></sheetViews><sheetFormatPr defaultRowHeight="15"/><sheetData/>'
        '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
        f'<pageSetup paperSize="{paper}" orientation="portrait"/></worksheet>'
    )
