"""What bridge.yaml says, as frozen values: durations in seconds, sizes in bytes, paths joined to the file's directory.

These are plain dataclasses. The annotations tell pydantic how each value is read (``scalars.py``); a value that is made
in Python is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    ConfigDict,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    with_config,
)
from yarl import URL

from bridge.config import addresses, scalars
from bridge.config.network import Legs, Upstream, UpstreamConfig
from bridge.protocol.secret import Secret

__all__ = [
    "AuditConfig",
    "Config",
    "ConnectorConfig",
    "DocsConfig",
    "DocsJwt",
    "KeyRingConfig",
    "LimitsConfig",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "Mode",
    "NodeConfig",
    "RestConfig",
    "SavesConfig",
    "SiteConfig",
    "StoreConfig",
    "TimelineConfig",
    "TracesConfig",
]

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30

_Address = Annotated[URL, PlainValidator(addresses.parse_url)]
_BasePath = Annotated[str, PlainValidator(scalars.parse_base_path)]
_Count = Annotated[int, PlainValidator(scalars.parse_count)]
_DocsPath = Annotated[str, PlainValidator(scalars.parse_docs_path)]
_Duration = Annotated[float, PlainValidator(scalars.parse_duration)]
_Span = Annotated[float, PlainValidator(scalars.parse_span)]
_Directory = Annotated[Path, PlainValidator(scalars.parse_directory)]
_File = Annotated[Path, PlainValidator(scalars.parse_file)]
_Format = Annotated[str, PlainValidator(scalars.parse_format)]
_Header = Annotated[str, PlainValidator(scalars.parse_header)]
_Host = Annotated[str, PlainValidator(addresses.parse_host_name)]
_Name = Annotated[str, PlainValidator(scalars.parse_name)]
_Place = Annotated[Path | URL, PlainValidator(scalars.parse_place)]
_Secret = Annotated[Secret, PlainValidator(scalars.parse_secret)]
_Size = Annotated[int, PlainValidator(scalars.parse_size)]
_Store = Annotated[str, PlainValidator(scalars.parse_store)]

# What a directory has in the place of an upstream; it is never dialled.
_NOWHERE = UpstreamConfig(url=URL("http://nowhere.invalid"))

_strict = with_config(ConfigDict(extra="forbid"))


class Mode(StrEnum):
    """Whether HumHub has the ONLYOFFICE module, or the bridge is the integration."""

    RELAY = "relay"
    CONNECTOR = "connector"


class LogLevel(StrEnum):
    """From which level on something is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """What a log line looks like."""

    JSON = "json"
    TEXT = "text"


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRingConfig:
    """The secrets of one side: the first signs, all verify; none is unsigned."""

    header: _Header = "Authorization"
    secrets: tuple[_Secret, ...] = ()


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """The key of HumHub's rest module."""

    secret: _Secret | None = None


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorConfig:
    """How the bridge is the integration: formats that are edited although something is lost; menus in HumHub's pages.

    Without ``menus`` the script isn't put into the pages: HumHub's tracking code references it.
    """

    lossy_edit: tuple[_Format, ...] = ()
    menus: bool = True


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """One HumHub. Without ``hosts``, which only a single site may lack, browsers may call it anything.

    The connector needs none: with ``directory`` in the place of ``upstream``, a site is that directory's documents.
    """

    name: _Name
    upstream: Upstream = _NOWHERE
    directory: _Directory | None = None
    hosts: tuple[_Host, ...] = ()
    base_path: _BasePath = ""
    jwt: KeyRingConfig = field(default_factory=KeyRingConfig)
    mode: Mode = Mode.RELAY
    rest: RestConfig = field(default_factory=RestConfig)
    connector: ConnectorConfig = field(default_factory=ConnectorConfig)


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """One ONLYOFFICE Docs server."""

    name: _Name
    upstream: Upstream


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class DocsJwt:
    """The key rings of Docs: for editor configurations, for what Docs is sent, for what Docs sends."""

    browser: KeyRingConfig
    inbox: KeyRingConfig
    outbox: KeyRingConfig


def _rings(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    if isinstance(value, DocsJwt) or (isinstance(value, dict) and {"browser", "inbox", "outbox"} & value.keys()):
        return handler(value)
    ring = TypeAdapter(KeyRingConfig).validate_python(value, context=info.context)
    return DocsJwt(browser=ring, inbox=ring, outbox=ring)


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class DocsConfig:
    """ONLYOFFICE Docs. ``path`` is where browsers find it on the browser leg."""

    nodes: tuple[NodeConfig, ...]
    jwt: Annotated[DocsJwt, WrapValidator(_rings)]
    path: _DocsPath = "/ds"


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class SavesConfig:
    """How saves are kept and delivered.

    ``deadline`` is how long a callback goes on starting attempts, ``attempt`` how long one may last, ``keep`` how long
    delivered and superseded bodies stay, ``sweep`` how often forgotten files are looked for. ``storing`` is how long
    any request of HumHub's may last, waited for or not; ``reserve`` the free disk space that is left alone.
    """

    directory: _Place = Path("data/saves")
    deadline: _Duration = 60.0
    attempt: _Duration = 300.0
    keep: _Duration = 24 * 3600.0
    max_size: _Size = _GIB
    reserve: _Size = 256 * _MIB
    storing: _Duration = 60.0
    sweep: _Duration = 300.0


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where state that outlives a restart is kept. The URL may hold a password."""

    url: _Store = field(default="sqlite:///./data/bridge.db", repr=False)


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineConfig:
    """How long a document's timeline is kept."""

    keep: _Duration = 7 * 86400.0


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """Bounds on what is taken: sizes in bytes, times in seconds; those of connections and memory are each leg's own.

    ``download`` is how long one download may last, ``conversion`` how long Docs may take for a conversion's answer.
    ``memory`` is for the bodies and pages that have to be read whole, all at once; ``client_connections`` holds on the
    browser leg. ``head`` is until a request's head has come, ``idle`` how long a client may neither send nor take a
    byte of what is under way, ``keep_alive`` how long a connection without a request stays.
    """

    body: _Size = 100 * _MIB
    header: _Size = 64 * _KIB
    page: _Size = 8 * _MIB
    websocket_message: _Size = 100 * _MIB
    memory: _Size = 256 * _MIB
    connections: _Count = 10_000
    client_connections: _Count = 2_000
    head: _Span = 20.0
    idle: _Span = 60.0
    keep_alive: _Span = 75.0
    websocket_idle: _Span = 90.0
    download: _Span = 110.0
    conversion: _Span = 600.0


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, and how."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """Where the audit log goes; nowhere without ``file``."""

    file: _File | None = None


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class TracesConfig:
    """Where traces go, by OTLP; nowhere without ``otlp``."""

    otlp: _Address | None = None


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of bridge.yaml. ``secret`` signs capabilities."""

    secret: _Secret
    legs: Legs
    sites: tuple[SiteConfig, ...]
    docs: DocsConfig
    saves: SavesConfig = field(default_factory=SavesConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    timeline: TimelineConfig = field(default_factory=TimelineConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    workers: _Count = 1
    log: LogConfig = field(default_factory=LogConfig)
    audit: AuditConfig = field(default_factory=AuditConfig)
    traces: TracesConfig = field(default_factory=TracesConfig)
