"""TLS on both sides: as a server on the legs, as a client of the upstreams."""

from __future__ import annotations

import ssl

from bridge.config import AdminLegConfig, LegConfig, UpstreamConfig

__all__ = ["client_context", "server_context"]


def client_context(config: UpstreamConfig) -> ssl.SSLContext | None:
    """Give how to speak TLS to an upstream, with its own authority and our certificate; None for plain HTTP."""
    if config.url.scheme != "https":
        return None
    context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
    if config.client_cert is not None:
        key = config.client_cert.key
        context.load_cert_chain(str(config.client_cert.cert), str(key) if key else None)
    return context


def server_context(config: LegConfig | AdminLegConfig) -> ssl.SSLContext | None:
    """Give how a leg speaks TLS; with ``client_ca``, clients need a certificate. None for plain HTTP."""
    if config.tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(str(config.tls.cert), str(config.tls.key))
    if config.tls.client_ca is not None:
        context.load_verify_locations(cafile=str(config.tls.client_ca))
        context.verify_mode = ssl.CERT_REQUIRED
    return context
