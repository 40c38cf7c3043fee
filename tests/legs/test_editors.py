"""Docs' traffic with browsers: what passes, how it is addressed, and what an editor may say of its document."""

from __future__ import annotations

import jwt
import pytest
from aiohttp import web

from bridge.config import KeyRingConfig
from tests.legs.editing import BASE, HUB, ok, own_rings, without_docs_secret
from tests.legs.fakes import HUMHUB_SECRET, NOW, Bridge, Start, claims_of, doc, with_site


@pytest.mark.parametrize(
    ("method", "path", "target"),
    [
        ("GET", "/web-apps/apps/api/documents/api.js?shardKey=k1", None),
        ("GET", "/9.0.4-0ab1/web-apps/apps/documenteditor/main/index.html?a=%2f&b", None),
        ("HEAD", "/sdkjs/word/sdk-all.js", None),
        ("GET", "/sdkjs-plugins/x/config.json", None),
        ("GET", "/fonts/A%20B", None),
        ("GET", "/dictionaries/de_DE/de_DE.dic", None),
        ("GET", "/plugins.json", None),
        ("GET", "/themes.json", None),
        ("GET", "/document_editor_service_worker.js", None),
        ("GET", "/9.0.4-0ab1/document_editor_service_worker.js", None),
        (
            "GET",
            "/cache/files/data/k1/Editor.bin/Editor.bin?md5=a&shardkey=zz",
            "/cache/files/data/k1/Editor.bin/Editor.bin?md5=a&shardkey=k1",
        ),
        ("POST", "/downloadas/k1?cmd=%7B%7D&shardkey=k1", None),
        ("POST", "/savefile/k1?cmd=x", None),
        ("POST", "/upload/k1", None),
        ("GET", "/printfile/k1_7658/print.pdf?token=x&shardkey=zz", "/printfile/k1_7658/print.pdf?token=x&shardkey=k1"),
        ("GET", "/printfile/k1/print.pdf?token=x", None),
    ],
)
async def test_what_an_editor_needs_passes(bridge: Bridge, method: str, path: str, target: str | None) -> None:
    bridge.docs.answers(ok())
    headers = {
        "Host": "office.test:8443",
        "Cookie": "PHPSESSID=x",
        "Authorization": "Bearer session",
        "X-Forwarded-Prefix": "/evil",
    }
    data = b"upload" if method == "POST" else None
    status, body, given = await bridge.ask("browser", f"/ds{path}", method, headers=headers, data=data)
    assert status == 200
    assert body == (b"" if method == "HEAD" else b"docs")
    assert given["X-Docs"] == "y"
    assert "Set-Cookie" not in given
    (seen,) = bridge.docs.seen
    assert (seen.method, seen.target) == (method, target or path)
    assert seen.headers["Host"] == seen.headers["X-Forwarded-Host"] == "office.test:8443"
    assert seen.headers["X-Forwarded-Proto"] == "http"
    assert seen.headers.getall("X-Forwarded-Prefix") == ["/ds"]
    assert "Cookie" not in seen.headers
    assert seen.headers["Authorization"] == "Bearer session"
    assert seen.body == (data or b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/command",
        "/converter",
        "/ConvertService.ashx",
        "/coauthoring/CommandService.ashx",
        "/docbuilder",
        "/info",
        "/info/info.json",
        "/internal/cluster/inactive",
        "/example",
        "/welcome/",
        "/healthcheck",
        "/admin/",
        "/9.0.4-0ab1/command",
        "/9.0.4-0ab1/internal/x",
        "//command",
        "/web-apps/../command",
        "/web-apps/%2e%2e/command",
        "/web-apps/..%2fcommand",
        "/web-apps/..;/command",
        "/web-apps\\..\\command",
        "/cache/files/../../internal",
        "/./internal",
        "/Command",
        "/web-apps",
        "/doc/k1/c",
        "/doc/a%20b/c/",
        "/doc/k1/d/",
        "/upload/a/b",
        "/downloadfile/",
        "/printfile/k1",
        "/cache/files/",
        "/meta",
        "/x/web-apps/a.js",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_allow_list_holds_in_every_spelling(bridge: Bridge, path: str, method: str) -> None:
    bridge.docs.answers(ok())
    bridge.humhub.answers(ok())
    status, _, _ = await bridge.ask("browser", f"/ds{path}", method)
    assert bridge.docs.seen == []
    assert status in (400, 403, 404) or bridge.humhub.seen


async def test_a_redirect_to_docs_own_address_passes_unchanged(bridge: Bridge) -> None:
    location = "http://office.test/ds/web-apps/apps/"
    bridge.docs.answers(web.Response(status=301, headers={"Location": location}))
    status, _, given = await bridge.ask("browser", "/ds/web-apps/apps/x")
    assert (status, given["Location"]) == (301, location)


# --- the configuration's token on /downloadfile ---


@pytest.mark.parametrize(
    ("key", "secret", "status"),
    [("k1", "browser", 200), ("k2", "browser", 403), ("k1", "inbox", 403), ("k1", "other", 403)],
)
async def test_the_configurations_token_is_signed_for_docs_inbox(
    start: Start, key: str, secret: str, status: int
) -> None:
    bridge = await start(own_rings)
    bridge.docs.answers(ok())
    claims = {"document": {"key": key, "url": f"{BASE}/download?doc={doc(key=key)}"}, "exp": int(NOW) + 99}
    token = jwt.encode(claims, f"{secret}-secret-0123456789abcdef0123456789")
    headers = {"Authorization": f"Bearer {token}", "X-Url": "http://evil.test/", "Range": "bytes=0-1"}
    found, _, _ = await bridge.ask("browser", "/ds/downloadfile/k1", headers=headers)
    assert found == status
    if status == 200:
        sent = bridge.docs.seen[0].headers
        assert claims_of(sent["X-Inbox"], "inbox-secret-0123456789abcdef0123456789") == claims
        assert sent["Range"] == "bytes=0-1"
        assert not {"Authorization", "X-Url"} & set(sent)
    else:
        assert bridge.docs.seen == []


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "plain"])
async def test_a_pdf_is_asked_for_with_humhubs_token(start: Start, signed: bool) -> None:
    bridge = await start(own_rings if signed else without_docs_secret)
    bridge.docs.answers(ok())
    plain = f"https://social.test/index.php?r=onlyoffice%2Fbackend%2Fdownload&doc={doc()}"
    claims = {"document": {"key": "k1", "url": plain, "fileType": "pdf"}, "exp": int(NOW) + 99}
    headers = {"X-Url": "http://evil.test/", "Authorization": f"Bearer {jwt.encode(claims, HUMHUB_SECRET)}"}
    assert (await bridge.ask("browser", "/ds/downloadfile/k1", headers=headers))[0] == 200
    sent, mapped = bridge.docs.seen[0].headers, plain.replace("https://social.test", BASE.partition("/onlyoffice")[0])
    if signed:
        found = claims_of(sent["X-Inbox"], "inbox-secret-0123456789abcdef0123456789")
        assert found == {**claims, "document": {**claims["document"], "url": mapped}}  # type: ignore[dict-item]
        assert not {"Authorization", "X-Url"} & set(sent)
    else:
        assert sent["X-Url"] == mapped.replace("%", "%25")


async def test_without_any_secret_a_pdfs_address_is_mapped(start: Start) -> None:
    bridge = await start(lambda config: with_site(jwt=KeyRingConfig())(without_docs_secret(config)))
    bridge.docs.answers(ok())
    for url, status in ((f"{HUB}/download?doc={doc()}", 200), ("http://169.254.169.254/", 403), ("", 200)):
        found, _, _ = await bridge.ask("browser", "/ds/downloadfile/k1", headers={"X-Url": url})
        assert found == status
    first, last = bridge.docs.seen
    assert first.headers["X-Url"] == f"{BASE}/download?doc={doc()}"
    assert "X-Url" not in last.headers
