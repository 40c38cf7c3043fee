"""What the small HumHub is told: the module's settings, how it is reached and which network it lives in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HumHubSettings:
    """The module's settings page, and the server's own surroundings."""

    server_url: str
    """ONLYOFFICE Docs as browsers see it."""
    internal_server_url: str
    """ONLYOFFICE Docs as HumHub itself calls it."""
    storage_url: str
    """HumHub as ONLYOFFICE Docs calls it."""
    secret: str = field(repr=False)
    """The module's JWT secret; none when empty, and with 1 to 31 bytes every open is a 500."""
    header: str = "Authorization"
    base_path: str = ""
    """Where HumHub lies in a sub-directory, e.g. `/hub`."""
    pretty_urls: bool = True
    """Without them a route is `/index.php?r=onlyoffice%2Fopen&…`."""
    clients: tuple[str, ...] | None = None
    """CIDRs of the networks that are served; any other connection is aborted without a byte."""
    source_address: str | None = None
    """Local address of HumHub's own calls."""
    maintenance: bool = False
    """Only administrators are served; anybody else is logged out and led to the login page."""
    tls: ssl.SSLContext | None = None
    """The certificate that is shown; plain HTTP without."""
    trust: ssl.SSLContext | None = None
    """Whose certificates HumHub's own calls believe."""
    trusts_forwarded: bool = False
    """`request.trustedHosts`: X-Forwarded-Proto and -Host count."""

    onlyoffice: bool = True
    """Whether the module is there at all: its routes, its entries, its script."""
    rest_secret: str | None = field(default=None, repr=False)
    """The rest module's key, of 64 bytes or more; without one the module isn't there. It needs pretty URLs."""
    upload_limit: int | None = None
    """HumHub's own limit for a file, in bytes: 2_097_152 in the recordings."""
    post_limit: int | None = None
    """PHP's limit for a request: what is larger arrives without files and fields."""
    language: str = "en-US"
    """Whoever has chosen none gets this one."""
    tracking_code: str = ""
    """The statistics code, HTML at the end of each whole page; `{{ nonce }}` becomes the page's nonce."""
    embeds_viewers: bool = False
    """A theme that shows documents in ONLYOFFICE's embedded viewer, with links for who looks at them."""
    read_to_write: float = 0.01
    """Seconds from a request's reading of a file to its writing of a new document key: others may read meanwhile."""
    longest_request: float = 60.0
    """PHP's own limit, in seconds (`request_terminate_timeout`): after it a callback is ended, and stores nothing."""

    @property
    def internal_url(self) -> str:
        return (self.internal_server_url or self.server_url).rstrip("/")
