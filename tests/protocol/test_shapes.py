"""Which shape a conversion's answer has, and how it is written."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bridge.protocol.shapes import Shape, labelled, shape_of, written

JSON_ROUTE, XML_ROUTE = "/s/social/converter", "/ConvertService.ashx"


@pytest.mark.parametrize(
    ("accept", "at_converter", "at_ashx"),
    [
        # Recorded.
        (None, Shape.JSON, Shape.XML),
        ("*/*", Shape.JSON, Shape.XML),
        ("text/xml", Shape.JSON, Shape.XML),
        ("application/xml", Shape.XML, Shape.XML),
        ("application/json", Shape.JSON, Shape.JSON),
        # By the rules of content negotiation.
        ("", Shape.JSON, Shape.XML),
        ("text/html", Shape.JSON, Shape.XML),
        ("application/json, application/xml", Shape.JSON, Shape.JSON),
        ("application/xml,application/json", Shape.XML, Shape.XML),
        ("application/json;q=0.5, application/xml", Shape.XML, Shape.XML),
        ("application/xml;q=0.1, */*", Shape.JSON, Shape.JSON),
        ("application/json, text/plain, */*", Shape.JSON, Shape.JSON),
        ("application/xml;q=0", Shape.JSON, Shape.XML),
        ("application/json;q=0, */*", Shape.XML, Shape.XML),
        ("APPLICATION/XML ; Q=1", Shape.XML, Shape.XML),
        ("application/*", Shape.JSON, Shape.XML),
        ("application/xml;q=high", Shape.JSON, Shape.XML),
        (",;,/,", Shape.JSON, Shape.XML),
    ],
)
def test_the_shape_that_is_asked_for(accept: str | None, at_converter: Shape, at_ashx: Shape) -> None:
    assert (shape_of(JSON_ROUTE, accept), shape_of(XML_ROUTE, accept)) == (at_converter, at_ashx)


RESULT = {"fileUrl": "http://h/a?b=1&c='2'", "fileType": "pdf", "percent": 100, "endConvert": True}
ODD = {"fileUrl": 'a<b>"\r\n\t\xa0', "percent": 0, "endConvert": False}


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (
            RESULT,
            [
                "<FileUrl>http://h/a?b=1&amp;c=&apos;2&apos;</FileUrl>",
                "<FileType>pdf</FileType>",
                "<Percent>100</Percent>",
                "<EndConvert>True</EndConvert>",
            ],
        ),
        (
            {"percent": 37, "endConvert": False},
            ["<FileUrl/>", "<FileType/>", "<Percent>37</Percent>", "<EndConvert>False</EndConvert>"],
        ),
        ({"error": -8, "percent": 1}, ["<Error>-8</Error>"]),
        (
            ODD,
            [
                "<FileUrl>a&lt;b&gt;&quot;&#xD;&#xA;&#x9;&#xA0;</FileUrl>",
                "<FileType/>",
                "<Percent>0</Percent>",
                "<EndConvert>False</EndConvert>",
            ],
        ),
    ],
)
def test_xml_is_as_docs_writes_it(answer: dict[str, Any], parts: list[str]) -> None:
    text = written(answer, Shape.XML)
    assert text == f'<?xml version="1.0" encoding="utf-8"?><FileResult>{"".join(parts)}</FileResult>'
    assert ET.fromstring(text.encode()).tag == "FileResult"


def test_json_keeps_what_it_does_not_know() -> None:
    assert written({"percent": 1, "new": ["ü"]}, Shape.JSON) == '{"percent":1,"new":["ü"]}'


def test_each_shape_has_docs_own_label() -> None:
    assert labelled(Shape.JSON) == "application/json; charset=UTF-8"
    assert labelled(Shape.XML) == "text/xml; charset=UTF-8"
