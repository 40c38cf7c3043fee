"""bridge.yaml to frozen typed values, every fault reported at once: the public door of this room."""

from bridge.config.addresses import Listen, Network
from bridge.config.faults import ConfigurationFaults, Fault
from bridge.config.loader import Loaded, load
from bridge.config.network import AdminLegConfig, ClientCertConfig, LegConfig, Legs, TlsConfig, UpstreamConfig
from bridge.config.references import ensure_secret
from bridge.config.values import (
    AuditConfig,
    Config,
    ConnectorConfig,
    DocsConfig,
    DocsJwt,
    KeyRingConfig,
    LimitsConfig,
    LogConfig,
    LogFormat,
    LogLevel,
    Mode,
    NodeConfig,
    RestConfig,
    SavesConfig,
    SiteConfig,
    StoreConfig,
    TimelineConfig,
    TracesConfig,
)

__all__ = [
    "AdminLegConfig",
    "AuditConfig",
    "ClientCertConfig",
    "Config",
    "ConfigurationFaults",
    "ConnectorConfig",
    "DocsConfig",
    "DocsJwt",
    "Fault",
    "KeyRingConfig",
    "LegConfig",
    "Legs",
    "LimitsConfig",
    "Listen",
    "Loaded",
    "LogConfig",
    "LogFormat",
    "LogLevel",
    "Mode",
    "Network",
    "NodeConfig",
    "RestConfig",
    "SavesConfig",
    "SiteConfig",
    "StoreConfig",
    "TimelineConfig",
    "TlsConfig",
    "TracesConfig",
    "UpstreamConfig",
    "ensure_secret",
    "load",
]
