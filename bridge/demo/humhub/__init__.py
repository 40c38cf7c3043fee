"""A small HumHub with ONLYOFFICE's module: what it answers, checks and gets wrong, as the real one was seen to."""

from bridge.demo.humhub.faults import Fault, Faults
from bridge.demo.humhub.files import HumHubFile
from bridge.demo.humhub.people import Space, User
from bridge.demo.humhub.server import SmallHumHub
from bridge.demo.humhub.settings import HumHubSettings
from bridge.demo.humhub.track import TrackCall

__all__ = ["Fault", "Faults", "HumHubFile", "HumHubSettings", "SmallHumHub", "Space", "TrackCall", "User"]
