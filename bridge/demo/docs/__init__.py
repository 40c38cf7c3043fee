"""A small ONLYOFFICE Docs: server and web editor, with the real one's protocol, for tests and the demo."""

from bridge.demo.docs.callbacks import Attempt, Callback
from bridge.demo.docs.downloads import Download
from bridge.demo.docs.faults import Fault, Faults
from bridge.demo.docs.server import SmallDocs
from bridge.demo.docs.settings import DocsSettings

__all__ = ["Attempt", "Callback", "DocsSettings", "Download", "Fault", "Faults", "SmallDocs"]
