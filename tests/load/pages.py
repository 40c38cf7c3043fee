"""HumHub's pages, as a browser uses them, with locust's client: log in, create, open, read, delete."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

from locust.clients import HttpSession
from yarl import URL

from bridge.demo.person import EditorPage, Marks, PageError, editor_page
from tests.load.measuring import FailedError, answer

_AJAX = {"X-Requested-With": "XMLHttpRequest"}
_TEXT = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}t"


@dataclass(slots=True)
class Pages:
    """One user's browser; `base` is HumHub's address without a slash at the end."""

    http: HttpSession
    base: str
    pretty: bool
    csrf: str = ""

    def log_in(self, username: str, password: str) -> None:
        """Log in by the form; raise FailedError where HumHub shows the form again."""
        self._visit("user/auth/login", "page: log in")
        form = {
            "_csrf": self.csrf,
            "Login[username]": username,
            "Login[password]": password,
            "Login[rememberMe]": "1",
        }
        where = self.to("user/auth/login")
        with answer(self.http.post(where, form, name="log in", allow_redirects=False, catch_response=True), 302):
            pass
        self._visit("dashboard/dashboard", "page: dashboard")

    def create(self, name: str) -> str:
        """Use the menu "Create document"; return the new file's guid."""
        form = {"CreateDocument[fileName]": name, "CreateDocument[openFlag]": "1", "CreateDocument[fid]": ""}
        found = self._post(self.to("onlyoffice/create/document", extension="docx"), form, "create a document")
        return str(found["file"]["guid"])

    def delete(self, guid: str) -> None:
        """Delete a file."""
        self._post(self.to("file/file/delete"), {"guid": guid}, "delete a document")

    def open(self, guid: str) -> EditorPage:
        """Open the modal with the editor; return what is in it."""
        url = self.to("onlyoffice/open", guid=guid, mode="edit")
        with answer(self.http.get(url, headers=_AJAX, name="page: editor", catch_response=True)) as found:
            try:
                return editor_page(found.text, URL(url, encoded=True))
            except PageError as error:
                raise FailedError(str(error)) from error

    def read(self, guid: str) -> bytes:
        """Download a file as HumHub's page offers it."""
        where = self.to("file/file/download", guid=guid)
        with answer(self.http.get(where, name="read a document", catch_response=True)) as found:
            return bytes(found.content)

    def to(self, route: str, **params: str) -> str:
        """Build the address of one of HumHub's routes."""
        if self.pretty:
            return f"{self.base}/{route}?{urlencode(params)}".rstrip("?")
        query = "".join(f"&{urlencode({name: value})}" for name, value in params.items())
        return f"{self.base}/index.php?r={quote(route, safe='')}{query}"

    def _visit(self, route: str, name: str) -> None:
        """Load a page and remember its form token."""
        where = self.to(route) if self.pretty is False else self.to(route.removesuffix("/dashboard"))
        with answer(self.http.get(where, name=name, catch_response=True)) as found:
            self.csrf = Marks.read(found.text).csrf
            if not self.csrf:
                raise FailedError("the page has no form token: is it HumHub's?")

    def _post(self, url: str, form: dict[str, str], name: str) -> dict[str, Any]:
        headers = {**_AJAX, "X-CSRF-Token": self.csrf}
        with answer(self.http.post(url, form, headers=headers, name=name, catch_response=True)) as found:
            said = json.loads(found.text)
            if not isinstance(said, dict) or not said.get("success", True) or said.get("error"):
                raise FailedError(f"HumHub answered {found.text[:200]}")
            return said


def words_of(document: bytes) -> str:
    """Give the text of a DOCX; raise FailedError where it is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(document)) as parts:
            body = ET.fromstring(parts.read("word/document.xml"))
    except (zipfile.BadZipFile, KeyError, ET.ParseError) as error:
        raise FailedError(f"HumHub has {len(document)} bytes that are no DOCX ({error})") from error
    return "".join(part.text or "" for part in body.iter(_TEXT))
