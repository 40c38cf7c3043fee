"""An empty presentation: a master, its layouts, and a title slide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from bridge.connector.blanks.layouts import BODY, FEET, LAYOUTS, TITLE, Layout, Place
from bridge.connector.blanks.package import OFFICE, XML, Part, Relation, common, pack, theme
from bridge.connector.tongues import Tongue

__all__ = ["slides"]

_A: Final = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_NAMES: Final = f'{_A} xmlns:r="{OFFICE}" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_TYPE: Final = "presentationml.{}+xml"
_WIDTH, _HEIGHT = 12192000, 6858000  # 16:9, in 360,000ths of a centimetre
_STEP: Final = 457200  # half an inch, by which each level of a list stands further in
_MASTER: Final = 2147483648  # masters are numbered from 2^31, and their layouts with them
_LEVELS: Final = (28, 24, 20, 18, 18, 18, 18, 18, 18)  # points
_COLOURS: Final = {
    "bg1": "lt1",
    "tx1": "dk1",
    "bg2": "lt2",
    "tx2": "dk2",
    **{name: name for name in (*(f"accent{number}" for number in range(1, 7)), "hlink", "folHlink")},
}
_FIELDS: Final = {
    "dt": '<a:fld id="{5BCAD085-E8A6-4845-BD4E-CB4CCA059FC4}" type="datetime1"><a:rPr/><a:t></a:t></a:fld>',
    "sldNum": '<a:fld id="{B6F15528-21DE-4FAA-801E-634DDDAF4B2B}" type="slidenum"><a:rPr/><a:t>1</a:t></a:fld>',
}
_NO_TABLE_STYLES: Final = f'{XML}<a:tblStyleLst {_A} def="{{5C22544A-7EE6-4342-B048-85BDC9FD1C3A}}"/>'


def slides(speech: Tongue) -> bytes:
    """Make a PPTX with one title slide."""
    to_master = (Relation("slideMaster", "../slideMasters/slideMaster1.xml"),)
    layouts = [
        Part(f"ppt/slideLayouts/slideLayout{at}.xml", _TYPE.format("slideLayout"), _layout(one, speech), to_master)
        for at, one in enumerate(LAYOUTS, 1)
    ]
    of_master = [Relation("slideLayout", f"../slideLayouts/slideLayout{at}.xml") for at in range(1, len(LAYOUTS) + 1)]
    of_master.append(Relation("theme", "../theme/theme1.xml"))
    of_slide = (Relation("slideLayout", "../slideLayouts/slideLayout1.xml"),)
    of_deck = (
        Relation("slideMaster", "slideMasters/slideMaster1.xml"),
        Relation("slide", "slides/slide1.xml"),
        Relation("theme", "theme/theme1.xml"),
        Relation("tableStyles", "tableStyles.xml"),
        Relation("presProps", "presProps.xml"),
        Relation("viewProps", "viewProps.xml"),
    )
    return pack(
        (
            Part("ppt/presentation.xml", _TYPE.format("presentation.main"), _deck(speech), of_deck),
            Part("ppt/slides/slide1.xml", _TYPE.format("slide"), _slide(speech), of_slide),
            Part("ppt/slideMasters/slideMaster1.xml", _TYPE.format("slideMaster"), _master(speech), tuple(of_master)),
            *layouts,
            Part("ppt/theme/theme1.xml", "theme+xml", theme(speech)),
            Part("ppt/tableStyles.xml", _TYPE.format("tableStyles"), _NO_TABLE_STYLES),
            # PowerPoint calls a presentation broken that lacks one of these, however empty.
            Part("ppt/presProps.xml", _TYPE.format("presProps"), f"{XML}<p:presentationPr {_NAMES}/>"),
            Part("ppt/viewProps.xml", _TYPE.format("viewProps"), f"{XML}<p:viewPr {_NAMES}/>"),
            *common(speech),
        )
    )


def _deck(speech: Tongue) -> str:
    direction = ' rtl="1"' if speech.right_to_left else ""
    return (
        f'{XML}<p:presentation {_NAMES}{direction} saveSubsetFonts="1">'
        f'<p:sldMasterIdLst><p:sldMasterId id="{_MASTER}" r:id="rId1"/></p:sldMasterIdLst>'
        '<p:sldIdLst><p:sldId id="256" r:id="rId2"/></p:sldIdLst>'
        f'<p:sldSz cx="{_WIDTH}" cy="{_HEIGHT}"/><p:notesSz cx="{_HEIGHT}" cy="9144000"/>'
        f"<p:defaultTextStyle>{_plain_levels(speech)}</p:defaultTextStyle></p:presentation>"
    )


def _master(speech: Tongue) -> str:
    colours = " ".join(f'{name}="{value}"' for name, value in _COLOURS.items())
    ids = "".join(f'<p:sldLayoutId id="{_MASTER + at}" r:id="rId{at}"/>' for at in range(1, len(LAYOUTS) + 1))
    title = _level(1, speech, points=44, colour="tx2", face="mj")
    body = "".join(_level(level, speech, points=points, bullet=True) for level, points in enumerate(_LEVELS, 1))
    return (
        f'{XML}<p:sldMaster {_NAMES}><p:cSld><p:bg><p:bgRef idx="1001"><a:schemeClr val="bg1"/></p:bgRef></p:bg>'
        f"{_tree((TITLE, BODY, *FEET), speech)}</p:cSld><p:clrMap {colours}/><p:sldLayoutIdLst>{ids}"
        f"</p:sldLayoutIdLst><p:txStyles><p:titleStyle>{title}</p:titleStyle><p:bodyStyle>{body}</p:bodyStyle>"
        f"<p:otherStyle>{_plain_levels(speech)}</p:otherStyle></p:txStyles></p:sldMaster>"
    )


def _layout(layout: Layout, speech: Tongue) -> str:
    return (
        f'{XML}<p:sldLayout {_NAMES} type="{layout.kind}" preserve="1"><p:cSld name="{layout.name}">'
        f"{_tree((*layout.places, *FEET), speech)}</p:cSld>"
        "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sldLayout>"
    )


def _slide(speech: Tongue) -> str:
    places = [replace(place, box=None, size=None) for place in LAYOUTS[0].places]
    return (
        f"{XML}<p:sld {_NAMES}><p:cSld>{_tree(places, speech)}</p:cSld>"
        "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>"
    )


def _tree(places: Iterable[Place], speech: Tongue) -> str:
    shapes = "".join(_shape(place, number, speech) for number, place in enumerate(places, 2))
    return (
        '<p:spTree><p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
        f"<p:grpSpPr/>{shapes}</p:spTree>"
    )


def _shape(place: Place, number: int, speech: Tongue) -> str:
    """Write a placeholder; without a box of its own it is where its layout has it, and looks as it does there."""
    kind = f' type="{place.kind}"' if place.kind else ""
    index = f' idx="{place.number}"' if place.number else ""
    name = f"{place.kind or 'content'} {number}"
    where, anchor = "", ""
    if place.box:
        left, top, width, height = (length * _WIDTH // 1000 for length in place.box)
        where = f'<a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'
        where += '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>'
        anchor = f' anchor="{place.anchor}"'
    face, colour = ("mj", "tx2") if place.kind in ("title", "ctrTitle") else ("mn", "tx1")
    style = _level(1, speech, points=place.size, align=place.align, colour=colour, face=face) if place.size else ""
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr><a:spLocks noGrp="1"/></p:cNvSpPr>'
        f"<p:nvPr><p:ph{kind}{index}/></p:nvPr></p:nvSpPr><p:spPr>{where}</p:spPr>"
        f"<p:txBody><a:bodyPr{anchor}><a:normAutofit/></a:bodyPr><a:lstStyle>{style}</a:lstStyle>"
        f'<a:p>{_FIELDS.get(place.kind, "")}<a:endParaRPr lang="{speech.proofing}"/></a:p></p:txBody></p:sp>'
    )


def _plain_levels(speech: Tongue) -> str:
    language = f'<a:defPPr><a:defRPr lang="{speech.proofing}"/></a:defPPr>'
    return language + "".join(_level(level, speech, points=18) for level in range(1, 10))


def _level(
    level: int,
    speech: Tongue,
    *,
    points: int,
    align: str = "start",
    colour: str = "tx1",
    face: str = "mn",
    bullet: bool = False,
) -> str:
    """Write how text of one level of a list looks; a bullet stands half a step before it."""
    ends = ("r", "l") if speech.right_to_left else ("l", "r")
    sides = {"start": ends[0], "middle": "ctr", "end": ends[1]}
    margin = _STEP * (level - 1) + (_STEP // 2 if bullet else 0)
    mark = '<a:buFont typeface="Arial"/><a:buChar char="•"/>' if bullet else "<a:buNone/>"
    spaced = '<a:spcBef><a:spcPts val="600"/></a:spcBef>' if bullet else ""
    fonts = f'<a:latin typeface="+{face}-lt"/><a:ea typeface="+{face}-ea"/><a:cs typeface="+{face}-cs"/>'
    return (
        f'<a:lvl{level}pPr marL="{margin}" indent="{-(_STEP // 2) if bullet else 0}" algn="{sides[align]}" '
        f'defTabSz="914400" rtl="{int(speech.right_to_left)}" eaLnBrk="1" latinLnBrk="0" hangingPunct="1">'
        f"{spaced}{mark}"
        f'<a:defRPr sz="{points * 100}" kern="1200"><a:solidFill><a:schemeClr val="{colour}"/></a:solidFill>{fonts}'
        f"</a:defRPr></a:lvl{level}pPr>"
    )
