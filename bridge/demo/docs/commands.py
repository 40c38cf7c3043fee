"""The command service: `POST /command`, `GET|POST /coauthoring/CommandService.ashx`; always a 200."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bridge.demo.docs import answers, faults, links, params, tokens
from bridge.demo.docs.callbacks import JOINED, UNCHANGED
from bridge.demo.docs.session import Session, State
from bridge.demo.docs.settings import BUILD_NUMBER, BUILD_VERSION

if TYPE_CHECKING:
    from aiohttp import web

    from bridge.demo.docs.editors import Editors
    from bridge.demo.docs.faults import Faults
    from bridge.demo.docs.saving import Saver
    from bridge.demo.docs.settings import DocsSettings
    from bridge.demo.docs.shelf import Shelf
    from bridge.demo.docs.tasks import Tasks

OK, NO_KEY, BAD_CALLBACK, INTERNAL, NOT_MODIFIED, BAD_COMMAND, BAD_TOKEN, EXPIRED = range(8)
_LICENSE = {
    "start_date": "2026-01-01T00:00:00.000Z",
    "end_date": None,
    "timelimited": False,
    "trial": False,
    "developer": False,
    "branding": False,
    "customization": False,
    "advanced_api": False,
    "connections": 20,
    "connections_view": 20,
    "users_count": 0,
    "users_view_count": 0,
    "users_expire": 1,
    "customer_id": "",
    "alias": "",
    "multitenancy": False,
}
_SERVER = {
    "workersCount": 1,
    "resultType": 3,
    "packageType": 0,
    "buildDate": "2016-06-29T00:00:00.000Z",
    "buildVersion": BUILD_VERSION,
    "buildNumber": BUILD_NUMBER,
}

Answer = dict[str, Any]


@dataclass(slots=True)
class Commands:
    """Answers commands about the sessions of one small Docs server."""

    settings: DocsSettings
    sessions: dict[str, Session]
    saver: Saver
    editors: Editors
    shelf: Shelf
    faults: Faults
    tasks: Tasks

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("command")
        if fault is not None:

            async def fine() -> tuple[bytes, str]:
                return b'{"error":0}', "application/json"

            return await faults.misbehave(fault, request, fine)
        try:
            wanted = await params.read(request, self.settings)
        except tokens.EmptyPayload:
            return answers.json_answer({"error": NO_KEY})
        except tokens.ExpiredToken:
            return answers.json_answer({"error": EXPIRED})
        except tokens.BadToken:
            return answers.json_answer({"error": BAD_TOKEN})
        return answers.json_answer(await self._run(request, wanted))

    async def _run(self, request: web.Request, wanted: Answer) -> Answer:
        command, key = wanted.get("c"), wanted.get("key")
        match command:
            case "version":
                return {"error": OK, "version": f"{BUILD_VERSION}.{BUILD_NUMBER}"}
            case "license":
                return {"error": OK, "license": _LICENSE, "server": _SERVER, "quota": {"users": [], "users_view": []}}
            case "getForgottenList":
                return {"error": OK, "keys": list(self.shelf.forgotten())}
            case _ if not isinstance(key, str) or not key:
                return {"error": NO_KEY}
        return {"key": key, **await self._about(command, key, wanted, request)}

    async def _about(self, command: object, key: str, wanted: Answer, request: web.Request) -> Answer:
        """Run a command that is about one key."""
        error = BAD_COMMAND
        match command:
            case "info":
                return self._info(key, wanted)
            case "getForgotten":
                return self._forgotten(request, key)
            case "forcesave":
                error = self._force_save(key, wanted)
            case "drop":
                error = await self._drop(key, wanted)
            case "deleteForgotten":
                error = OK if self.shelf.remember(key) else NO_KEY
            case "meta" if isinstance(wanted.get("meta"), dict):
                error = OK
                await self.editors.rename(self.sessions.get(key), wanted["meta"])
            case "saved":
                error = OK
        return {"error": error}

    def _info(self, key: str, wanted: Answer) -> Answer:
        """Tell who edits, and make the storage hear of it too."""
        session = self.sessions.get(key)
        if session is None:
            return {"error": NO_KEY}
        fields: Answer = {"status": JOINED, "users": session.users} if session.editors else {"status": UNCHANGED}
        if "userdata" in wanted:
            fields["userdata"] = wanted["userdata"]
        self.tasks.start(self._tell(session, fields))
        return {"error": OK, "users": session.users}

    async def _tell(self, session: Session, fields: Answer) -> None:
        await self.saver.status(session, session.callback, fields)

    def _force_save(self, key: str, wanted: Answer) -> int:
        session = self.sessions.get(key)
        if session is None:
            return NO_KEY
        if session.state is not State.OPEN or not session.modified_since_forced:
            return NOT_MODIFIED
        self.tasks.start(self._forced(session, wanted.get("userdata")))
        return OK

    async def _forced(self, session: Session, userdata: str | None) -> None:
        await self.saver.forced(session, 0, userdata=userdata)

    async def _drop(self, key: str, wanted: Answer) -> int:
        session = self.sessions.get(key)
        if session is not None:
            await self.editors.drop(session, wanted.get("users"))
        return OK

    def _forgotten(self, request: web.Request, key: str) -> Answer:
        path = self.shelf.forgotten().get(key)
        if path is None:
            return {"error": NO_KEY}
        url = self.shelf.linker.link(
            links.base_url(request.headers),
            f"forgotten/{key}/{path.name}",
            path.name,
            lifetime=self.settings.link_lifetime,
            now=time.time(),
            shard=self.shelf.last_shard,
        )
        return {"error": OK, "url": url}
