"""One line of text for a person in the editor's window: what it says, and the element that carries it.

HumHub's policy for its pages lets classes and inline styles through, and no inline script without a nonce; so the line
is an element and nothing else, in Bootstrap's own classes as HumHub's themes colour them.

It is the first thing inside the editor's element, before the bar with the buttons. In the module's page (recorded) that
bar is 50 pixels high and empty but for buttons at its end, and the editor below takes the whole height of its parent:
what pushes it down pushes its foot out of the window. So on a wide screen the line floats at the bar's start, where two
lines of text fit and take no room of their own; a longer one moves buttons and editor down and covers neither. On a
narrow screen, and where a theme knows no such class, it stands above the bar.
"""

from __future__ import annotations

from html import escape

__all__ = ["element", "waiting_notice"]

# 14rem are left to the buttons; a bar that hasn't that much beside 30rem of text is a narrow screen's.
_STYLE = "margin:3px;padding:4px 10px;max-width:max(30rem,100% - 14rem);font-size:13px;line-height:1.25"

_WAITING = {
    "en": (
        "The latest changes to this document are safe and shown here. "
        "HumHub could not store them yet; this is tried again by itself."
    ),
    "de": (
        "Die neuesten Änderungen sind sicher und hier zu sehen. "
        "HumHub konnte sie noch nicht speichern; das wird von selbst erneut versucht."
    ),
}


def waiting_notice(lang: str) -> str:
    """Say that a document's newest save waits for HumHub; ``lang`` is the editor's, as in ``de`` or ``de-DE``."""
    primary = lang.replace("_", "-").partition("-")[0].lower()
    return _WAITING.get(primary, _WAITING["en"])


def element(text: str) -> str:
    """Write the element that shows ``text``, in ASCII alone: whatever encoding the page has, it reads the same."""
    shown = escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")
    return f'<div class="alert alert-warning float-md-start" role="status" dir="auto" style="{_STYLE}">{shown}</div>'
