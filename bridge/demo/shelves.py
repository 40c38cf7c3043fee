"""Where the connector's documents lie in a demo, looked at from behind: a directory, or a HumHub without the module.

What the connector did is seen there, not in its own answers; and somebody else can change a file there meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bridge.demo.colleague import Colleague
from bridge.demo.docs import pdf as docs_pdf
from bridge.demo.house import House
from bridge.demo.humhub import SmallHumHub
from bridge.demo.humhub.samples import docx, ods, odt, pdf, pptx, xlsx
from bridge.demo.wiring import documents

__all__ = ["AUTHOR", "COLLEAGUE", "Shelf", "fill", "samples", "shelf_of"]

AUTHOR, COLLEAGUE = "alice", "admin"

_READ_ONLY = 0o444


class Shelf(Protocol):
    """The documents of a demo, and where new ones go."""

    @property
    def name(self) -> str:
        """Name it in a sentence."""

    @property
    def place(self) -> str:
        """Give what the connector is told."""

    async def meet(self, house: House, name: str) -> Colleague:
        """Give somebody a browser, in which it is known who they are."""

    def read(self, guid: str) -> bytes:
        """Give a file's content."""

    def add(self, name: str, content: bytes) -> str:
        """Put a file of the story's author there; give its guid."""

    def change(self, guid: str, content: bytes) -> None:
        """Store something else in a file, as somebody does who knows nothing of the bridge."""


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory of the bridge's own machine; people say themselves who they are."""

    directory: Path
    name: str = "the directory"
    place: str = ""

    async def meet(self, house: House, name: str) -> Colleague:
        one = Colleague(house.browser_url)
        await one.introduce(name)
        return one

    def read(self, guid: str) -> bytes:
        return (self.directory / guid).read_bytes()

    def add(self, name: str, content: bytes) -> str:
        (self.directory / name).write_bytes(content)
        return name

    def change(self, guid: str, content: bytes) -> None:
        (self.directory / guid).write_bytes(content)


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a space of a HumHub that has no module."""

    humhub: SmallHumHub
    name: str = "HumHub"

    @property
    def place(self) -> str:
        return self.humhub.links().in_space("cfiles/upload", fid=1)

    async def meet(self, house: House, name: str) -> Colleague:
        return Colleague.of(await house.log_in(name))

    def read(self, guid: str) -> bytes:
        return self.humhub.files[guid].content()

    def add(self, name: str, content: bytes) -> str:
        return self.humhub.add_cfile(name, content, owner=AUTHOR).file.guid

    def change(self, guid: str, content: bytes) -> None:
        self.humhub.store.replace(self.humhub.files[guid], self.humhub.store.receive_bytes(content))


def shelf_of(house: House) -> Shelf:
    """Give where the documents of a house lie."""
    if house.layout.connector == "directory":
        return Directory(documents(house.directory))
    return Folder(house.humhub)


def samples() -> dict[str, bytes]:
    """Make documents of several formats: to edit, to fill in, to view, to convert."""
    guide = docx(
        "We meet on the first Monday of each month.",
        "Everybody may add to this document.",
        heading="Team handbook",
    )
    asked = ("Registration", "Name: ", "Town: ")
    return {
        "Team handbook.docx": guide,
        "Budget.xlsx": xlsx(("Item", "Cost"), ("Rooms", 120), ("Coffee", 45), ("Travel", 310)),
        "Year plan.pptx": pptx(("Year plan", "What we want to do"), ("Next steps", "Write, review, ship")),
        "Registration.pdf": docs_pdf.make_form(docx(*asked), "\n".join(asked)),
        "Poster.pdf": pdf("Summer party, Friday at six"),
        "Minutes.odt": odt("Minutes of the meeting", "Present: everybody."),
        "Prices.ods": ods(("Item", "Price"), ("Coffee", "2")),
        "Notes.txt": b"Call the printer.\nOrder coffee.\n",
        "Members.csv": b"name,town\nAda,London\nGrace,Arlington\n",
    }


def fill(directory: Path) -> None:
    """Put sample documents into a directory that is empty, one of them read-only and one in a folder."""
    if any(directory.iterdir()):
        return
    for name, content in samples().items():
        (directory / name).write_bytes(content)
    rules = directory / "House rules.docx"
    rules.write_bytes(docx("Please leave the kitchen as you found it.", heading="House rules"))
    rules.chmod(_READ_ONLY)
    (directory / "Archive").mkdir()
    (directory / "Archive" / "Minutes of last year.docx").write_bytes(docx("Nothing was decided."))
