"""The storage in front of the small HumHub, which is made after the recordings and knows nothing of the bridge."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.connector.humhub.storage import HumHubStorage
from bridge.connector.humhub.ways import Digests
from bridge.connector.storage import SignedOutError, Upload, Visitor
from bridge.demo.humhub import HumHubSettings, SmallHumHub
from bridge.demo.humhub import sessions as humhub_sessions
from bridge.demo.humhub.faults import Fault
from bridge.protocol.errors import BridgeError, ConflictError, NoRouteError, RefusedError, TooLargeError, UpstreamError
from bridge.protocol.secret import Secret
from bridge.transport.upstream import Upstream
from tests.connector.houses import site_of

KEY = "the key of the rest module, as long as HS512 wants it: " + "k" * 16
OLD, NEW = b"PK\x03\x04 before", b"PK\x03\x04 and after"


@dataclass
class Small:
    """The storage and the small HumHub behind it."""

    storage: HumHubStorage
    humhub: SmallHumHub
    directory: Path
    ahead: float = 0.0

    def place(self, route: str, **parameters: str | int) -> str:
        """Spell an address as this HumHub does."""
        space = self.humhub.space
        container = {"cguid": space.guid} if not self.humhub.settings.pretty_urls else {}
        links = self.humhub.links()
        if container:
            return links.to(route, **container, **{name: str(value) for name, value in parameters.items()})
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"{self.humhub.settings.base_path}/s/{space.slug}/{route}?{query}"

    @property
    def folder(self) -> str:
        return self.place("cfiles/upload", fid=1)

    async def visitor(self, name: str, place: str = "") -> Visitor:
        user = self.humhub.user(name)
        assert user is not None
        session = self.humhub.session_of(user)
        csrf = self.humhub.sessions.seal("_csrf", humhub_sessions.new_csrf())
        return await self.storage.visitor({"Cookie": f"PHPSESSID={session.id}; _csrf={csrf}"}, place)

    def upload(self, content: bytes) -> Upload:
        path = self.directory / "upload.body"
        path.write_bytes(content)
        return Upload(path, len(content), hashlib.sha256(content).hexdigest())

    def sign_out(self) -> None:
        for session in list(self.humhub.sessions.all()):
            self.humhub.sessions.end(session)
        self.ahead = 60

    async def content(self, visitor: Visitor, guid: str) -> bytes:
        async with self.storage.read(visitor, guid) as content:
            return b"".join([chunk async for chunk in content.chunks])


@pytest.fixture(params=["pretty", "plain", "below"])
async def small(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Small]:
    settings = HumHubSettings(
        "http://docs.test/ds",
        "http://docs.test",
        "http://storage.test",
        "humhub-secret-0123456789abcdef0123456789",
        base_path="/hub" if request.param == "below" else "",
        pretty_urls=request.param != "plain",
        onlyoffice=False,
        upload_limit=1 << 20,
        rest_secret=KEY,
    )
    humhub = SmallHumHub(settings, tmp_path / "humhub")
    await humhub.start()
    url = humhub.url.removesuffix(settings.base_path)
    async with Upstream(url, name="social") as upstream:
        site = site_of(url, upstream, settings.base_path)
        made = Small(HumHubStorage(site, lambda: time.time() + made.ahead, Secret(KEY)), humhub, tmp_path)
        yield made
    await humhub.stop()


async def test_people_are_known(small: Small) -> None:
    for name in ("alice", "bobby"):
        found, user = await small.visitor(name, small.folder), small.humhub.user(name)
        assert user is not None
        assert (found.id, found.number, found.name) == (user.guid, user.number, user.name)
    with pytest.raises(SignedOutError):
        await small.storage.visitor({"Cookie": "PHPSESSID=nobody"})


@pytest.mark.parametrize(("name", "may_write"), [("admin", True), ("alice", True), ("carol", False)])
async def test_a_folder_s_file_is_saved_by_who_may(small: Small, name: str, may_write: bool) -> None:
    entry = small.humhub.add_cfile("Plän.docx", OLD, owner="alice")
    visitor = await small.visitor(name)
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    assert (found.name, found.size, found.may_write, found.handle) == (
        "Plän.docx",
        len(OLD),
        may_write,
        {"item": entry.number},
    )
    assert found.version == Digests.of(small.upload(OLD)).etag
    assert await small.content(visitor, entry.file.guid) == OLD
    if not may_write:
        with pytest.raises(RefusedError):
            await small.storage.replace(visitor, found, small.upload(NEW))
        assert await small.content(visitor, entry.file.guid) == OLD
        return
    stored = await small.storage.replace(visitor, found, small.upload(NEW))
    assert (stored.guid, stored.stray, stored.version == found.version) == (entry.file.guid, False, False)
    assert await small.content(visitor, entry.file.guid) == NEW
    again = await small.storage.find(visitor, found, small.upload(NEW))
    assert again is not None
    assert again.version == stored.version


async def test_who_is_no_member_can_t_open(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD)
    with pytest.raises(RefusedError):
        await small.storage.look(await small.visitor("bobby"), entry.file.guid, small.folder)


async def test_a_post_s_file_is_replaced_by_another(small: Small) -> None:
    file = small.humhub.add_file("plan.docx", OLD, owner="alice")
    post = small.humhub.add_post("alice", "Look", [file])
    place = small.place("post/post/edit", id=post.number)
    assert not (await small.storage.look(await small.visitor("carol"), file.guid, place)).may_write
    visitor = await small.visitor("alice", place)
    found = await small.storage.look(visitor, file.guid, place)
    stored = await small.storage.replace(visitor, found, small.upload(NEW))
    assert [at.guid for at in small.humhub.files.values() if at.post == post.number] == [stored.guid]
    assert await small.content(visitor, stored.guid) == NEW
    with pytest.raises(NoRouteError):
        await small.storage.look(visitor, file.guid, place)


async def test_new_files_are_made_everywhere(small: Small) -> None:
    small.humhub.add_cfile("new.docx", OLD)
    visitor = await small.visitor("alice")
    made = await small.storage.add(visitor, small.folder, "New.docx", small.upload(NEW))
    assert (made.name, made.stray, made.may_write) == ("New (2).docx", False, True)
    assert made.handle == {"item": 2}
    loose = await small.storage.add(visitor, "", "loose.docx", small.upload(NEW))
    assert (await small.storage.look(visitor, loose.guid, "", loose.handle)).may_write
    for file in (made, loose):
        await small.storage.remove(visitor, file)
        with pytest.raises(NoRouteError):
            await small.storage.look(visitor, file.guid, file.place)


async def test_a_renamed_file_is_saved_and_a_moved_one_is_not(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD)
    visitor = await small.visitor("admin")
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    entry.file.name = "Plan B.docx"
    stored = await small.storage.replace(visitor, found, small.upload(NEW))
    assert (stored.guid, stored.name) == (entry.file.guid, "Plan B.docx")
    entry.folder = small.humhub.cfiles.add_folder("Sub", "admin").number
    with pytest.raises(ConflictError):
        await small.storage.replace(visitor, stored, small.upload(OLD))


async def test_limits_and_failures_are_told(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD)
    visitor = await small.visitor("admin")
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    with pytest.raises(TooLargeError, match="exceed"):
        await small.storage.replace(visitor, found, small.upload(b"x" * (2 << 20)))
    small.humhub.reconfigure(post_limit=1 << 20)
    with pytest.raises(TooLargeError):
        await small.storage.replace(visitor, found, small.upload(b"x" * (2 << 20)))
    for fault in (Fault(status=500), Fault(page=True), Fault(hang=0.01)):
        small.humhub.faults.add("cfiles upload", fault)
        with pytest.raises(BridgeError):
            await small.storage.replace(visitor, found, small.upload(NEW))
    assert await small.content(visitor, entry.file.guid) == OLD


async def test_an_answer_that_is_lost_is_found_out_about(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD)
    visitor = await small.visitor("admin")
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    small.humhub.faults.add("cfiles upload", Fault(after_store="cut"))
    with pytest.raises(UpstreamError):
        await small.storage.replace(visitor, found, small.upload(NEW))
    again = await small.storage.find(visitor, found, small.upload(NEW))
    assert again is not None
    assert again.guid == entry.file.guid


@pytest.mark.parametrize("small", ["pretty", "below"], indirect=True)
async def test_a_save_arrives_after_the_session_s_end(small: Small) -> None:
    entry = small.humhub.add_cfile("Plän.docx", OLD, owner="alice")
    visitor = await small.visitor("admin")
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    small.sign_out()
    again = await small.storage.look(visitor, entry.file.guid, small.folder, found.handle)
    assert (again.version, again.name, again.handle) == (found.version, "Plän.docx", found.handle)
    stored = await small.storage.replace(visitor, again, small.upload(NEW))
    assert (stored.guid, stored.stray, small.humhub.uploads[-1].how) == (entry.file.guid, False, "rest")
    async with small.storage.read(visitor, entry.file.guid, small.folder) as content:
        assert b"".join([chunk async for chunk in content.chunks]) == NEW
        assert content.version == stored.version
    made = await small.storage.add(visitor, small.folder, "plän.docx", small.upload(NEW))
    assert (made.name, made.stray) == ("plän (2).docx", False)
    await small.storage.remove(visitor, made)
    assert [one.file.guid for one in small.humhub.cfiles.entries.values()] == [entry.file.guid]
    with pytest.raises(TooLargeError, match="exceed"):
        await small.storage.replace(visitor, again, small.upload(b"x" * (2 << 20)))
    small.humhub.reconfigure(post_limit=1 << 20)
    with pytest.raises(TooLargeError):
        await small.storage.replace(visitor, again, small.upload(b"x" * (2 << 20)))


@pytest.mark.parametrize("small", ["pretty"], indirect=True)
async def test_a_member_s_save_waits_and_a_post_s_is_added(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD, owner="alice")
    file = small.humhub.add_file("minutes.docx", OLD, owner="alice")
    post = small.humhub.add_post("alice", "Look", [file])
    place = small.place("post/post/edit", id=post.number)
    visitor = await small.visitor("alice")
    in_folder = await small.storage.look(visitor, entry.file.guid, small.folder)
    in_post = await small.storage.look(visitor, file.guid, place)
    small.sign_out()
    with pytest.raises(SignedOutError, match="cannot upload"):
        await small.storage.replace(visitor, in_folder, small.upload(NEW))
    stored = await small.storage.replace(visitor, in_post, small.upload(NEW))
    assert post.guids == [file.guid, stored.guid]
    with pytest.raises(RefusedError):
        await small.storage.look(await small.visitor("bobby"), file.guid, place)


@pytest.mark.parametrize("small", ["plain"], indirect=True)
async def test_the_key_needs_pretty_addresses_and_that_is_said(small: Small) -> None:
    entry = small.humhub.add_cfile("plan.docx", OLD)
    visitor = await small.visitor("admin")
    found = await small.storage.look(visitor, entry.file.guid, small.folder)
    small.sign_out()
    with pytest.raises(UpstreamError) as caught:
        await small.storage.replace(visitor, found, small.upload(NEW))
    assert "pretty URLs" in str(caught.value.remedy)
