"""The editors' configuration, beside those that the official module was recorded to send; modes, devices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.connector.configuration import Chosen, Device, Mode, Opened, configuration, device_for, mode_for, mode_of
from bridge.connector.menu import offers
from bridge.connector.storage import Visitor
from bridge.connector.words import words
from bridge.protocol.errors import BadRequestError
from bridge.protocol.formats import Format, all_formats, by_name
from bridge.protocol.keys import is_key

PAGES: list[dict[str, str]] = json.loads((Path(__file__).parents[1] / "data/editor/pages.json").read_text())
RECORDED: dict[str, dict[str, Any]] = {page["name"]: json.loads(page["config"]) for page in PAGES}


def format_of(name: str) -> Format:
    found = by_name(name)
    assert found is not None
    return found


ADA = Visitor(id="752cee76-b14d-4682-950b-12d7ea2b6d51", name="Sys Admin", language="en-US")
OPENED = Opened(
    key="a28961c0398d3d54d007",
    url="http://docs-leg/document",
    callback_url="http://docs-leg/save",
    title="report.docx",
    format=format_of("docx"),
    visitor=ADA,
    mode=Mode.EDIT,
    back="https://social.example.com/s/x/cfiles/browse?fid=1",
)


def config_of(opened: Opened, language: str = "en") -> dict[str, Any]:
    return configuration(opened, words(language))


def fields(config: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from fields(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


# What the module says and the connector doesn't: what is the default, or is said in the place that replaced it.
MODULE_ONLY = {
    "document.info.author": "the API's name is owner",
    "document.info.created": "the API's name is uploaded",
    "editorConfig.actionLink": "links into a document are the module's own",
    "editorConfig.customization.chat": "since 7.1 document.permissions.chat",
    "editorConfig.customization.compactHeader": "false is the default",
    "editorConfig.customization.compactToolbar": "false is the default",
    "editorConfig.customization.help": "true is the default",
    "token": "the caller signs",
}
# What the connector says and the module doesn't.
CONNECTOR_ONLY = {
    "document.permissions.review",
    "document.permissions.comment",
    "document.permissions.protect",
    "document.permissions.download",
    "document.permissions.print",
    "document.permissions.copy",
    "document.permissions.chat",
    "editorConfig.region",
    "editorConfig.customization.close.visible",
    "editorConfig.customization.close.text",
    "editorConfig.customization.anonymous.request",
    "editorConfig.customization.goback.url",
    "editorConfig.customization.goback.text",
    "editorConfig.customization.goback.blank",
}
# What both say, and not alike.
DIFFERENT = {
    "editorConfig.lang": "the API takes two letters",
    "editorConfig.customization.forcesave": "an admin's setting of the module",
    "editorConfig.customization.feedback": "an admin's setting of the module",
}


@pytest.mark.parametrize(
    ("recorded", "mode"),
    [("10-open-ajax-edit-admin", Mode.EDIT), ("10-open-ajax-view-admin", Mode.VIEW), ("10-open-ajax-fill", Mode.FILL)],
)
def test_the_configuration_is_the_modules_but_for_the_listed_differences(recorded: str, mode: Mode) -> None:
    theirs = dict(fields(RECORDED[recorded]))
    document = RECORDED[recorded]["document"]
    opened = replace(
        OPENED,
        key=document["key"],
        title=document["title"],
        url=document["url"],
        callback_url=RECORDED[recorded]["editorConfig"]["callbackUrl"],
        mode=mode,
    )
    ours = dict(fields(config_of(opened)))
    ours.pop("document.info")
    assert theirs.keys() - ours.keys() == MODULE_ONLY.keys()
    assert ours.keys() - theirs.keys() == CONNECTOR_ONLY
    different = {name for name in theirs.keys() & ours.keys() if theirs[name] != ours[name]}
    # A viewer's Save button stores nothing, and so the module's setting is said there, too.
    assert different == DIFFERENT.keys() - ({"editorConfig.customization.forcesave"} if mode is Mode.VIEW else set())


@pytest.mark.parametrize("recorded", RECORDED)
def test_every_recorded_type_of_editor_is_the_formats(recorded: str) -> None:
    found = by_name(RECORDED[recorded]["document"]["fileType"])
    assert found is not None
    assert found.type == RECORDED[recorded]["documentType"]


# mode, may edit, device: (mode that is sent, edit, fillForms, review and comment)
PERMISSIONS = {
    (Mode.EDIT, True, Device.DESKTOP): ("edit", True, False, True),
    (Mode.EDIT, True, Device.MOBILE): ("edit", True, False, True),
    (Mode.EDIT, True, Device.EMBEDDED): ("view", False, False, False),
    (Mode.FILL, True, Device.DESKTOP): ("edit", False, True, False),
    (Mode.FILL, True, Device.EMBEDDED): ("view", False, False, False),
    (Mode.VIEW, True, Device.DESKTOP): ("view", True, False, True),
    (Mode.VIEW, False, Device.DESKTOP): ("view", False, False, False),
    (Mode.VIEW, True, Device.EMBEDDED): ("view", False, False, False),
}


@pytest.mark.parametrize(("mode", "may_edit", "device"), PERMISSIONS)
def test_permissions_give_no_more_than_the_mode(mode: Mode, may_edit: bool, device: Device) -> None:
    config = config_of(replace(OPENED, mode=mode, may_edit=may_edit, device=device))
    rights = config["document"]["permissions"]
    sent, edit, fill, review = PERMISSIONS[mode, may_edit, device]
    assert config["type"] == device
    assert config["editorConfig"]["mode"] == sent
    assert (rights["edit"], rights["fillForms"], rights["review"], rights["comment"]) == (edit, fill, review, review)
    assert rights["download"]
    assert rights["print"]
    assert rights["copy"]
    assert config["editorConfig"]["customization"]["forcesave"] is (sent == "edit")


def test_a_filled_form_stays_fillable() -> None:
    """Source: ONLYOFFICE API, permissions: with comment, fillForms is not considered."""
    rights = config_of(replace(OPENED, mode=Mode.FILL))["document"]["permissions"]
    assert [name for name in ("edit", "review", "comment", "fillForms") if rights[name]] == ["fillForms"]


@pytest.mark.parametrize(
    ("language", "lang", "region"),
    [
        ("de", "de", "de-DE"),
        ("en-US", "en", "en-US"),
        ("pt", "pt-PT", "pt-PT"),
        ("pt-BR", "pt", "pt-BR"),
        ("", "en", "en-US"),
    ],
)
def test_the_editor_speaks_the_visitors_language(language: str, lang: str, region: str) -> None:
    editor = config_of(replace(OPENED, visitor=replace(ADA, language=language)))["editorConfig"]
    assert (editor["lang"], editor["region"]) == (lang, region)


def test_the_buttons_are_in_the_words_of_the_page() -> None:
    custom = config_of(OPENED, "de")["editorConfig"]["customization"]
    assert custom["close"]["text"] == "Schließen"
    assert custom["goback"]["text"] == "Speicherort öffnen"


def test_the_way_back_opens_a_window_of_its_own_only_from_a_frame() -> None:
    def goback(**changes: Any) -> Any:
        return config_of(replace(OPENED, **changes))["editorConfig"]["customization"].get("goback")

    assert goback()["blank"] is False
    assert goback(framed=True)["blank"] is True
    assert goback(back="") is None


def test_a_phone_shows_at_once_what_was_asked_for() -> None:
    def forced(**changes: Any) -> Any:
        return config_of(replace(OPENED, **changes))["editorConfig"]["customization"].get("mobile")

    assert forced(device=Device.MOBILE) == {"forceView": False}
    assert forced(device=Device.MOBILE, mode=Mode.VIEW) is None
    assert forced() is None


def test_an_embedded_viewer_has_the_links_that_there_are() -> None:
    embedded = replace(OPENED, mode=Mode.VIEW, device=Device.EMBEDDED, save_url="/file/file/download?guid=a")
    assert config_of(embedded)["editorConfig"]["embedded"] == {
        "saveUrl": "/file/file/download?guid=a",
        "toolbarDocked": "top",
    }
    assert "embedded" not in config_of(OPENED)["editorConfig"]


def test_somebody_is_named_with_a_picture_and_nobody_by_nothing() -> None:
    pictured = config_of(replace(OPENED, visitor=replace(ADA, image="/uploads/ada.jpg")))
    assert pictured["editorConfig"]["user"] == {"id": ADA.id, "name": "Sys Admin", "image": "/uploads/ada.jpg"}
    guest = config_of(replace(OPENED, visitor=Visitor(id="", name="Guest")))
    assert guest["editorConfig"]["user"] == {"name": "Guest"}


def test_what_is_too_long_for_the_api_is_shortened_and_keeps_its_extension() -> None:
    long = config_of(replace(OPENED, title="x" * 300 + ".docx", visitor=replace(ADA, name="n" * 300, id="i" * 300)))
    assert len(long["document"]["title"]) == len(long["editorConfig"]["user"]["name"]) == 128
    assert long["document"]["title"].endswith("x….docx")
    assert len(long["editorConfig"]["user"]["id"]) == 128


@pytest.mark.parametrize(("known", "said"), [(True, True), (False, False), (None, None)])
def test_only_of_a_pdf_it_is_said_whether_it_is_a_form(known: bool | None, said: bool | None) -> None:
    pdf = config_of(replace(OPENED, format=format_of("pdf"), is_form=known))
    assert pdf["documentType"] == "pdf"
    assert pdf["document"].get("isForm") is said
    assert "isForm" not in config_of(replace(OPENED, is_form=known))["document"]


def test_what_is_known_of_the_file_is_said_and_nothing_else() -> None:
    known = replace(OPENED, owner="Ada", folder="Plans", uploaded="2026-11-24")
    assert config_of(known)["document"]["info"] == {"owner": "Ada", "folder": "Plans", "uploaded": "2026-11-24"}
    assert config_of(OPENED)["document"]["info"] == {}
    assert is_key(config_of(OPENED)["document"]["key"])


READER = "You may view this document, but not change it."
CONVERT = "A document of this format is not edited as it is: convert it first."
NOTHING = "A document of this format has nothing to fill in."
ONLY = "A document of this format can only be viewed."

# format, wanted, may write, formats edited with a loss: what comes of it
MODES = {
    ("docx", Mode.EDIT, True, ()): Chosen(Mode.EDIT),
    ("docx", Mode.EDIT, False, ()): Chosen(Mode.VIEW, READER),
    ("docx", Mode.VIEW, True, ()): Chosen(Mode.VIEW),
    ("docx", Mode.VIEW, False, ()): Chosen(Mode.VIEW),
    ("docx", Mode.FILL, True, ()): Chosen(Mode.VIEW, NOTHING),
    ("odt", Mode.EDIT, True, ()): Chosen(Mode.VIEW, CONVERT),
    ("odt", Mode.EDIT, True, ("odt",)): Chosen(Mode.EDIT),
    ("odt", Mode.EDIT, True, ("csv",)): Chosen(Mode.VIEW, CONVERT),
    ("odt", Mode.EDIT, False, ("odt",)): Chosen(Mode.VIEW, READER),
    ("csv", Mode.EDIT, True, ("csv",)): Chosen(Mode.EDIT),
    ("doc", Mode.EDIT, True, ("doc",)): Chosen(Mode.VIEW, CONVERT),
    ("vsdx", Mode.EDIT, True, ("vsdx",)): Chosen(Mode.VIEW, ONLY),
    ("pdf", Mode.FILL, True, ()): Chosen(Mode.FILL),
    ("pdf", Mode.FILL, False, ()): Chosen(Mode.VIEW, READER),
    ("pdf", Mode.EDIT, True, ()): Chosen(Mode.EDIT),
    ("oform", Mode.EDIT, True, ()): Chosen(Mode.EDIT),
}


@pytest.mark.parametrize(("name", "wanted", "may_write", "lossy"), MODES)
def test_a_document_opens_for_no_more_than_is_asked_possible_and_allowed(
    name: str, wanted: Mode, may_write: bool, lossy: tuple[str, ...]
) -> None:
    chosen = mode_for(format_of(name), wanted, may_write=may_write, lossy=lossy)
    assert chosen == MODES[name, wanted, may_write, lossy]
    if chosen.why:
        assert words("de")(chosen.why) != chosen.why, "it is said in German, too"


@pytest.mark.parametrize("lossy", [(), ("odt", "csv", "txt", "html")])
def test_the_menu_offers_what_opens_so(lossy: tuple[str, ...]) -> None:
    for one in all_formats():
        for mode in (Mode.EDIT, Mode.FILL):
            opens = mode_for(one, mode, may_write=True, lossy=lossy).mode is mode
            assert (mode.value in offers(one, lossy)) is opens, (one.name, mode)
        assert mode_for(one, Mode.EDIT, may_write=False, lossy=lossy).mode is Mode.VIEW


@pytest.mark.parametrize("text", ["edit", "fill", "view"])
def test_a_mode_is_read_by_its_name(text: str) -> None:
    assert mode_of(text) == text


@pytest.mark.parametrize("text", ["", "EDIT", "owner", "x" * 300])
def test_another_mode_is_refused_and_the_modes_are_named(text: str) -> None:
    with pytest.raises(BadRequestError, match=re.escape("edit, fill, view")):
        mode_of(text)


# Of today's browsers.
AGENTS = {
    "Mozilla/5.0 (X11; Linux x86_64) rig": Device.DESKTOP,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36": Device.DESKTOP,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15": Device.DESKTOP,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148": Device.MOBILE,
    "Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148": Device.MOBILE,
    "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36": Device.MOBILE,
    "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 Chrome/120.0 Safari/537.36": Device.MOBILE,
    "Mozilla/5.0 (Android 13; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0": Device.MOBILE,
    "Mozilla/5.0 (X11; Linux armv7l) AppleWebKit/537.36 Silk/47.1 Kindle": Device.MOBILE,
    "": Device.DESKTOP,
}


@pytest.mark.parametrize("agent", AGENTS)
def test_phones_and_tablets_get_the_mobile_editor(agent: str) -> None:
    assert device_for(agent) is AGENTS[agent]
    assert device_for(agent, "embedded") is Device.EMBEDDED
    assert device_for(agent, "desktop") is Device.DESKTOP


def test_a_look_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadRequestError, match="desktop, mobile, embedded"):
        device_for("", "wall")
