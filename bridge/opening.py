"""Opening a document over the editor's own connection: what Docs gets of the messages that say what is opened.

Where browsers have HumHub's page from HumHub itself (the *three settings*), the editor sends HumHub's own
configuration: a token that HumHub's secret signed, with HumHub's URLs. Here that token is verified with the key ring of
the site that its URLs name, the URLs are mapped to the docs leg, and it is signed anew for Docs with HumHub's ``exp``,
never extended: that is what makes a stale page harmless. At the *front door* the page has passed the bridge, and what
the editor has of it is for Docs already: it goes through unchanged.

Either way an editor opens the document of its own path and no other one, and names only URLs of a site. What Docs is to
refuse in its own words, an expired token among it, it gets.

Source: protocol facts, "The editor's own connection".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridge.protocol.errors import BridgeError, RefusedError, TokenError
from bridge.protocol.keys import read_doc_hash
from bridge.protocol.tokens import KeyRing, unverified
from bridge.protocol.urls import Backend
from bridge.sites import Site, Topology

__all__ = ["Opening"]

Json = dict[str, Any]

# What a configuration's token has, or a version's, with which a history view opens; other tokens open nothing.
_CLAIMS: Final = ("document", "editorConfig", "key", "url", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Lets the editor of one document open that document, and nothing else; ``protocol/engineio.py`` says where.

    Args:
        topology: what we stand between.
        sites: whose documents may be opened here; which one it is, the URLs say.
        key: the document's, from the connection's path. Docs believes a token before the path, so they must agree.
        clock: gives seconds since the epoch.
        opened: hears of a document that HumHub's own token opens, whose page hasn't come through here: its site, and
            HumHub's track route for it.
        remark: hears why something was refused here, or will be by Docs.
    """

    topology: Topology
    sites: tuple[Site, ...]
    key: str
    clock: Callable[[], float]
    opened: Callable[[Site, str], None]
    remark: Callable[[BridgeError], None]

    def refused(self, error: BridgeError) -> None:
        """Hear why a packet was replaced."""
        self.remark(error)

    def connect(self, message: Json) -> Json:
        """Give the CONNECT as Docs may have it. Its ``data``, a stale copy of an auth that Docs never reads, goes."""
        outbound = {name: value for name, value in message.items() if name != "data"}
        if _is_given(message.get("session")):
            # Docs looks at the session alone then; the token beside it has often expired.
            self._check_session(message["session"], "session")
            if _is_given(message.get("token")):
                del outbound["token"]
        elif _is_given(message.get("token")):
            _, token = self.configuration(message["token"], "token", late=True)
            outbound |= {"token": token}
        return outbound

    def auth(self, message: Json) -> Json:
        """Give an ``auth`` as Docs may have it: with the session's token, or with the configuration's."""
        self._check_key(message.get("docid"), "docid")
        outbound = {**message, **self._onto_docs(message, "documentCallbackUrl", Backend.TRACK, "auth")}
        again = message.get("openCmd") is None
        if not again:
            outbound["openCmd"] = self.command(message["openCmd"])
        if _is_given(message.get("jwtSession")):
            self._check_session(message["jwtSession"], "jwtSession")
            if _is_given(message.get("jwtOpen")):
                del outbound["jwtOpen"]
        elif _is_given(message.get("jwtOpen")):
            claims, outbound["jwtOpen"] = self.configuration(message["jwtOpen"], "jwtOpen", late=again)
            if outbound["jwtOpen"] is None:
                outbound = _filled(outbound, claims)
        return outbound

    def command(self, message: Any) -> Json:
        """Give a command that opens the document: a session's token holds no URL, and Docs takes the plain one then."""
        if not isinstance(message, dict):
            raise self._refusal("not an object", where="openCmd")
        self._check_key(message.get("id"), "openCmd.id")
        return {**message, **self._onto_docs(message, "url", Backend.DOWNLOAD, "openCmd")}

    def document(self, url: str, where: str) -> str:
        """Give a URL of the document, mapped to the docs leg.

        Raises:
            RefusedError: it is none.
        """
        return str(self._onto_docs({"url": url}, "url", Backend.DOWNLOAD, where)["url"])

    def configuration(self, token: Any, where: str, *, late: bool = False) -> tuple[Json, str | None]:
        """Give the claims of a configuration's token, their URLs mapped, and the token that Docs gets for it.

        A token that opens nothing has no claims, and goes as it is. A Docs without a secret gets none: it would verify
        it all the same. Nobody but us says then that it has expired; with ``late`` nobody does.

        Raises:
            TokenError: it doesn't hold.
            RefusedError: it is another document's, or names a URL that is no site's.
        """
        said = unverified(token) if isinstance(token, str) else {}
        if not said.keys() & _CLAIMS:
            return {}, token
        site, docs = self._site_of(said, where), self.topology.rings.browser
        claims, vouching = self._verified(site, token, where)
        mapped = self._mapped(claims, where)
        ours = vouching is docs and mapped == claims
        if not ours:
            self._tell(site, claims)
        if not docs.signs:
            if vouching.signs and not late:
                vouching.check_times(claims, now=self.clock(), where=where)
            return mapped, None
        try:
            vouching.check_times(claims, now=self.clock(), where=where)
        except TokenError as error:
            self.remark(error)
        return mapped, token if ours else docs.sign(mapped)

    def _verified(self, site: Site, token: str, where: str) -> tuple[Json, KeyRing]:
        """Give the claims, and the key ring that vouches for them: Docs' own where the page came through here."""
        docs = self.topology.rings.browser
        if docs.signs:
            try:
                return docs.signed(token, where=where), docs
            except TokenError:
                if not site.ring.signs:
                    raise
        return (site.ring.signed(token, where=where) if site.ring.signs else unverified(token)), site.ring

    def _tell(self, site: Site, claims: Json) -> None:
        """Tell how the document is saved, where its configuration says it."""
        editor = claims.get("editorConfig")
        url = editor.get("callbackUrl") if isinstance(editor, dict) else None
        found = self.topology.backend_of(site, url) if url else None
        if found is not None:
            self.opened(site, found.target)

    # Keys and URLs

    def _mapped(self, claims: Json, where: str) -> Json:
        """Map the URLs of a configuration, or of a version, and see that it is this document's."""
        mapped = dict(claims)
        if isinstance(document := claims.get("document"), dict):
            self._check_key(document.get("key", self.key), f"{where}.document.key")
            urls = self._onto_docs(document, "url", Backend.DOWNLOAD, f"{where}.document")
            mapped["document"] = {**document, **urls}
        if isinstance(editor := claims.get("editorConfig"), dict):
            urls = self._onto_docs(editor, "callbackUrl", Backend.TRACK, f"{where}.editorConfig")
            mapped["editorConfig"] = {**editor, **urls}
        return {**mapped, **self._version(claims, where)}

    def _version(self, claims: Json, where: str) -> Json:
        """Map a version's URLs; Docs shows it, or the one before it with the changes between, and edits neither."""
        before = claims.get("previous")
        named = [one["key"] for one in (claims, before) if isinstance(one, dict) and "key" in one]
        if named and self.key not in named:
            self._check_key(named[0], f"{where}.key")
        mapped: Json = {}
        for name in ("url", "changesUrl"):
            mapped |= self._onto_docs(claims, name, Backend.DOWNLOAD, where, any_key=True)
        if isinstance(before, dict):
            urls = self._onto_docs(before, "url", Backend.DOWNLOAD, f"{where}.previous", any_key=True)
            mapped["previous"] = {**before, **urls}
        return mapped

    def _site_of(self, claims: Json, where: str) -> Site:
        """Give the site whose document it is, by its URLs: whose secret then has to hold."""
        for part, name in (
            (claims.get("document"), "url"),
            (claims.get("editorConfig"), "callbackUrl"),
            (claims, "url"),
        ):
            if isinstance(part, dict) and isinstance(url := part.get(name), str):
                return self._named(url, f"{where}: {name}")[0]
        if len(self.sites) == 1:
            return self.sites[0]
        raise self._refusal("it names no site", where=where)

    def _onto_docs(self, message: Json, name: str, route: Backend, where: str, *, any_key: bool = False) -> Json:
        """Give the field ``name`` of ``message`` mapped to the docs leg; nothing where there is none."""
        url = message.get(name)
        if url is None or url == "":
            return {}
        site, target, key = self._named(url, f"{where}.{name}", route)
        if key != self.key and not any_key:
            raise self._refusal("another document's URL", where=f"{where}.{name}", url=ascii(url)[:200])
        return {name: self.topology.docs_url(site, target)}

    def _named(self, url: Any, where: str, route: Backend | None = None) -> tuple[Site, str, str | None]:
        """Give whose URL it is, HumHub's target in it, and the document's key."""
        try:
            site = self.topology.site_of_url(url, self.sites) if isinstance(url, str) else None
            found = self.topology.backend_of(site, url) if site is not None else None
            if site is not None and found is not None and route in (None, found.route):
                return site, found.target, read_doc_hash(found.doc).key
        except (BridgeError, ValueError):
            pass  # no URL that we would have made
        raise self._refusal(
            "a URL that is no site's",
            where=where,
            url=ascii(url)[:200],
            remedy="With several sites, the module's storage address is legs.docs.url followed by /s/<site>.",
        )

    def _check_session(self, token: Any, where: str) -> None:
        """Check whose session it is; whether it holds is Docs' to say, and one that can't be read is none to Docs."""
        document = unverified(token).get("document") if isinstance(token, str) else None
        if isinstance(document, dict):
            self._check_key(document.get("key", self.key), f"{where}.document.key")

    def _check_key(self, key: Any, where: str) -> None:
        if key != self.key:
            raise self._refusal("another document's key", where=where, named=ascii(key)[:128])

    def _refusal(self, why: str, **details: Any) -> RefusedError:
        return RefusedError("The editor's message is not allowed on this document.", why=why, key=self.key, **details)


