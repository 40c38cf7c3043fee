"""The demo's short lines, made from the bridge's log lines."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.demo.ticker import tell

REQUEST = {"event": "request", "method": "GET", "status": 200, "path": "/?doc=eyJsecret", "outcome": "ok"}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"leg": "browser"}, None),
        ({"leg": "browser", "key": "k1", "node": "docs-1"}, None),
        (
            {"leg": "browser", "editor": True, "bytes_out": 2200},
            "browser  an editor's page, signed anew for Docs  2.2 kB",
        ),
        (
            {"leg": "docs", "key": "k1", "bytes_out": 999},
            "docs     Docs downloads the document from HumHub  k1",
        ),
        (
            {"leg": "docs", "method": "POST", "callback": "forced_save", "outcome": "delivered", "key": "k1"},
            "docs     Docs calls HumHub back: forced save, delivered  k1",
        ),
        ({"leg": "docs", "visitor": "u1", "key": "k1"}, "docs     Docs downloads the document  k1"),
        (
            {"leg": "docs", "method": "POST", "callback": "saved", "outcome": "delivered", "visitor": "u1"},
            "docs     Docs calls back: saved, delivered",
        ),
        ({"leg": "browser", "visitor": "u1", "mode": "edit", "key": "k1"}, "browser  an editor's page, to edit  k1"),
        ({"leg": "browser", "visitor": "u1", "path": "/hub/onlyoffice-bridge/notices"}, None),
        (
            {"leg": "browser", "method": "POST", "visitor": "u1", "path": "/onlyoffice-bridge/create"},
            "browser  a document is created",
        ),
        ({"leg": "humhub", "method": "POST", "conversion": 100}, "humhub   HumHub has a document converted: 100"),
        ({"leg": "humhub", "method": "POST", "command": "version"}, "humhub   HumHub sends the command version"),
        ({"leg": "humhub", "status": 404}, "humhub   HumHub fetches a file  404"),
        (
            {"leg": "docs", "status": 403, "why": "The token has expired.", "remedy": "Compare the clocks."},
            "docs     The token has expired. Compare the clocks.",
        ),
        ({"leg": "docs", "why": "it was opened again", "remedy": "Wait."}, "docs     It was opened again. Wait."),
        ({"event": "ready", "level": "info"}, None),
        ({"event": "save not kept", "level": "error"}, "error: save not kept"),
    ],
)
def test_a_log_line_is_told_in_short_or_not_at_all(fields: dict[str, Any], line: str | None) -> None:
    told = tell({**REQUEST, **fields})
    assert told == line
    assert "eyJsecret" not in (told or "")
