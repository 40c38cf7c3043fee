"""How the bridge is called and how it calls: the legs and the upstreams of bridge.yaml, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, PlainValidator, with_config
from yarl import URL

from bridge.config import addresses, certificates, scalars
from bridge.config.addresses import Listen, Network
from bridge.protocol.secret import Secret

__all__ = ["AdminLegConfig", "ClientCertConfig", "LegConfig", "Legs", "TlsConfig", "Upstream", "UpstreamConfig"]

_Address = Annotated[URL, PlainValidator(addresses.parse_url)]
_Count = Annotated[int, PlainValidator(scalars.parse_count)]
_Span = Annotated[float, PlainValidator(scalars.parse_span)]
_Version = Annotated[str, PlainValidator(scalars.parse_tls_version)]
_Authorities = Annotated[Path, PlainValidator(certificates.parse_authorities)]
_File = Annotated[Path, PlainValidator(certificates.parse_readable)]
_Host = Annotated[str, PlainValidator(addresses.parse_host_name)]
_Listen = Annotated[Listen, PlainValidator(addresses.parse_listen)]
_Network = Annotated[Network, PlainValidator(addresses.parse_network)]
_Secret = Annotated[Secret, PlainValidator(scalars.parse_secret)]
_Source = Annotated[str, PlainValidator(addresses.parse_source_address)]

_strict = with_config(ConfigDict(extra="forbid"))
_Pair = TypeVar("_Pair", "TlsConfig", "ClientCertConfig")
_ADMIN = Listen("127.0.0.1", 8083)


@_strict
@dataclass(frozen=True, slots=True)
class TlsConfig:
    """The certificate of a leg; with ``client_ca``, clients need one of that authority.

    ``min_version`` is the lowest version of TLS that is spoken.
    """

    cert: _File
    key: _File
    client_ca: _Authorities | None = None
    min_version: _Version = "1.2"


def _fitting(pair: _Pair) -> _Pair:
    certificates.check_pair(pair.cert, pair.key)
    return pair


_Tls = Annotated[TlsConfig, AfterValidator(_fitting)]


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class AdminLegConfig:
    """The admin leg. ``token`` is what callers bring as a bearer token."""

    listen: _Listen = _ADMIN
    token: _Secret | None = None
    tls: _Tls | None = None
    allow: tuple[_Network, ...] = ()
    trust_forwarded_from: tuple[_Network, ...] = ()


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class LegConfig:
    """A leg. ``url`` is the base that its clients see; without ``allow`` every address may call."""

    listen: _Listen
    url: _Address
    tls: _Tls | None = None
    allow: tuple[_Network, ...] = ()
    trust_forwarded_from: tuple[_Network, ...] = ()


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """The four legs."""

    browser: LegConfig
    docs: LegConfig
    humhub: LegConfig
    admin: AdminLegConfig = field(default_factory=AdminLegConfig)


@_strict
@dataclass(frozen=True, slots=True)
class ClientCertConfig:
    """The certificate that the bridge shows to an upstream; without ``key``, its file holds the key too."""

    cert: _File
    key: _File | None = None


def _certificate(value: Any) -> Any:
    return {"cert": value} if isinstance(value, str) else value


_ClientCert = Annotated[ClientCertConfig, BeforeValidator(_certificate), AfterValidator(_fitting)]


@_strict
@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamConfig:
    """How to call a server.

    ``host`` is the Host to send where the request brings none; ``ca`` verifies the server's certificate instead of the
    system's authorities; ``connections`` holds for each leg; the times are seconds.
    """

    url: _Address
    host: _Host | None = None
    ca: _Authorities | None = None
    client_cert: _ClientCert | None = None
    source_address: _Source | None = None
    connections: _Count = 100
    keep_alive: _Span = 4.0
    connect: _Span = 10.0
    first_byte: _Span = 60.0
    idle: _Span = 60.0


def _upstream(value: Any) -> Any:
    return value if isinstance(value, dict) else {"url": value}


Upstream = Annotated[UpstreamConfig, BeforeValidator(_upstream)]
