"""HumHub's pages: read for what its own scripts read of them; the recorded ones where they are there."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from bridge.connector.humhub.pages import (
    Listed,
    etag_of,
    file_name,
    folder_listing,
    leads_to_login,
    person,
    post_listing,
    rest_file,
    said,
)

RECORDED = Path(os.environ.get("BRIDGE_RECORDINGS") or "/nowhere") / "humhub"
needs_recordings = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not here: $BRIDGE_RECORDINGS")
GUID = "f8c3fdec-049d-4e02-863e-5adbd9c7793a"
MIME = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def body(name: str) -> str:
    """Give the body of a recorded answer."""
    answer: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text())["response"]
    found = answer["body"]
    return (RECORDED / found["file"]).read_text() if isinstance(found, dict) else str(found)


# --- who ----------------------------------------------------------------------------------------------------------


@needs_recordings
@pytest.mark.parametrize(
    "name",
    ["8nomod-dashboard", "8nomod-cfiles-browse", "8nomod-post-view", "8nomod-space-page", "12-idx-login-dashboard"],
)
def test_a_recorded_page_says_whose_it_is(name: str) -> None:
    found = person(body(name))
    assert found is not None
    assert (found.number, found.name, found.language, found.image) == (
        1,
        "Sys Admin",
        "en-US",
        "/static/img/default_user.jpg",
    )
    assert found.id == "752cee76-b14d-4682-950b-12d7ea2b6d51"
    assert len(found.token) == 88


@needs_recordings
@pytest.mark.parametrize(
    "name", ["01-login-page", "22-fdl-guest", "8nomod-post-edit", "22-fileview", "94-cfiles-edit-admin"]
)
def test_a_recorded_page_of_a_guest_and_a_part_of_a_page_say_nobody(name: str) -> None:
    assert person(body(name)) is None


@pytest.mark.parametrize(
    "page",
    [
        "",
        "humhub.config.set(",
        'humhub.config.set("user", {});',
        'humhub.config.set({"user":{"isGuest":true,"locale":"en"}})',
        'humhub.config.set({"user":{"id":1,"guid":"x"}})',
        'humhub.config.set({"user":{"id":"1","guid":"x","isGuest":false}})',
        'humhub.config.set({"user":[]})',
        "humhub.config.set(" + "[" * 100_000,
    ],
)
def test_what_says_nobody(page: str) -> None:
    assert person(page) is None


def test_a_person_s_configuration_may_stand_in_any_of_several_scripts() -> None:
    user = {"id": 2, "guid": GUID, "text": "Alice <O'Brien> & Co", "isGuest": False, "image": None, "locale": "de"}
    config = json.dumps({"user": user}).replace("<", "\\u003C")
    page = f"""<meta content='t&amp;1' name="csrf-token"><script>humhub.config.set({{"live":1}});
        humhub.config.set(odd); humhub.config.set({config})</script>"""
    found = person(page)
    assert found is not None
    assert (found.name, found.language, found.image, found.token) == ("Alice <O'Brien> & Co", "de", "", "t&1")


# --- files --------------------------------------------------------------------------------------------------------


@needs_recordings
def test_recorded_folders_list_their_files() -> None:
    manager = folder_listing(body("8nomod-cfiles-browse")).files
    assert [(file.item, file.name, file.mime, file.may_change) for file in manager] == [
        (1, "plan-1795490620.docx", MIME, True),
        (2, "rest-1795490681.docx", MIME, True),
    ]
    assert (manager[0].guid, manager[0].sha1) == (GUID, "c7353d16")
    reader = folder_listing(json.loads(body("60-cfiles-upload-carol"))["fileList"]).files
    assert reader == (Listed(GUID, "plan-1795490620.docx", "", item=1, may_change=False),)


@needs_recordings
def test_a_recorded_post_lists_its_files() -> None:
    listing = post_listing(body("8nomod-post-edit"))
    assert [(file.name, file.size, file.sha1) for file in listing.files] == [
        ("report.docx", 7726, "92b96d72"),
        ("extra.docx", 7726, "92b96d72"),
        ("report.docx", 7726, "92b96d72"),
    ]
    assert len(listing.token) == 88


@needs_recordings
def test_a_recorded_form_has_the_file_s_name() -> None:
    found = file_name(body("94-cfiles-edit-admin"))
    assert found is not None
    assert (found[0], len(found[1])) == ("plan-1795490620.docx", 88)
    assert file_name(body("8nomod-post-edit")) is None


@needs_recordings
def test_recorded_answers_of_the_rest_module_name_files() -> None:
    row = json.loads(body("72-rest-files"))["results"][0]
    size, url = 7736, "c7353d16"
    expected = Listed(GUID, "plan-1795490620.docx", MIME, item=1, number=40, size=size, sha1=url)
    assert rest_file(row["content"]["files"][0], item=row["id"]) == expected
    files = [rest_file(file) for file in json.loads(body("74-rest-post"))["content"]["files"]]
    assert [file.number for file in files if file is not None] == [3, 42]


@needs_recordings
def test_the_recorded_etag_is_of_the_content() -> None:
    headers = dict(json.loads((RECORDED / "22-fdl.json").read_text())["response"]["headers"])
    content = (RECORDED / "22-fdl.resp.bin").read_bytes()
    assert headers["Etag"] == f'"{etag_of(hashlib.md5(content, usedforsecurity=False).hexdigest())}"'


def test_rows_of_a_folder_are_read_by_their_attributes() -> None:
    markup = f"""
        <tr data-cfiles-item="folder_2" data-cfiles-url="/s/x/cfiles/browse?fid=2"><td><a href="#">Sub</a></td></tr>
        <tr data-cfiles-item="baseFile_4" data-cfiles-url="/x/{GUID}"><td><a class="tt">of a post</a></td></tr>
        <tr data-cfiles-item="file_5" data-cfiles-editable data-cfiles-url="/index.php?r=cfiles%2Fdownload&amp;cguid=1&amp;guid={GUID}">
          <td><input></td><td><a class="link">A &amp; <b>B</b>.docx</a> <a href="/u/alice">Alice</a></td></tr>
        <tr><td><a>no file</a></td></tr>
        <tr data-cfiles-item="file_6"><td><a data-file-name="no guid">x</a></td></tr>
        <tr data-cfiles-item="file_7" data-cfiles-url="/s/x/cfiles/download/{GUID}"><td><a"""
    assert folder_listing(markup).files == (Listed(GUID, "A & B.docx", item=5, may_change=True),)


@pytest.mark.parametrize("shown", ["", "[", "{}", "[1]", '[{"guid":1}]', "null"])
def test_a_post_without_files_is_listed(shown: str) -> None:
    assert post_listing(f"<div data-ui-widget='file.Preview' data-ui-init='{shown}'></div>").files == ()


@pytest.mark.parametrize("row", [None, 1, {}, {"guid": 1}, []])
def test_what_is_no_file_of_the_rest_module(row: object) -> None:
    assert rest_file(row) is None


# --- answers ------------------------------------------------------------------------------------------------------


@needs_recordings
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("90-upload-toobig", 'The file "big.docx" is too big. Its size cannot exceed 2.097 MB.'),
        ("95-cfiles-toobig", 'The file "renamed-1795491193.docx" is too big. Its size cannot exceed 2.097 MB.'),
        ("90-upload-nocsrf", "Unable to verify your data submission."),
        ("60-cfiles-upload-bobby", "You are not permitted to access this section."),
        ("91-delete-carol", "Insufficient permissions!"),
        ("73-rest-cfiles-upload-member", "You cannot upload files into this folder!"),
        ("90-upload-guest", ""),
        ("90-upload-ok", ""),
        ("22-fdl-guest", ""),
    ],
)
def test_recorded_answers_say_what_is_wrong(name: str, text: str) -> None:
    assert said(body(name).encode()) == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b"[]", ""),
        (b'{"files":[]}', ""),
        (b'{"files":[{"error":true,"errors":"As one text."}]}', "As one text."),
        (b'{"code":422,"message":"File x!","errors":{"file_name":["Too long.","Odd."]}}', "Too long. Odd."),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 300),
    ],
)
def test_what_is_said_is_found_in_each_shape(raw: bytes, text: str) -> None:
    assert said(raw) == text


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("http://humhub.test/user/auth/login", True),
        ("/hub/user/auth/login", True),
        ("/index.php?r=user%2Fauth%2Flogin", True),
        ("https://humhub.test/", False),
        ("/user/auth/logout", False),
        ("/dashboard?next=/user/auth/login", False),
        ("", False),
    ],
)
def test_a_redirect_to_the_login_is_one(location: str, leads: bool) -> None:
    assert leads_to_login(location) is leads
