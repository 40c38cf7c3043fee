"""HumHub as a storage: who is who, and what becomes of files in folders, posts, and nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from bridge.connector.storage import SignedOutError
from bridge.protocol.errors import BridgeError, ConflictError, NoRouteError, RefusedError
from tests.connector.fake_humhub import FOLDER, POST, SPACE, guid_of
from tests.connector.houses import House, gone, house

OLD, NEW = b"PK\x03\x04 before", b"PK\x03\x04 and after"


async def fails(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(status=500, text="<h1>Internal Server Error</h1>", content_type="text/html")


PLAIN = f"/index.php?r=cfiles%2Fupload&cguid={SPACE}&fid=1"


# --- who ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", FOLDER, POST])
async def test_a_visitor_is_who_humhub_says(keyed: House, place: str) -> None:
    found = await keyed.visitor("alice", place)
    assert (found.id, found.number, found.name, found.language) == (guid_of("alice"), 2, "Alice <O'Brien>", "de")
    assert found.image == "/static/img/default_user.jpg"
    assert "PHPSESSID" not in repr(found)
    assert keyed.humhub.hosts == {"humhub.test"}


async def test_who_may_not_see_a_place_is_known_by_another_page(keyed: House) -> None:
    assert (await keyed.visitor("bobby", FOLDER)).id == guid_of("bobby")
    assert keyed.humhub.calls == ["GET cfiles/browse/index", "GET dashboard"]


async def test_a_visitor_is_asked_for_once_in_a_while(keyed: House) -> None:
    for _ in range(3):
        await keyed.visitor("alice")
    assert keyed.made("GET", "dashboard") == 1
    keyed.now += 31
    await keyed.visitor("alice")
    assert keyed.made("GET", "dashboard") == 2


@pytest.mark.parametrize("cookie", ["", "PHPSESSID=nobody", "=; ;;", "PHPSESSID"])
async def test_a_guest_is_nobody(keyed: House, cookie: str) -> None:
    with pytest.raises(SignedOutError, match="not signed in") as caught:
        await keyed.storage.visitor({"Cookie": cookie}, FOLDER)
    assert caught.value.remedy == "Sign in to HumHub, in this browser."


async def test_who_signs_out_is_nobody_at_once_though_there_is_a_key(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("admin")
    keyed.humhub.signed_in.clear()
    with pytest.raises(SignedOutError):
        await keyed.storage.look(visitor, file.guid, FOLDER)
    with pytest.raises(SignedOutError):
        await keyed.visitor("admin")
    assert not [call for call in keyed.humhub.calls if "api/v1" in call]


async def test_cookies_that_humhub_needs_are_kept_whatever_else_there_is(keyed: House) -> None:
    large = "; ".join(f"other{number}={'x' * 1000}" for number in range(20))
    found = await keyed.storage.visitor(
        {"Cookie": f"{large}; PHPSESSID=alice; onlyoffice_bridge=1; SERVERID=b2; _csrf=x"}
    )
    assert found.cookies.startswith("PHPSESSID=alice; _csrf=x; ")
    assert "SERVERID=b2" in found.cookies
    assert "bridge" not in found.cookies
    assert len(found.cookies) <= 8192


# --- look ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "may_write"), [("admin", True), ("alice", True), ("carol", False)], ids=["manager", "owner", "reader"]
)
async def test_a_folder_s_file_is_written_by_who_may(keyed: House, name: str, may_write: bool) -> None:
    file = keyed.humhub.add("Plän.docx", OLD, owner="alice")
    found = await keyed.storage.look(await keyed.visitor(name), file.guid.upper(), FOLDER)
    assert (found.guid, found.name, found.size, found.version) == (file.guid, "Plän.docx", len(OLD), file.etag)
    assert (found.may_write, found.place, found.url) == (may_write, FOLDER, "/s/team/cfiles/browse/index?fid=1")
    assert found.handle == {"item": file.number}


@pytest.mark.parametrize(("name", "may_write"), [("admin", True), ("alice", True), ("carol", False)])
async def test_a_post_s_file_is_written_by_who_may_edit_the_post(keyed: House, name: str, may_write: bool) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    found = await keyed.storage.look(await keyed.visitor(name), file.guid, POST)
    assert (found.may_write, found.url) == (may_write, "/s/team/post/post/view?id=3")


async def test_who_is_no_member_sees_nothing(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("bobby")
    with pytest.raises(RefusedError, match="may not do that"):
        await keyed.storage.look(visitor, file.guid, FOLDER)
    with pytest.raises(RefusedError):
        await keyed.content(visitor, file.guid)


@pytest.mark.parametrize("place", [FOLDER, POST, ""])
async def test_what_is_deleted_is_not_there(keyed: House, place: str) -> None:
    with pytest.raises(NoRouteError, match="no such file"):
        await keyed.storage.look(await keyed.visitor("admin"), guid_of("gone"), place)


async def test_what_is_deleted_from_a_folder_is_gone_for_who_still_sees_it(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, owner="alice")
    file.deleted = True
    for name in ("alice", "admin"):
        visitor = await keyed.visitor(name)
        found = await keyed.storage.look(visitor, file.guid, FOLDER)
        assert (found.away, found.may_write) == (True, False)
        for who in (visitor, gone(name)):
            with pytest.raises(NoRouteError):
                await keyed.storage.look(who, file.guid, FOLDER, {"item": file.number})
    with pytest.raises(RefusedError):
        await keyed.storage.look(await keyed.visitor("carol"), file.guid, FOLDER)
    # What was moved isn't.
    file.deleted, file.folder = False, 9
    for who in (visitor, gone("admin")):
        assert (await keyed.storage.look(who, file.guid, FOLDER, {"item": file.number})).away


@pytest.mark.parametrize("place", [FOLDER, POST, "/s/team/cfiles/upload?fid=2"])
async def test_a_file_is_never_written_in_a_place_where_it_is_not(keyed: House, place: str) -> None:
    elsewhere = keyed.humhub.add("plan.docx", OLD, owner="admin", place="/s/team/cfiles/upload?fid=7")
    found = await keyed.storage.look(await keyed.visitor("admin"), elsewhere.guid, place)
    assert (found.may_write, found.away) == (False, True)


async def test_a_file_of_no_place_is_written_by_who_made_it(keyed: House) -> None:
    visitor = await keyed.visitor("alice")
    made = await keyed.storage.add(visitor, "", "new.docx", keyed.upload(NEW))
    assert made.may_write
    assert (await keyed.storage.look(visitor, made.guid, "", made.handle)).may_write
    assert not (await keyed.storage.look(visitor, made.guid, "")).may_write
    with pytest.raises(RefusedError):
        await keyed.storage.look(await keyed.visitor("admin"), made.guid, "", made.handle)


async def test_a_handle_of_somebody_else_gives_no_right(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, owner="alice", place=POST)
    visitor = await keyed.visitor("carol")
    assert not (await keyed.storage.look(visitor, file.guid, "", {"by": guid_of("alice")})).may_write


@pytest.mark.parametrize("guid", ["", "1", "../../x", "a60f5ed2-6497-4316-850a-294588b08b05&r=x"])
async def test_what_is_no_guid_is_not_asked_for(keyed: House, guid: str) -> None:
    visitor = await keyed.visitor("alice")
    with pytest.raises(BridgeError):
        await keyed.storage.look(visitor, guid, FOLDER)
    assert not keyed.made("HEAD", "file/file/download")


# --- replace ------------------------------------------------------------------------------------------------------


async def test_a_folder_s_file_keeps_its_guid_and_history(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.guid, stored.stray, stored.version) == (file.guid, False, file.etag)
    assert (file.content, file.versions) == (NEW, [OLD])
    assert stored.version != found.version
    assert (await keyed.storage.look(visitor, file.guid, FOLDER)).version == stored.version


async def test_a_file_that_was_renamed_is_replaced_under_its_new_name(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    file.name = "Plan B.docx"
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.guid, stored.name, file.content) == (file.guid, "Plan B.docx", NEW)


async def test_a_file_that_is_renamed_at_that_moment_makes_a_new_one_and_that_is_said(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    keyed.humhub.before["cfiles/upload"] = lambda: setattr(file, "name", "Plan B.docx")
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert stored.stray
    assert stored.guid != file.guid
    assert file.content == OLD


async def test_another_file_that_was_hit_is_told(keyed: House) -> None:
    file, other = keyed.humhub.add("plan.docx", OLD), keyed.humhub.add("other.docx", b"theirs")
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)

    def swap() -> None:
        file.name, other.name = "Plan B.docx", "PLAN.docx"

    keyed.humhub.before["cfiles/upload"] = swap
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.stray, stored.guid, other.versions) == (True, other.guid, [b"theirs"])


@pytest.mark.parametrize("twin", ["PLAN.docx", "plän.docx", "plan.docx "])
async def test_a_file_that_another_could_be_taken_for_is_not_sent(keyed: House, twin: str) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    keyed.humhub.add(twin, b"theirs")
    with pytest.raises(ConflictError, match="can't tell"):
        await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert not keyed.made("POST", "cfiles/upload")


@pytest.mark.parametrize("place", [FOLDER, POST])
async def test_a_file_that_was_moved_is_not_replaced(keyed: House, place: str) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=place)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, place)
    file.folder, file.post = 9, None
    with pytest.raises(ConflictError, match="no longer where it was"):
        await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (file.content, len(keyed.humhub.files)) == (OLD, 1)


@pytest.mark.parametrize(("place", "name"), [(FOLDER, "carol"), (POST, "carol"), (FOLDER, "bobby")])
async def test_a_reader_can_t_save(keyed: House, place: str, name: str) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=place)
    found = await keyed.storage.look(await keyed.visitor("alice"), file.guid, place)
    with pytest.raises(RefusedError):
        await keyed.storage.replace(await keyed.visitor(name), found, keyed.upload(NEW))
    assert file.content == OLD


async def test_somebody_who_was_faster_leaves_no_version(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    keyed.humhub.before["file/file/download"] = lambda: setattr(file, "content", b"theirs")
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.guid, stored.version) == (file.guid, "")


async def test_a_web_server_s_own_etag_is_a_version_too(keyed: House) -> None:
    keyed.humhub.etags = False
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert stored.version not in ("", found.version)
    assert (await keyed.storage.find(visitor, found, keyed.upload(NEW))) is not None
    assert (await keyed.storage.find(visitor, found, keyed.upload(NEW[::-1]))) is None


async def test_a_post_s_file_is_attached_anew_and_the_old_one_deleted(keyed: House) -> None:
    file, other = (keyed.humhub.add(name, OLD, place=POST) for name in ("plan.docx", "other.docx"))
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, POST)
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.name, stored.stray, stored.raw["guid"]) == ("plan.docx", False, stored.guid)
    assert {at.guid: (at.post, at.content) for at in keyed.humhub.files.values()} == {
        stored.guid: (3, NEW),
        other.guid: (3, OLD),
    }


async def test_a_post_s_file_that_can_t_be_deleted_stays_beside_the_new_one(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, POST)
    keyed.humhub.instead["file/file/delete"] = fails
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert keyed.humhub.files.keys() == {file.guid, stored.guid}
    again = await keyed.storage.find(visitor, found, keyed.upload(NEW))
    assert again is not None
    assert (again.guid, set(keyed.humhub.files)) == (stored.guid, {stored.guid})


async def test_a_file_that_humhub_does_not_attach_is_no_save(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, POST)

    async def takes_it(request: web.BaseRequest) -> web.StreamResponse:
        return await keyed.humhub.upload(request, "alice", "")

    keyed.humhub.instead["file/file/upload"] = takes_it
    with pytest.raises(RefusedError, match="didn't attach"):
        await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert keyed.humhub.files.keys() == {file.guid}


async def test_a_file_of_no_place_is_replaced_by_another_and_stays(keyed: House) -> None:
    visitor = await keyed.visitor("alice")
    made = await keyed.storage.add(visitor, "", "new.docx", keyed.upload(OLD))
    stored = await keyed.storage.replace(visitor, made, keyed.upload(NEW))
    assert stored.may_write
    assert keyed.humhub.files.keys() == {made.guid, stored.guid}


# --- find, add, remove --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [FOLDER, POST])
async def test_an_upload_that_came_through_is_found(keyed: House, place: str) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=place)
    visitor = await keyed.visitor("alice")
    found = await keyed.storage.look(visitor, file.guid, place)
    assert await keyed.storage.find(visitor, found, keyed.upload(NEW)) is None
    stored = keyed.humhub.store("plan.docx", NEW, "alice", place)
    again = await keyed.storage.find(visitor, found, keyed.upload(NEW))
    assert again is not None
    assert (again.guid, again.version) == (stored.guid, stored.etag)


async def test_a_second_file_is_found_by_its_name_and_leaves_the_first_alone(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD, place=POST)
    visitor = await keyed.visitor("alice")
    wanted = replace(await keyed.storage.look(visitor, file.guid, POST), guid="", name="plan (Alice).docx")
    upload = keyed.upload(NEW)
    assert await keyed.storage.find(visitor, wanted, upload) is None
    stored = await keyed.storage.add(visitor, POST, "plan (Alice).docx", upload)
    again = await keyed.storage.find(visitor, wanted, upload)
    assert again is not None
    assert (again.guid, set(keyed.humhub.files)) == (stored.guid, {file.guid, stored.guid})


@pytest.mark.parametrize(
    ("taken", "wanted", "name"),
    [
        ([], "Neu.DOCX", "Neu.docx"),
        (["plan.docx"], "Plan.docx", "Plan (2).docx"),
        (["plän.docx", "PLAN (2).docx"], "plan.docx", "plan (3).docx"),
        ([], 'a/b:"c?.docx', "a_b__c_.docx"),
    ],
)
async def test_a_new_file_never_hits_another(keyed: House, taken: list[str], wanted: str, name: str) -> None:
    others = [keyed.humhub.add(other, OLD, owner="carol") for other in taken]
    visitor = await keyed.visitor("alice")
    upload = keyed.upload(NEW)
    made = await keyed.storage.add(visitor, FOLDER, wanted, upload)
    assert (made.name, made.stray, made.may_write) == (name, False, True)
    assert made.handle == {"item": keyed.humhub.files[made.guid].number}
    assert [other.content for other in others] == [OLD] * len(others)
    assert keyed.humhub.files[made.guid].mime.startswith("application/vnd.openxmlformats")
    found = await keyed.storage.find(visitor, replace(made, guid="", name=wanted), upload)
    assert found is not None
    assert found.guid == made.guid


async def test_a_new_file_that_hits_another_at_that_moment_says_so(keyed: House) -> None:
    other = keyed.humhub.add("other.docx", OLD)
    visitor = await keyed.visitor("alice")
    keyed.humhub.before["cfiles/upload"] = lambda: setattr(other, "name", "new.docx")
    made = await keyed.storage.add(visitor, FOLDER, "new.docx", keyed.upload(NEW))
    assert (made.stray, made.guid) == (True, other.guid)


async def test_who_is_no_member_can_t_add(keyed: House) -> None:
    with pytest.raises(RefusedError):
        await keyed.storage.add(await keyed.visitor("bobby"), FOLDER, "new.docx", keyed.upload(NEW))
    assert not keyed.humhub.files


@pytest.mark.parametrize("place", [FOLDER, POST, ""])
async def test_a_file_is_deleted(keyed: House, place: str) -> None:
    visitor = await keyed.visitor("alice")
    made = await keyed.storage.add(visitor, place, "new.docx", keyed.upload(NEW))
    await keyed.storage.remove(visitor, made)
    assert not keyed.humhub.files
    with pytest.raises(NoRouteError):
        await keyed.storage.remove(visitor, made)


async def test_a_reader_can_t_delete(keyed: House) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    visitor = await keyed.visitor("carol")
    found = await keyed.storage.look(visitor, file.guid, FOLDER)
    with pytest.raises(RefusedError):
        await keyed.storage.remove(visitor, found)
    assert keyed.humhub.files.keys() == {file.guid}


# --- spelling -----------------------------------------------------------------------------------------------------


async def test_plain_addresses_work_just_as_well(keyed: House) -> None:
    keyed.humhub.pretty = False
    visitor = await keyed.visitor("alice", PLAIN)
    file = keyed.humhub.add("plan.docx", OLD)
    found = await keyed.storage.look(visitor, file.guid, PLAIN)
    stored = await keyed.storage.replace(visitor, found, keyed.upload(NEW))
    assert (stored.guid, await keyed.content(visitor, file.guid)) == (file.guid, NEW)


@pytest.mark.parametrize("pretty", [True, False])
async def test_a_file_is_read_before_anything_is_known_of_the_addresses(keyed: House, pretty: bool) -> None:
    file = keyed.humhub.add("plan.docx", OLD)
    keyed.humhub.pretty = pretty
    visitor = await keyed.visitor("alice")
    for _ in range(2):
        assert await keyed.content(visitor, file.guid) == OLD
    assert keyed.made("GET", "file/file/download") == 2


async def test_humhub_may_be_in_a_sub_directory(tmp_path: Path) -> None:
    async with house(tmp_path, base="/hub") as made:
        file = made.humhub.add("plan.docx", OLD)
        visitor = await made.visitor("alice", f"/hub{FOLDER}")
        found = await made.storage.look(visitor, file.guid, f"/hub{FOLDER}")
        stored = await made.storage.replace(visitor, found, made.upload(NEW))
        assert (stored.guid, stored.url) == (file.guid, "/hub/s/team/cfiles/browse/index?fid=1")
        assert await made.content(visitor, file.guid) == NEW
        with pytest.raises(RefusedError, match="no folder or post"):
            await made.storage.look(visitor, file.guid, FOLDER)
