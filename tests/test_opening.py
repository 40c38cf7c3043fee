"""What an editor may open over its connection, and what Docs gets of it, at the front door and with three settings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
import pytest
from yarl import URL

from bridge.opening import Opening
from bridge.protocol.engineio import meaningless, pass_packet
from bridge.protocol.errors import BridgeError, NoRouteError, RefusedError, TokenError
from bridge.protocol.secret import Secret
from bridge.protocol.tokens import KeyRing, unverified
from bridge.rings import DocsRings
from bridge.sites import Addresses, Site, Topology
from bridge.transport.upstream import Upstream

KEY = "0123456789abcdef0123"
NOW = 1_800_000_000
DOCS, SOCIAL, OTHER, INNER = (f"{name}-secret-0123456789abcdef0123456789" for name in ("docs", "soc", "oth", "inner"))
LEG = "http://bridge.docs.lan:8081/s"
HUMHUB = "https://social.example.com"
FOREIGN = "http://10.0.0.1/steal"

Json = dict[str, Any]


def ring(side: str, *secrets: str) -> KeyRing:
    return KeyRing(side, f"the place of {side}", "Authorization", tuple(Secret(text) for text in secrets))


def site(name: str, *secrets: str, base_path: str = "") -> Site:
    host = f"{name}.example.com"
    upstream = Upstream(f"http://{name}.lan", name=name)
    return Site(name, (host,), host, URL("http://humhub.test"), base_path, ring(name, *secrets), upstream)


def topology(*sites: Site, docs: str = DOCS) -> Topology:
    rings = DocsRings(*(ring("Docs", *([docs] if docs else [])) for _ in range(3)))
    addresses = Addresses(*(URL(f"http://bridge.{name}.lan:8081") for name in ("browser", "docs", "humhub")))
    return Topology(sites or (site("social", SOCIAL), site("other", OTHER)), (), rings, addresses, "/ds")


def doc(key: str = KEY, **claims: Any) -> str:
    return jwt.encode({"key": key, "userGuid": "u", **claims}, INNER)


def url(route: str = "download", root: str = HUMHUB, key: str = KEY) -> str:
    return f"{root}/onlyoffice/backend/{route}?doc={doc(key)}"


def mapped(route: str = "download", name: str = "social") -> str:
    return url(route, f"{LEG}/{name}")


def config(root: str = HUMHUB, key: str = KEY, **document: Any) -> Json:
    """Give a configuration as HumHub's page has it, with HumHub's own addresses."""
    return {
        "type": "desktop",
        "document": {
            "key": key,
            "url": url("download", root),
            "fileType": "docx",
            "title": "Übung.docx",
            "permissions": {"edit": True, "unknown": {"a": [1]}},
            **document,
        },
        "editorConfig": {
            "callbackUrl": url("track", root),
            "mode": "edit",
            "lang": "de",
            "user": {"id": "u1", "name": "Ann"},
            "unknown": True,
        },
        "exp": NOW + 200,
    }


def sign(claims: Json, secret: str = SOCIAL) -> str:
    return jwt.encode(claims, secret)


def auth(root: str = HUMHUB, **changes: Any) -> Json:
    message: Json = {
        "type": "auth",
        "docid": KEY,
        "documentCallbackUrl": url("track", root),
        "token": "fghhfgsjdgfjs",
        "user": {"id": "u1", "username": "Ann", "indexUser": -1},
        "permissions": {"edit": True, "unknown": {"a": [1]}},
        "mode": "edit",
        "openCmd": {
            "c": "open",
            "id": KEY,
            "userid": "u1",
            "format": "docx",
            "url": url("download", root),
            "title": "Übung.docx",
        },
        "unknown": [1.5, None],
        "jwtOpen": sign(config(root)),
    }
    return {**message, **changes}


SESSION = jwt.encode(
    {"document": {"key": KEY}, "editorConfig": {"ds_sessionTimeConnect": 1}}, "docs' own secret for its sessions"
)
FRONT = auth(f"{LEG}/social", jwtOpen=sign(config(f"{LEG}/social"), DOCS))


@dataclass
class Heard:
    """An opening, and what it tells."""

    topology: Topology = field(default_factory=topology)
    remarks: list[BridgeError] = field(default_factory=list)
    opened: list[tuple[str, str]] = field(default_factory=list)

    def opening(self, key: str = KEY, sites: tuple[Site, ...] | None = None) -> Opening:
        return Opening(
            topology=self.topology,
            sites=sites or self.topology.sites,
            key=key,
            clock=lambda: NOW,
            opened=lambda site, track: self.opened.append((site.name, track)),
            remark=self.remarks.append,
        )

    def auth(self, message: Json, **options: Any) -> Json:
        """Send an ``auth`` through; give what Docs gets, the meaningless one too."""
        return self.event(message, **options)

    def event(self, message: Json, **options: Any) -> Json:
        packet = b"42" + json.dumps(["message", message]).encode()
        sent = pass_packet(self.opening(**options), packet)
        return dict(json.loads(sent.data[2:])[1])

    def connect(self, message: Json, **options: Any) -> Json:
        sent = pass_packet(self.opening(**options), b"40" + json.dumps(message).encode())
        return dict(json.loads(sent.data[2:]))


def claims_of(token: str, secret: str = DOCS) -> Json:
    return dict(jwt.decode(token, secret, algorithms=["HS256"], options={"verify_exp": False}))


# --- three settings ---


@pytest.mark.parametrize("root", [HUMHUB, f"{LEG}/social", "http://social.example.com:8080"])
def test_a_configuration_of_humhub_is_mapped_and_signed_for_docs(root: str) -> None:
    heard, message = Heard(), auth(root)
    sent = heard.auth(message)
    expected = config(f"{LEG}/social")
    assert claims_of(sent["jwtOpen"]) == expected  # permissions, unknown fields and HumHub's exp among it
    assert sent == {
        **message,
        "jwtOpen": sent["jwtOpen"],
        "documentCallbackUrl": mapped("track"),
        "openCmd": {**message["openCmd"], "url": mapped()},
    }
    assert sent["permissions"] == claims_of(sent["jwtOpen"])["document"]["permissions"]
    assert heard.opened == [("social", url("track", ""))]
    assert heard.remarks == []


def test_the_connect_brings_the_same_token_and_its_stale_copy_of_the_auth_stays_behind() -> None:
    heard = Heard()
    sent = heard.connect({"data": auth(FOREIGN), "token": sign(config()), "session": None, "unknown": 1})
    assert claims_of(sent.pop("token")) == config(f"{LEG}/social")
    assert sent == {"session": None, "unknown": 1}


def test_a_reconnect_goes_by_its_session_whatever_the_expired_token_beside_it() -> None:
    heard = Heard()
    stale = sign({**config(), "exp": NOW - 10_000}, "a secret that was changed meanwhile, long ago")
    assert heard.connect({"data": auth(), "token": stale, "session": SESSION}) == {"session": SESSION}
    again = auth(jwtSession=SESSION, jwtOpen=stale, openCmd=None, sessionId="s")
    sent = heard.auth(again)
    del again["jwtOpen"]
    assert sent == {**again, "documentCallbackUrl": mapped("track")}
    assert heard.remarks == []
    assert heard.opened == []


def test_a_session_that_opens_again_has_its_plain_urls_mapped() -> None:
    sent = Heard().auth(auth(jwtSession=SESSION, jwtOpen=None))
    assert (sent["documentCallbackUrl"], sent["openCmd"]["url"]) == (mapped("track"), mapped())
    assert sent["jwtSession"] == SESSION
    command = {"c": "reopen", "id": KEY, "url": url(), "password": "x"}
    sent = Heard().event({"type": "openDocument", "message": command})
    assert sent == {"type": "openDocument", "message": {**command, "url": mapped()}}


@pytest.mark.parametrize(
    ("name", "secret", "root"),
    [("social", SOCIAL, HUMHUB), ("other", OTHER, "https://other.example.com"), ("other", OTHER, f"{LEG}/other")],
)
def test_the_urls_name_the_site_and_its_own_secret_must_hold(name: str, secret: str, root: str) -> None:
    heard = Heard()
    sent = heard.auth(auth(root, jwtOpen=sign(config(root), secret)))
    assert claims_of(sent["jwtOpen"])["document"]["url"] == mapped(name=name)
    assert heard.opened == [(name, url("track", ""))]
    wrong = SOCIAL if secret == OTHER else OTHER
    sent = heard.auth(auth(root, jwtOpen=sign(config(root), wrong)))
    assert sent["jwtOpen"] == "refused"
    (error,) = heard.remarks
    assert isinstance(error, TokenError)
    assert (error.details["side"], error.details["why"]) == (name, "signature")
    assert error.remedy is not None
    assert f"the place of {name}" in error.remedy


def test_a_sub_directory_and_plain_urls_are_mapped_as_they_are() -> None:
    hub = topology(site("social", SOCIAL, base_path="/hub"))
    plain = f"{HUMHUB}/hub/index.php?r=onlyoffice%2Fbackend%2Fdownload&doc={doc()}"
    sent = Heard(hub).auth(auth(f"{HUMHUB}/hub", openCmd={"c": "open", "id": KEY, "url": plain}))
    assert sent["documentCallbackUrl"] == url("track", f"{LEG}/social/hub")
    assert sent["openCmd"]["url"] == f"{LEG}/social/hub/index.php?r=onlyoffice%2Fbackend%2Fdownload&doc={doc()}"


def test_any_of_a_sites_secrets_verifies_and_docs_first_signs() -> None:
    old = "an older secret that is being replaced, still valid"
    hub = topology(site("social", SOCIAL, old))
    sent = Heard(hub).auth(auth(jwtOpen=sign(config(), old)))
    assert claims_of(sent["jwtOpen"]) == config(f"{LEG}/social")


def test_an_expired_token_goes_on_with_its_end_so_that_docs_says_so() -> None:
    heard = Heard()
    sent = heard.auth(auth(jwtOpen=sign({**config(), "exp": NOW - 100})))
    assert claims_of(sent["jwtOpen"])["exp"] == NOW - 100
    (error,) = heard.remarks
    assert isinstance(error, TokenError)
    assert error.details["why"] == "expired"


def test_a_versions_token_is_mapped_too() -> None:
    older = "0123456789abcdef0123-older"
    claims = {
        "version": 2,
        "key": KEY,
        "url": url(),
        "changesUrl": url(key=older),
        "previous": {"key": older, "url": url(key=older)},
        "exp": NOW + 9,
    }
    for key in (KEY, older):
        heard = Heard()
        command = {"c": "open", "id": key, "url": url(key=key)}
        message = auth(docid=key, documentCallbackUrl=None, openCmd=command, jwtOpen=sign(claims))
        sent = heard.auth(message, key=key)
        assert claims_of(sent["jwtOpen"]) == {
            **claims,
            "url": mapped(),
            "changesUrl": url("download", f"{LEG}/social", older),
            "previous": {"key": older, "url": url("download", f"{LEG}/social", older)},
        }
        assert heard.remarks == []
    sent = Heard().auth(auth(docid="x", openCmd=None, documentCallbackUrl="", jwtOpen=sign(claims)), key="x")
    assert sent["jwtOpen"] == "refused"


# --- the front door ---


def test_what_the_front_door_has_signed_passes_byte_for_byte() -> None:
    heard = Heard()
    packet = b"42" + json.dumps(["message", FRONT], separators=(", ", " :  ")).encode()
    passed = pass_packet(heard.opening(), packet)
    assert passed.data == packet
    assert passed.opens
    connect = f'40{{"token" : "{FRONT["jwtOpen"]}"}}'.encode()
    assert pass_packet(heard.opening(), connect).data == connect
    assert pass_packet(heard.opening(), b"40").data == b"40"
    assert heard.opened == []  # the page has told
    assert heard.remarks == []


def test_one_secret_for_both_sides_is_mapped_all_the_same() -> None:
    heard = Heard(topology(site("social", DOCS)))
    sent = heard.auth(auth(jwtOpen=sign(config(), DOCS)))
    assert claims_of(sent["jwtOpen"]) == config(f"{LEG}/social")


def test_an_editor_that_comes_to_another_name_is_told_what_to_look_at() -> None:
    with pytest.raises(NoRouteError) as caught:
        topology().sites_for_editors("10.0.0.7:8080")
    assert "trust_forwarded_from" in str(caught.value.remedy)


def test_under_a_sites_own_name_only_its_documents_open() -> None:
    heard = Heard()
    social, other = heard.topology.sites
    assert heard.topology.sites_for_editors("social.example.com") == (social,)
    assert heard.topology.sites_for_editors("Bridge.browser.lan:8081") == (social, other)
    for root in (f"{LEG}/other", "https://other.example.com"):
        foreign = auth(root, jwtOpen=sign(config(root), OTHER))
        assert heard.auth(foreign, sites=(social,))["jwtOpen"] == "refused"


# --- sides without secrets ---


def test_a_docs_without_a_secret_gets_no_token_and_what_the_token_said() -> None:
    heard = Heard(topology(docs=""))
    message = auth(user={"id": "x", "username": "Mallory", "indexUser": 3}, lang="en")
    message["openCmd"] = {**message["openCmd"], "title": "Other.docx", "format": "xlsx"}
    sent = heard.auth(message)
    assert "jwtOpen" not in sent
    assert sent["user"] == {"id": "u1", "username": "Ann", "indexUser": 3}
    assert sent["openCmd"] == {**auth()["openCmd"], "url": mapped()}
    assert (sent["documentCallbackUrl"], sent["lang"], sent["mode"]) == (mapped("track"), "de", "edit")
    assert heard.auth(auth(mode="view"))["mode"] == "view"
    assert heard.connect({"token": sign(config())}) == {"token": None}
    assert heard.opened


@pytest.mark.parametrize(
    "token", [sign(config(), OTHER), sign({**config(), "exp": NOW - 100}), sign({**config(), "nbf": NOW + 100})]
)
def test_a_docs_without_a_secret_is_not_asked_about_a_token_that_does_not_hold(token: str) -> None:
    heard = Heard(topology(docs=""))
    assert heard.auth(auth(jwtOpen=token))["jwtOpen"] == "refused"
    assert len(heard.remarks) == 1


def test_after_a_reconnect_a_docs_without_a_secret_has_no_session_to_show() -> None:
    heard = Heard(topology(docs=""))
    late = sign({**config(), "exp": NOW - 10_000})
    assert "jwtOpen" not in heard.auth(auth(jwtOpen=late, openCmd=None, sessionId="s"))
    assert heard.connect({"token": late}) == {"token": None}


def test_without_any_secret_urls_are_mapped_and_checked() -> None:
    heard = Heard(topology(site("social"), docs=""))
    sent = heard.auth(auth(jwtOpen=None))
    assert (sent["documentCallbackUrl"], sent["openCmd"]["url"]) == (mapped("track"), mapped())
    assert heard.auth(auth(jwtOpen=None, documentCallbackUrl=FOREIGN))["jwtOpen"] == "refused"
    assert "jwtOpen" not in heard.auth(auth(jwtOpen=sign(config(), "whatever HumHub signs it with, 32 bytes")))


def test_a_site_without_a_secret_can_vouch_for_nothing_to_a_docs_that_has_one() -> None:
    heard = Heard(topology(site("social")))
    assert heard.auth(auth())["jwtOpen"] == "refused"
    assert heard.auth(FRONT) == FRONT


# --- what passes as it is, for Docs to judge ---

PASSES = {
    "no token": auth(f"{LEG}/social", jwtOpen=None),
    "no token at all": {name: value for name, value in FRONT.items() if name != "jwtOpen"},
    "a token that is none": {**FRONT, "jwtOpen": "nonsense"},
    "a token of other claims": {**FRONT, "jwtOpen": sign({"exp": 1})},
    "a token of no object": {**FRONT, "jwtOpen": "e30.WzFd.x"},
    "a wrapped token": {**FRONT, "jwtOpen": sign({"payload": config()})},
    "a session that can't be read": {**FRONT, "jwtOpen": None, "jwtSession": "s.e.s"},
    "a session of another type": {**FRONT, "jwtOpen": None, "jwtSession": 7},
    "a viewer": {**FRONT, "documentCallbackUrl": None, "view": True},
    "an empty callback": {**FRONT, "documentCallbackUrl": ""},
    "no command": {**FRONT, "openCmd": None},
}


@pytest.mark.parametrize("name", PASSES)
def test_what_opens_nothing_else_is_docs_to_judge(name: str) -> None:
    heard = Heard()
    assert heard.auth(PASSES[name]) == PASSES[name]
    assert heard.remarks == []


# --- what never passes ---


def opens(claims: Json, secret: str = SOCIAL) -> Json:
    return auth(jwtOpen=sign(claims, secret))


REFUSED = {
    "another key": auth(docid="other"),
    "a key of another type": auth(docid=[KEY]),
    "a foreign callback": auth(documentCallbackUrl=FOREIGN),
    "a callback of another type": auth(documentCallbackUrl=[url("track")]),
    "a download for a callback": auth(documentCallbackUrl=url("download")),
    "another document's callback": auth(documentCallbackUrl=url("track", key="other")),
    "another site's callback": auth(documentCallbackUrl=url("track", "https://third.example.com")),
    "a foreign download": auth(openCmd={"c": "open", "id": KEY, "url": FOREIGN}),
    "a callback for a download": auth(openCmd={"c": "open", "id": KEY, "url": url("track")}),
    "the empty file": auth(openCmd={"c": "open", "id": KEY, "url": url("empty-file")}),
    "another key to open": auth(openCmd={"c": "open", "id": "other", "url": url()}),
    "a command of another type": auth(openCmd=[1]),
    "a token for another key": opens(config(key="other")),
    "a token with a null key": opens(config(key=None)),  # type: ignore[arg-type] # on purpose
    "a token with another document's download": opens(config(url=url(key="other"))),
    "a token with a foreign download": opens(config(url=FOREIGN)),
    "a token with a foreign callback": opens({**config(), "editorConfig": {"callbackUrl": FOREIGN}}),
    "a token without a URL": opens({"document": {"key": KEY}}),
    "Docs' own token with a foreign download": opens(config(url=FOREIGN), DOCS),
    "a token of nobody": opens(config(), "0123456789abcdef0123456789abcdef"),
    "a token without a signature": auth(jwtOpen=jwt.encode(config(), None, algorithm="none")),
    "a session of another key": auth(jwtSession=sign({"document": {"key": "other"}}), jwtOpen=None),
    "a plain foreign callback beside a session": auth(jwtSession=SESSION, documentCallbackUrl=FOREIGN),
    "a version of another key": opens({"key": "other", "version": 1, "url": url()}),
    "a version from elsewhere": opens({"key": KEY, "version": 1, "url": FOREIGN}),
    "changes from elsewhere": opens({"key": KEY, "version": 1, "url": url(), "changesUrl": FOREIGN}),
    "a previous version from elsewhere": opens(
        {"key": KEY, "version": 1, "url": url(), "previous": {"key": KEY, "url": FOREIGN}}
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_opens_anything_else_is_refused(name: str) -> None:
    heard = Heard()
    packet = b"42" + json.dumps(["message", REFUSED[name]]).encode()
    assert pass_packet(heard.opening(), packet).data == meaningless(packet)
    assert len(heard.remarks) == 1
    assert heard.opened == []


@pytest.mark.parametrize(
    "connect",
    [
        {"token": sign(config(key="other"))},
        {"token": sign(config(), OTHER)},
        {"session": sign({"document": {"key": "other"}})},
    ],
)
def test_a_connect_for_another_document_is_refused(connect: Json) -> None:
    heard = Heard()
    assert heard.connect(connect) == {"token": "refused"}
    assert len(heard.remarks) == 1


@pytest.mark.parametrize(
    "foreign", [FOREIGN, "//10.0.0.1/x", "file:///etc/passwd", "x", " ", "javascript:1", url()[1:], f"{url()}\n"]
)
@pytest.mark.parametrize("place", ["documentCallbackUrl", "openCmd", "document", "editorConfig"])
def test_a_foreign_url_is_refused_wherever_it_stands(place: str, foreign: str) -> None:
    message = {
        "documentCallbackUrl": auth(documentCallbackUrl=foreign),
        "openCmd": auth(openCmd={"c": "open", "id": KEY, "url": foreign}),
        "document": opens(config(url=foreign)),
        "editorConfig": opens({**config(), "editorConfig": {"callbackUrl": foreign}}),
    }[place]
    assert Heard().auth(message)["jwtOpen"] == "refused"


def test_a_refusal_tells_the_log_and_not_the_client() -> None:
    heard = Heard()
    heard.auth(REFUSED["a foreign callback"])
    (error,) = heard.remarks
    assert isinstance(error, RefusedError)
    assert error.details["key"] == KEY
    assert FOREIGN in error.details["url"]
    assert "http" not in error.message


def test_a_single_site_takes_any_name_of_humhub() -> None:
    only = replace(topology(), sites=(site("social", SOCIAL),))
    sent = Heard(only).auth(auth("http://10.0.1.7:8888"))
    assert claims_of(sent["jwtOpen"]) == config(f"{LEG}/social")
    assert unverified(sent["jwtOpen"])["exp"] == NOW + 200
