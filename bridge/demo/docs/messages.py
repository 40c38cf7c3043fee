"""What the server says to an editor over its socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.demo.docs import changes
from bridge.demo.docs.settings import BUILD_NUMBER, BUILD_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.demo.docs.session import Participant, Session

Message = dict[str, Any]

LICENSE: Message = {
    "type": "license",
    "license": {
        "type": 3,
        "light": False,
        "mode": 0,
        "rights": 1,
        "buildVersion": BUILD_VERSION,
        "buildNumber": BUILD_NUMBER,
        "protectionSupport": True,
        "isAnonymousSupport": True,
        "liveViewerSupport": True,
        "branding": False,
        "customization": False,
        "advancedApi": False,
    },
}


def welcome(session: Session, participant: Participant, token: str) -> Message:
    """The answer to `auth`; `token` is the session's, for reconnects."""
    return {
        "type": "auth",
        "result": 1,
        "sessionId": participant.session_id,
        "indexUser": participant.index,
        "view": participant.view,
        "participants": _participants(session),
        "jwt": token,
        "buildVersion": BUILD_VERSION,
        "buildNumber": BUILD_NUMBER,
    }


def state(session: Session) -> Message:
    """Who is here."""
    return {"type": "connectState", "participants": _participants(session)}


def opened(status: str, data: object) -> Message:
    """How opening went: `ok` with links, `updateversion`, or `err` with a code."""
    return {"type": "documentOpen", "data": {"type": "open", "status": status, "data": data}}


def history(accepted: Iterable[changes.Change]) -> Message:
    """The changes that the editor doesn't know yet."""
    return {"type": "authChanges", "changes": [changes.write(change) for change in accepted]}


def _participants(session: Session) -> list[Message]:
    return [
        {
            "id": f"{one.user}{one.index}",
            "idOriginal": one.user,
            "username": one.name,
            "indexUser": one.index,
            "view": one.view,
        }
        for one in session.participants.values()
    ]