def _is_given(value: Any) -> bool:
    """Say whether Docs, which is written in JavaScript, finds something there."""
    return value is not None and value not in ("", 0)


def _filled(auth: Json, claims: Json) -> Json:
    """Put what a configuration says into the plain fields, as Docs does with a token that it verifies itself.

    A plain ``view`` stays: it is how an editor restricts itself.
    """
    document, editor = (claims.get(name) or {} for name in ("document", "editorConfig"))
    filled = {name: value for name, value in auth.items() if name != "jwtOpen"} | _said(
        document, permissions="permissions"
    )
    if isinstance(filled.get("openCmd"), dict):
        filled["openCmd"] = filled["openCmd"] | _said(document, url="url", fileType="format", title="title")
    mode = {"mode": "view"} if filled.get("mode") == "view" else {}
    filled |= _said(editor, callbackUrl="documentCallbackUrl", lang="lang", mode="mode") | mode
    if isinstance(filled.get("user"), dict):
        filled["user"] = filled["user"] | _said(editor.get("user") or {}, id="id", name="username")
    return filled


def _said(claims: Json, **plain: str) -> Json:
    """Give the claims that are there, under the names that they have in an ``auth``."""
    return {name: claims[claim] for claim, name in plain.items() if claims.get(claim) is not None}
