"""Editors: what a browser says over its socket, and how everyone in a document hears of it.

Theory of operation. Handlers only decide; what waits on others (the callback of a joiner, the download) runs in a
task of its own, so that pings go on. A socket that breaks leaves its participant for `rejoin` seconds: a bridge that
restarts doesn't make anyone leave. Saying `close`, or disconnecting properly, is leaving at once.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import socketio.exceptions

from bridge.demo.docs import authorise, changes, links, messages, opening
from bridge.demo.docs.callbacks import JOINED, UNCHANGED
from bridge.demo.docs.downloads import DownloadError
from bridge.demo.docs.session import Participant, Session, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.demo.docs.opening import Opener
    from bridge.demo.docs.saving import Saver
    from bridge.demo.docs.settings import DocsSettings
    from bridge.demo.docs.tasks import Tasks
    from bridge.demo.docs.wire import Wire

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a connection stands: its participant in a session."""

    session: Session
    participant: Participant


@dataclass(slots=True)
class Editors:
    """All browsers of one small Docs server."""

    settings: DocsSettings
    wire: Wire
    sessions: dict[str, Session]
    opener: Opener
    saver: Saver
    tasks: Tasks
    _places: dict[str, Place] = field(default_factory=dict)
    _handshakes: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def listen(self) -> None:
        server = self.wire.server
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        server.on("message", self._message)

    # -- connections

    async def _connect(self, sid: str, environ: Message, auth: object = None) -> None:
        try:
            authorise.connect(auth, self.settings)
        except authorise.Refused as error:
            raise socketio.exceptions.ConnectionRefusedError(
                "not authorized", {"code": error.code, "description": str(error)}
            ) from error
        request = environ["aiohttp.request"]
        shard = request.query.get("shardkey")
        self._handshakes[sid] = (links.base_url(request.headers), shard)
        self.opener.shelf.last_shard = shard or self.opener.shelf.last_shard
        # From a task: what a handler sends here would go out before the answer to CONNECT.
        self.tasks.start(self._send(sid, messages.LICENSE))

    async def _disconnect(self, sid: str, reason: str = "") -> None:
        self._handshakes.pop(sid, None)
        place = self._places.pop(sid, None)
        if place is None:
            return
        if reason == "client disconnect":
            self.tasks.start(self._leave(place))
        else:
            place.participant.sid = None
            place.participant.losses += 1
            self.tasks.start(self._leave_unless_back(place, place.participant.losses))

    async def _leave_unless_back(self, place: Place, loss: int) -> None:
        await asyncio.sleep(self.settings.rejoin)
        if place.participant.sid is None and place.participant.losses == loss:
            await self._leave(place)

    async def _message(self, sid: str, message: object) -> None:
        if not isinstance(message, dict):
            return
        place = self._places.get(sid)
        match message.get("type"):
            case "auth":
                self.tasks.start(self._auth(sid, message))
            case "isSaveLock" if place is not None:
                # Nobody has to wait: changes are put into an order as they come.
                await self._send(sid, {"type": "saveLock", "saveLock": False})
            case "saveChanges" if place is not None:
                await self._change(sid, place, message)
            case "forceSaveStart" if place is not None:
                self.tasks.start(self._force_save(sid, place))
            case "close" if place is not None:
                del self._places[sid]
                self.tasks.start(self._leave(place))

    # -- joining

    async def _auth(self, sid: str, message: Message) -> None:
        try:
            grant = authorise.auth(message, self.settings)
        except authorise.Refused as error:
            await self._drop(sid, error.code, str(error))
            return
        session = self._session(grant)
        place, is_back = self._seat(sid, session, grant, message)
        if place is None:
            return
        if session.held and not grant.view:
            await self._answer(sid, place, grant)
            await self._send(sid, messages.opened("updateversion", {}))
            return
        if not is_back:
            await self._announce(place)
        await self._answer(sid, place, grant)
        await self._open(sid, place, grant, message)

    def _session(self, grant: authorise.Grant) -> Session:
        session = self.sessions.get(grant.key)
        if session is not None and session.state is State.USED_UP:
            if time.monotonic() - session.used_up_at < self.settings.used_up:
                return session
            session = None
        if session is None:
            session = self.sessions[grant.key] = Session(grant.key)
        if session.state is State.EMPTY:
            session.filetype, session.title = grant.filetype, grant.title
        return session

    def _seat(self, sid: str, session: Session, grant: authorise.Grant, message: Message) -> tuple[Place | None, bool]:
        """Give the connection its participant: the one it had, or a new one."""
        base, _shard = self._handshakes.get(sid, (None, None))
        if base is None:
            return None, False
        participant = session.participants.get(str(message.get("sessionId")))
        is_back = participant is not None and participant.user == grant.user
        if participant is None or not is_back:
            session.joined += 1
            participant = Participant(
                grant.session_id, sid, grant.user, grant.name, session.joined, grant.view, grant.callback, base
            )
        if not (session.held and not grant.view):
            session.participants[participant.session_id] = participant
        session.base = base
        if participant.sid is not None and participant.sid != sid:
            # What an older connection still says doesn't count any more.
            self._places.pop(participant.sid, None)
        participant.sid, participant.base, participant.current = sid, base, False
        participant.callback = grant.callback or participant.callback
        place = self._places[sid] = Place(session, participant)
        return place, is_back

    async def _announce(self, place: Place) -> None:
        """Tell the storage that an editor joined, and call off a save that was about to be."""
        session, participant = place.session, place.participant
        if participant.view:
            return
        if session.saver is not None and session.state is not State.SAVING:
            session.saver.cancel()
            session.saver = None
        action = {"type": 1, "userid": participant.user}
        agreed = await self.saver.status(
            session, participant.callback, {"status": JOINED, "users": session.users, "actions": [action]}
        )
        if not agreed and participant.sid is not None:
            await self._send(participant.sid, {"type": "warning", "code": -1, "message": "callback"})

    async def _answer(self, sid: str, place: Place, grant: authorise.Grant) -> None:
        session, participant = place.session, place.participant
        token = authorise.session_token(grant, self.settings)
        await self._send(sid, messages.welcome(session, participant, token))
        await self._tell_state(session)

    async def _open(self, sid: str, place: Place, grant: authorise.Grant, message: Message) -> None:
        session = place.session
        if session.state is State.EMPTY:
            try:
                await self.opener.load(session, grant.url or "")
            except (DownloadError, opening.OpenError) as error:
                await self._send(sid, messages.opened("err", error.code))
                return
        if session.from_forgotten:
            text = "File not assembled"
            await self._send(sid, {"type": "warning", "code": opening.FORGOTTEN_WARNING, "message": text})
        async with session.order:
            await self._bring_up_to_date(sid, session, message)
            place.participant.current = place.participant.sid == sid

    async def _bring_up_to_date(self, sid: str, session: Session, message: Message) -> None:
        history = session.blocks.history if session.blocks is not None else []
        if message.get("epoch") == session.epoch and not session.held:
            await self._send_changes(sid, history[int(message.get("rev", 0)) :])
            return
        await self._send(sid, messages.opened("ok", {"Editor.bin": self._bin_link(session, sid)}))
        # A key that is used up shows viewers the content from before the edit.
        await self._send_changes(sid, [] if session.held else history)

    async def _send_changes(self, sid: str, history: list[changes.Change]) -> None:
        await self._send(sid, messages.history(history))

    def _bin_link(self, session: Session, sid: str) -> str:
        base, shard = self._handshakes.get(sid, (session.base, None))
        return self.opener.shelf.linker.link(
            base,
            session.editor_bin or "",
            "Editor.bin",
            lifetime=self.settings.image_lifetime,
            now=time.time(),
            shard=shard or session.key,
        )

    # -- working

    async def _change(self, sid: str, place: Place, message: Message) -> None:
        async with place.session.order:
            await self._take_change(sid, place, message)

    async def _take_change(self, sid: str, place: Place, message: Message) -> None:
        session, participant = place.session, place.participant
        if not participant.current or participant.sid != sid:
            return  # its editor says it again once it has heard what it missed
        if participant.view or session.blocks is None or session.held:
            await self._send(sid, {"type": "changeRefused", "id": (message.get("change") or {}).get("id")})
            return
        try:
            change_id, op = changes.parse(message.get("change"))
            known = len(session.blocks.history)
            change = session.blocks.accept(
                change_id,
                int(message.get("base", -1)),
                op,
                user=participant.user,
                name=participant.name,
                now=time.time(),
            )
        except (changes.ChangeError, ValueError) as error:
            given = message.get("change")
            refused = given.get("id") if isinstance(given, dict) else None
            await self._send(sid, {"type": "changeRefused", "id": refused, "message": str(error)})
            return
        session.last_callback = participant.callback or session.last_callback
        written = changes.write(change)
        await self._send(sid, {"type": "unSaveLock", "index": change.index, "change": written})
        if change.index >= known:
            told = [one for one in session.participants.values() if one.current and one.sid != sid]
            await self._tell(told, {"type": "saveChanges", "changes": [written]})

    async def _force_save(self, sid: str, place: Place) -> None:
        session, participant = place.session, place.participant
        ready = session.state is State.OPEN and session.modified_since_forced and not participant.view
        await self._send(sid, {"type": "forceSaveStart", "messages": {"code": 0 if ready else 4}})
        if ready:
            action = {"type": 2, "userid": participant.user}
            taken = await self.saver.forced(session, 1, actions=[action])
            await self._send(sid, {"type": "forceSave", "messages": {"type": 1, "success": taken}})

    # -- leaving

    async def _leave(self, place: Place) -> None:
        session, participant = place.session, place.participant
        if session.participants.pop(participant.session_id, None) is None:
            return
        await self._tell_state(session)
        if participant.view or session.held:
            return
        action = {"type": 0, "userid": participant.user}
        if session.editors:
            await self.saver.status(
                session, participant.callback, {"status": JOINED, "users": session.users, "actions": [action]}
            )
        elif session.changed or session.from_forgotten:
            session.leave_action = action
            session.last_callback = session.last_callback or participant.callback
            if session.saver is None:
                session.saver = self.tasks.start(self.saver.at_the_end(session))
        else:
            await self.saver.status(session, participant.callback, {"status": UNCHANGED, "actions": [action]})
            # Meanwhile a forgotten copy may have been opened, for nobody: it stays forgotten.
            idle = not session.editors and not session.changed
            if idle and (session.state is State.EMPTY or session.from_forgotten):
                self.sessions.pop(session.key, None)

    async def drop(self, session: Session, users: list[str] | None) -> None:
        """Put users out of a document, all where none are named."""
        for participant in list(session.participants.values()):
            if (users is None or participant.user in users) and participant.sid is not None:
                await self._drop(participant.sid, 4000, "dropped")

    async def rename(self, session: Session | None, meta: Message) -> None:
        """Tell whoever has a document open what is new about it, such as its title."""
        if session is not None:
            await self._tell(session.participants.values(), {"type": "meta", "messages": meta})

    def resume(self) -> None:
        """Go on with the sessions that a killed server left: nobody is connected, and pending saves are due."""
        for session in list(self.sessions.values()):
            session.loading, session.order, session.saver = asyncio.Lock(), asyncio.Lock(), None
            for participant in list(session.participants.values()):
                participant.sid, participant.current = None, False
                participant.losses += 1
                self.tasks.start(self._leave_unless_back(Place(session, participant), participant.losses))
            if session.state is State.SAVING:
                session.saver = self.tasks.start(self.saver.bring(session))
            elif not session.editors and (session.changed or session.from_forgotten) and session.state is State.OPEN:
                session.saver = self.tasks.start(self.saver.at_the_end(session))
            elif not session.participants and session.state is not State.USED_UP:
                del self.sessions[session.key]

    # -- telling

    async def _tell_state(self, session: Session) -> None:
        await self._tell(session.participants.values(), messages.state(session))

    async def _tell(self, participants: Iterable[Participant], message: Message) -> None:
        for participant in list(participants):
            if participant.sid is not None:
                await self._send(participant.sid, message)

    async def _drop(self, sid: str, code: int, text: str) -> None:
        await self._send(sid, {"type": "drop", "code": code, "description": text})
        place = self._places.pop(sid, None)
        if place is not None:
            self.tasks.start(self._leave(place))
        await self.wire.server.disconnect(sid)

    async def _send(self, sid: str, message: Message) -> None:
        await self.wire.server.emit("message", message, to=sid)
