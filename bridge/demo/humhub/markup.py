"""Filling the page templates, and writing attributes as Yii does."""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from bridge.demo.humhub.words import translated

TEMPLATES = Path(__file__).parent / "templates"
HEX = {"<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "'": "\\u0027", "/": "\\/"}

QUOTE = re.compile(r"\\(.)")


@cache
def _template(name: str) -> str:
    return (TEMPLATES / f"{name}.html").read_text(encoding="utf-8").removesuffix("\n")


def fill(name: str, /, **values: str) -> str:
    """Fill a template, in the request's language; its values are HTML already."""
    return Template(translated(_template(name))).substitute(values)


def json_attribute(name: str, value: Any) -> str:
    """Write a single-quoted attribute with JSON in it: PHP's hex escapes instead of entities, and `\\/`."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = QUOTE.sub(lambda found: "\\u0022" if found[1] == '"' else found[0], text)
    return f"{name}='{''.join(HEX.get(char, char) for char in text)}'"


def attribute(value: str) -> str:
    return escape(value, quote=True)
