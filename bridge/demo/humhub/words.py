"""The few visible words of the small pages, in English and German.

Templates mark a word as `[[Files]]`; which language a request's answer has is known from its user.
"""

from __future__ import annotations

import re
from contextvars import ContextVar

language: ContextVar[str] = ContextVar("language", default="en-US")
"""The language of the request that is being served."""

MARK = re.compile(r"\[\[(.+?)\]\]")
GERMAN = {
    "Add directory": "Verzeichnis hinzufügen",
    "Add file(s)": "Datei(en) hinzufügen",
    "Attach Files": "Dateien anhängen",
    "Attach an audio message": "Audionachricht anhängen",
    "Attach an image": "Bild anhängen",
    "Attach a video": "Video anhängen",
    "Actions": "Aktionen",
    "Author": "Autor",
    "Cancel": "Abbrechen",
    "Close": "Schließen",
    "Created by": "Erstellt von",
    "Creator": "Ersteller",
    "Dashboard": "Übersicht",
    "Delete": "Löschen",
    "Delete this version!": "Diese Version löschen!",
    "Description": "Beschreibung",
    "Download": "Herunterladen",
    "Edit": "Bearbeiten",
    "Edit your post...": "Beitrag bearbeiten …",
    "File Name": "Dateiname",
    "Files": "Dateien",
    "Files from the stream": "Dateien aus dem Stream",
    "Log out": "Abmelden",
    "Name": "Name",
    "Open": "Öffnen",
    "Post": "Veröffentlichen",
    "Revert to this version": "Diese Version wiederherstellen",
    "Save": "Speichern",
    "Size": "Größe",
    "This folder is empty.": "Dieser Ordner ist leer.",
    "Time": "Zeit",
    "Title": "Titel",
    "Updated": "Aktualisiert",
    "Upload file": "Datei hochladen",
    "Versions": "Versionen",
    "What's on your mind?": "Was beschäftigt dich?",
    "Write a comment": "Einen Kommentar schreiben",
    "Your post": "Dein Beitrag",
    "<strong>Create</strong> folder": "Ordner <strong>anlegen</strong>",
    "<strong>Edit</strong> file": "Datei <strong>bearbeiten</strong>",
    "<strong>File</strong> versions": "<strong>Versionen</strong> der Datei",
    "<strong>Open</strong> file": "Datei <strong>öffnen</strong>",
}


def say(text: str) -> str:
    """Give a word in the request's language; where there is none, the English one."""
    return GERMAN.get(text, text) if language.get().startswith("de") else text


def translated(template: str) -> str:
    return MARK.sub(lambda found: say(found[1]), template)
