"""Places in HumHub: taken from its own addresses, in each way that it spells them, and from nothing else."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.errors import BridgeError
from bridge.protocol.places import NOWHERE, Kind, Place, Routes, as_guid, parse_place, spellings

SPACE = "e903c903-c0b6-46f5-9a8f-66356e454b18"
GUID = "a60f5ed2-6497-4316-850a-294588b08b05"


@pytest.mark.parametrize(
    ("text", "base", "place"),
    [
        ("", "", NOWHERE),
        ("", "/hub", NOWHERE),
        ("/s/team/cfiles/upload?fid=1", "", Place(Kind.FOLDER, Routes(), "/s/team", 1)),
        ("/s/team/cfiles/upload/index?fid=12", "", Place(Kind.FOLDER, Routes(), "/s/team", 12)),
        ("/u/alice/cfiles/browse/index?fid=1", "", Place(Kind.FOLDER, Routes(), "/u/alice", 1)),
        ("/s/caf%C3%A9/post/post/edit?id=3", "", Place(Kind.POST, Routes(), "/s/caf%C3%A9", 3)),
        ("/hub/s/team/post/post/edit?id=3", "/hub", Place(Kind.POST, Routes("/hub"), "/s/team", 3)),
        ("/index.php/s/team/post/post/edit?id=3", "", Place(Kind.POST, Routes("/index.php"), "/s/team", 3)),
        (
            f"/index.php?r=cfiles%2Fupload&cguid={SPACE}&fid=1",
            "",
            Place(Kind.FOLDER, Routes(pretty=False), SPACE, 1),
        ),
        (
            f"/hub/index.php?r=post%2Fpost%2Fedit&id=3&cguid={SPACE}",
            "/hub",
            Place(Kind.POST, Routes("/hub", pretty=False), SPACE, 3),
        ),
    ],
)
def test_a_place_is_read(text: str, base: str, place: Place) -> None:
    assert parse_place(text, base) == place


@pytest.mark.parametrize(
    "text",
    [
        "/s/team/cfiles/upload",
        "/s/team/cfiles/upload?fid=",
        "/s/team/cfiles/upload?fid=0",
        "/s/team/cfiles/upload?fid=-1",
        "/s/team/cfiles/upload?fid=1x",
        "/s/team/cfiles/upload?fid=%D9%A1",
        "/s/team/cfiles/upload?fid=1&fid=2",
        "/s/team/cfiles/upload?fid=1&fid[]=2",
        "/s/team/cfiles/upload?fid=1&+fid=2",
        "/s/team/cfiles/upload?fid[]=1",
        "/s/team/cfiles/upload?fid=1&r=user/auth/logout",
        f"/s/team/cfiles/upload?fid=1&cguid={SPACE}",
        "/s/team/cfiles/upload?fid=1#x",
        "/s/team/cfiles/delete?fid=1",
        "/s/team/cfiles/edit/file?id=1",
        "/s/team/post/post/delete?id=3",
        "/s/team/post/post/edit?fid=3",
        "/s/team/../admin/cfiles/upload?fid=1",
        "/s/%2e%2e/cfiles/upload?fid=1",
        "/s/a%2fb/cfiles/upload?fid=1",
        "/s/a;b/cfiles/upload?fid=1",
        "/s//cfiles/upload?fid=1",
        "/s/team/x/cfiles/upload?fid=1",
        "/cfiles/upload?fid=1",
        "/admin/user/delete?id=3",
        "//evil.example/s/team/cfiles/upload?fid=1",
        "http://evil.example/s/team/cfiles/upload?fid=1",
        "s/team/cfiles/upload?fid=1",
        "/hub/s/team/cfiles/upload?fid=1",
        "/index.php?r=cfiles%2Fupload&fid=1",
        "/index.php?r=cfiles%2Fupload&cguid=1&fid=1",
        f"/index.php?r=cfiles%2Fupload&r=admin&cguid={SPACE}&fid=1",
        f"/index.php?r=admin%2Fuser&cguid={SPACE}&fid=1",
        f"/index.php?r=cfiles%2Fupload&cguid={SPACE}&fid=1&x=1",
        f"/index.php/x/?r=cfiles%2Fupload&cguid={SPACE}&fid=1",
        "/s/team/cfiles/upload?fid=1\r\nX: y",
        "/s/team/cfiles/upload?fid=1" + "&" * 2000,
    ],
)
def test_anything_else_is_no_place(text: str) -> None:
    with pytest.raises(BridgeError):
        parse_place(text, "")


@given(st.text(max_size=60) | st.from_regex(r"/s/team/cfiles/upload\?fid=1.*"))
def test_only_a_number_and_a_container_are_ever_taken_over(text: str) -> None:
    try:
        place = parse_place(text, "")
    except BridgeError:
        return
    for target in (place.upload, place.delete, place.page if place.kind is not Kind.NONE else "/"):
        parts = urlsplit(target)
        assert not parts.netloc
        assert parts.path.startswith(("/s/", "/u/", "/file/file/", "/index.php", "/"))
        assert ".." not in parts.path


@given(
    st.sampled_from(["/s/team", "/u/alice", "/s/caf%C3%A9"]),
    st.integers(min_value=1, max_value=9_999_999_999),
    st.sampled_from(["", "/hub", "/a/b"]),
    st.sampled_from([Kind.FOLDER, Kind.POST]),
)
def test_a_place_that_is_written_is_read_again(container: str, number: int, base: str, kind: Kind) -> None:
    for routes in spellings(base):
        place = Place(kind, routes, container if routes.pretty else SPACE, number)
        assert parse_place(place.page, base) == place
        assert parse_place(place.upload if kind is Kind.FOLDER else place.form, base) == place


@pytest.mark.parametrize(
    ("routes", "targets"),
    [
        (
            Routes("/hub"),
            [
                f"/hub/file/file/download?guid={GUID}",
                "/hub/s/team/cfiles/upload?fid=1",
                "/hub/s/team/cfiles/delete?fid=1",
                "/hub/s/team/cfiles/edit/file?id=file_5",
                "/hub/s/team/cfiles/browse/index?fid=1",
            ],
        ),
        (
            Routes(pretty=False),
            [
                f"/index.php?r=file%2Ffile%2Fdownload&guid={GUID}",
                f"/index.php?r=cfiles%2Fupload&cguid={SPACE}&fid=1",
                f"/index.php?r=cfiles%2Fdelete&cguid={SPACE}&fid=1",
                f"/index.php?r=cfiles%2Fedit%2Ffile&cguid={SPACE}&id=file_5",
                f"/index.php?r=cfiles%2Fbrowse%2Findex&cguid={SPACE}&fid=1",
            ],
        ),
    ],
    ids=["pretty", "plain"],
)
def test_the_routes_beside_a_folder_are_spelt_alike(routes: Routes, targets: list[str]) -> None:
    folder = Place(Kind.FOLDER, routes, "/s/team" if routes.pretty else SPACE, 1)
    assert [routes.file(GUID), folder.upload, folder.delete, folder.edit(5), folder.page] == targets


def test_a_post_s_files_are_uploaded_for_it() -> None:
    post = Place(Kind.POST, Routes(), "/s/team", 3)
    asked = urlsplit(post.upload)
    assert asked.path == "/file/file/upload"
    assert parse_qs(asked.query) == {"objectModel": [r"humhub\modules\post\models\Post"], "objectId": ["3"]}
    assert (post.form, post.delete) == ("/s/team/post/post/edit?id=3", "/file/file/delete")
    assert (NOWHERE.upload, NOWHERE.delete) == ("/file/file/upload", "/file/file/delete")


@pytest.mark.parametrize("text", ["", "1", GUID[:-1], GUID + "0", GUID + "\n", f"{GUID}&x=1", "../" + GUID])
def test_what_is_no_guid_is_refused(text: str) -> None:
    with pytest.raises(BridgeError):
        as_guid(text)


def test_a_guid_is_spelt_as_humhub_does() -> None:
    assert as_guid(GUID.upper()) == GUID
