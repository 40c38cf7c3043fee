"""Every way to set the bridge up: what browsers reach, how HumHub writes its URLs, how many sites, plain or TLS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.demo.wiring import Certificate

__all__ = ["CERTIFICATE", "Deployment", "every", "pairwise"]

_TLS = Path(__file__).parent / "data/tls"
CERTIFICATE = Certificate(_TLS / "house.pem", _TLS / "house-authority.pem")

_URLS: dict[str, dict[str, Any]] = {
    "pretty": {},
    "plain URLs": {"pretty_urls": False},
    "sub-directory": {"base_path": "/hub"},
}


@dataclass(frozen=True, slots=True)
class Deployment:
    """One of them; its values are in the order of their alternatives."""

    door: str
    urls: str
    sites: int
    scheme: str

    def __str__(self) -> str:
        return f"{self.door}, {self.urls}, {self.sites} site{'s' * (self.sites > 1)}, {self.scheme}"

    @property
    def options(self) -> dict[str, Any]:
        """Give what `house` takes."""
        return {
            "direct": self.door == "three settings",
            "sites": self.sites,
            "certificate": CERTIFICATE if self.scheme == "TLS" else None,
            "humhub": _URLS[self.urls],
        }


_ALTERNATIVES = (("front door", "three settings"), tuple(_URLS), (1, 2), ("plain", "TLS"))


def every() -> list[Deployment]:
    """Give all combinations."""
    return [Deployment(*values) for values in itertools.product(*_ALTERNATIVES)]


def pairwise() -> list[Deployment]:
    """Choose few combinations such that any two alternatives meet in one: greedily, the same ones each time."""
    missing = {pair for one in every() for pair in _pairs(one)}
    chosen: list[Deployment] = []
    while missing:
        best = max(every(), key=lambda one: len(missing.intersection(_pairs(one))))
        chosen.append(best)
        missing.difference_update(_pairs(best))
    return chosen


def _pairs(one: Deployment) -> Iterator[tuple[Any, Any]]:
    return itertools.combinations((one.door, one.urls, one.sites, one.scheme), 2)
