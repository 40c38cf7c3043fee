"""HumHub's own calls: what a URL answers, and Docs' converter and commands, as the module asks for them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
from yarl import URL

from bridge.demo.humhub.files import Body

if TYPE_CHECKING:
    from bridge.demo.humhub.server import SmallHumHub

TOKEN_LIFE = 300
SHORTEST_SECRET = 32
CONVERSION_ERRORS = {
    -20: "Error encrypt signature",
    -8: "Invalid token",
    -7: "Error document request",
    -6: "Error while accessing the conversion result database",
    -5: "Incorrect password",
    -4: "Error while downloading the document file to be converted.",
    -3: "Conversion error",
    -2: "Timeout conversion error",
    -1: "Unknown error",
    0: "",
}
COMMAND_ERRORS = {
    0: None,
    1: "Document key is missing or no document with such key could be found.",
    2: "Callback url not correct.",
    3: "Internal server error.",
    4: "No changes were applied to the document before the forcesave command was received.",
    5: "Command not correct.",
    6: "Invalid token.",
}


class FetchError(Exception):
    """A call that failed below HTTP, in curl's words."""


class Outgoing:
    """Calls that start at HumHub; they come from its network's address."""

    def __init__(self, hub: SmallHumHub) -> None:
        self._hub = hub

    async def fetch(self, url: str) -> Body:
        """Fetch a URL as it stands: no token, no limit, no redirect followed, whatever status it has."""
        async with self._session() as session:
            try:
                async with session.get(URL(url, encoded=True), allow_redirects=False) as answer:
                    return await self._hub.store.receive(answer.content.iter_any())
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise FetchError(curl_words(error, url)) from error

    async def convert(self, url: str, *, from_ext: str, to_ext: str, key: str, run_async: bool) -> dict[str, Any]:
        """Ask for a conversion; an answer with `error`, even 0, is an error."""
        data: dict[str, Any] = {
            "async": run_async,
            "embeddedfonts": True,
            "filetype": from_ext,
            "outputtype": to_ext,
            "key": key,
            "url": url,
            "region": "en-US",
        }
        target = f"{self._hub.settings.internal_url}/converter?shardKey={key}"
        try:
            answer = await self._post(target, data)
        except FetchError as error:
            return {"error": str(error)}
        if "error" in answer:
            code = answer["error"]
            return {"error": CONVERSION_ERRORS.get(code, f"ErrorCode = {code}")}
        return answer

    async def command(self, data: dict[str, Any]) -> dict[str, Any]:
        """Send a command; an answer without `error` 0 is an error."""
        target = f"{self._hub.settings.internal_url}/coauthoring/CommandService.ashx"
        try:
            answer = await self._post(target, dict(data))
        except FetchError as error:
            return {"error": str(error)}
        code = answer.get("error")
        if code:
            return {"error": COMMAND_ERRORS.get(code, f"ErrorCode = {code}")}
        return answer

    async def text(self, url: str) -> str:
        body = await self.fetch(url)
        content = body.path.read_text(errors="replace")
        body.discard()
        return content

    async def _post(self, url: str, data: dict[str, Any]) -> dict[str, Any]:
        """Post JSON that calls itself a form, with a flat token in the body and a wrapped one in the header."""
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        settings = self._hub.settings
        if settings.secret:
            data["token"] = self.sign(data)
            headers[settings.header] = f"Bearer {self.sign({'payload': data})}"
        async with self._session() as session:
            try:
                async with session.post(
                    URL(url, encoded=True), data=json.dumps(data).encode(), headers=headers, allow_redirects=False
                ) as answer:
                    found = json.loads(await answer.read())
            except (aiohttp.ClientError, OSError) as error:
                raise FetchError(curl_words(error, url)) from error
            except ValueError as error:
                raise FetchError("Unable to detect format of the answer") from error
        return found if isinstance(found, dict) else {}

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign with the module's secret; one that is too short is refused, as PHP's library does."""
        if len(self._hub.settings.secret.encode()) < SHORTEST_SECRET:
            raise FetchError("Provided key is too short")
        return jwt.encode(
            {**claims, "exp": int(time.time()) + TOKEN_LIFE}, self._hub.settings.secret, algorithm="HS256"
        )

    def _session(self) -> aiohttp.ClientSession:
        source = self._hub.settings.source_address
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                local_addr=(source, 0) if source else None, force_close=True, ssl=self._hub.settings.trust or True
            ),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=("Accept-Encoding", "User-Agent"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        session._retry_connection = False  # noqa: SLF001  # aiohttp would dial a broken GET again, curl does not
        return session


def curl_words(error: Exception, url: str) -> str:
    """Say it as curl does, which is what HumHub's answer quotes."""
    target = URL(url)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"Curl error: #6 - Could not resolve host: {target.host}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return (
            f"Curl error: #7 - Failed to connect to {target.host} port {target.port} after 0 ms: "
            "Couldn't connect to server"
        )
    if isinstance(error, aiohttp.ClientPayloadError):
        return "Curl error: #18 - transfer closed with outstanding read data remaining"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "Curl error: #52 - Empty reply from server"
    return f"Curl error: #56 - {error}"
