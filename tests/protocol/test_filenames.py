"""Names of files: spelt, compared and made free as HumHub does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.protocol.filenames import are_alike, cleaned, disposed_name, free_name, is_made_of


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="report.docx"', "report.docx"),
        ("attachment; filename=\"Pl_n.docx\"; filename*=utf-8''Pl%C3%A4n.docx", "Plän.docx"),
        ("inline; filename*=UTF-8''a%20b.pdf", "a b.pdf"),
        (r'attachment; filename="a\"b\\c.docx"', r'a"b\c.docx'),
        ("attachment; filename=plain.docx", "plain.docx"),
        ("attachment", ""),
        ("", ""),
    ],
)
def test_a_file_s_name_is_read_of_its_disposition(header: str, name: str) -> None:
    assert disposed_name(header) == name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("Report.DOCX", "Report.docx"),
        ('a/b\\c:d*e?f"g<h>i|j{k}l[m]n.docx', "a_b_c_d_e_f_g_h_i_j_k_l_m_n.docx"),
        ("a\r\nb\x00.docx", "a__b_.docx"),
        (" Plan .docx ", "Plan .docx"),
        ("README", "README"),
        (".Hidden", ".hidden"),
        ("", "_"),
        (" ", "_"),
    ],
)
def test_a_name_is_spelt_as_it_will_be_stored(name: str, stored: str) -> None:
    assert cleaned(name) == stored
    assert cleaned(stored) == stored


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Plan.docx", "plan.DOCX", True),
        ("Plän.docx", "plan.docx", True),
        ("Pla\u0308n.docx", "Plän.docx", True),
        ("plan.docx  ", "plan.docx", True),
        ("Straße", "STRASSE", True),
        ("Straße", "strase", True),
        ("pass.docx", "pas.docx", False),
        ("😀.docx", "😁.docx", True),
        ("plan.docx", "plan.xlsx", False),
        ("plan.docx", "plan 2.docx", False),
    ],
)
def test_names_that_the_database_may_take_for_one_are_alike(one: str, other: str, alike: bool) -> None:
    assert are_alike(one, other) is are_alike(other, one) is alike


@pytest.mark.parametrize(
    ("name", "taken", "free"),
    [
        ("plan.docx", [], "plan.docx"),
        ("plan.docx", ["PLÄN.docx"], "plan (2).docx"),
        ("plan.docx", ["plan.docx", "plan (2).docx"], "plan (3).docx"),
        ("README", ["readme"], "README (2)"),
        (".hidden", [".hidden"], ".hidden (2)"),
    ],
)
def test_a_free_name_is_much_like_the_wanted_one(name: str, taken: list[str], free: str) -> None:
    assert free_name(name, taken) == free


@given(st.text(max_size=30), st.lists(st.text(max_size=30), max_size=5))
def test_a_free_name_is_like_none_that_is_taken(name: str, taken: list[str]) -> None:
    taken = [*taken, name]
    free = free_name(name, taken)
    assert not any(are_alike(free, other) for other in taken)
    assert cleaned(free) == free
    assert is_made_of(free, cleaned(name))


@pytest.mark.parametrize("name", ["plan (2).docx.docx", "plan (x).docx", "plan2.docx", "other.docx"])
def test_another_name_is_not_made_of_it(name: str) -> None:
    assert not is_made_of(name, "plan.docx")
