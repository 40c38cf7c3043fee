"""HumHub's own addresses: pretty or plain, in a sub-directory or not, relative or absolute."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from bridge.demo.humhub.people import Space, User
from bridge.demo.humhub.settings import HumHubSettings

HOME = "dashboard/dashboard"


@dataclass(frozen=True, slots=True)
class Links:
    """Builds and reads URLs of one HumHub."""

    settings: HumHubSettings
    space: Space

    def to(self, route: str, **params: str | int) -> str:
        """Build a route's path and query, as HumHub would write it into a page."""
        base = self.settings.base_path
        if self.settings.pretty_urls:
            path = "dashboard" if route == HOME else route
            return f"{base}/{path}" + (f"?{urlencode(params)}" if params else "")
        return f"{base}/index.php?r={quote(route, safe='')}" + "".join(
            f"&{urlencode({k: v})}" for k, v in params.items()
        )

    def in_space(self, route: str, **params: str | int) -> str:
        if self.settings.pretty_urls:
            base = f"{self.settings.base_path}/s/{self.space.slug}/{route}"
            return base + (f"?{urlencode(params)}" if params else "")
        return self.to(route or "space/space", **params, cguid=self.space.guid)

    def of_user(self, user: User) -> str:
        """Write the address of somebody's profile, which pages have in their head."""
        if self.settings.pretty_urls:
            return f"{self.settings.base_path}/u/{user.username}/"
        return self.to("user/profile", cguid=user.guid)

    def asset(self, name: str) -> str:
        return f"{self.settings.base_path}/static/{name}"

    def module_asset(self, name: str) -> str:
        return f"{self.settings.base_path}/assets/onlyoffice/{name}"

    def route_of(self, path: str, query_route: str | None) -> str | None:
        """Read a request's route; None is a page that HumHub doesn't have."""
        base = self.settings.base_path
        if not path.startswith(base + "/") and path != base:
            return None
        path = path[len(base) :].strip("/")
        if not self.settings.pretty_urls:
            return self._plain(path, query_route)
        path = path.removeprefix("index.php/")
        if path in ("", "index.php", "dashboard"):
            return HOME
        if path.startswith("s/"):
            _, slug, *rest = path.split("/", 2)
            if slug != self.space.slug:
                return None
            path = rest[0] if rest and rest[0] else "space/space"
        return path.removesuffix("/index")

    @staticmethod
    def _plain(path: str, query_route: str | None) -> str | None:
        if path not in ("", "index.php"):
            return None
        return (query_route or HOME).removesuffix("/index")
