"""The judge sees what it is there for: made-up rows of bodies and of what HumHub stored, each with one thing wrong."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest

from tests.crash.judge import File, Stored, weigh
from tests.crash.retold import decisive


def body(*marks: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("word/document.xml", "".join(f"<w:t>«{mark}»</w:t>" for mark in marks))
    return out.getvalue()


FIRST, SECOND, THIRD = body("1"), body("1", "2"), body("1", "2", "3")
FORKED = body("1", "3")


def stored(*bodies: bytes, halved: tuple[int, ...] = ()) -> list[Stored]:
    return [Stored(float(at), hashlib.sha256(one).hexdigest(), at in halved) for at, one in enumerate(bodies)]


@pytest.mark.parametrize(
    ("bodies", "deliveries", "content", "said"),
    [
        ([FIRST, SECOND], stored(FIRST, SECOND), SECOND, None),
        ([FIRST, SECOND, THIRD], stored(FIRST, THIRD), THIRD, None),
        ([FIRST, SECOND], stored(FIRST, FIRST, SECOND, SECOND), SECOND, None),
        ([FIRST, SECOND], stored(FIRST, SECOND[:9], SECOND, halved=(1,)), SECOND, None),
        ([FIRST, SECOND], stored(FIRST), FIRST, "body 1 .* was never stored"),
        ([FIRST, SECOND], stored(FIRST, SECOND, FIRST), FIRST, "doesn't hold the newest"),
        ([FIRST, SECOND], stored(SECOND, FIRST, SECOND), SECOND, "stored body 0 over body 1"),
        ([FIRST, SECOND], stored(FIRST, SECOND, b"<html>", SECOND), SECOND, "stored what no body is"),
        ([FIRST, SECOND], stored(SECOND), SECOND[:9], "doesn't hold the newest"),
        ([FIRST, SECOND, FORKED], stored(FIRST, SECOND, FORKED), FORKED, "body 2 lacks .* 2"),
    ],
    ids=[
        "all well",
        "superseded",
        "delivered again",
        "half, then whole",
        "never stored",
        "older at the end",
        "older over newer",
        "an error page",
        "half at the end",
        "begun from older content",
    ],
)
def test_what_is_wrong_is_said(bodies: list[bytes], deliveries: list[Stored], content: bytes, said: str | None) -> None:
    file = File("Minutes")
    for one in bodies:
        file.add(one)
    file.stored = deliveries
    verdict = weigh(file, content)
    if said is None:
        assert verdict.faults == []
    else:
        with pytest.raises(AssertionError, match=said):
            raise AssertionError("; ".join(verdict.faults))


def test_of_a_long_story_the_lines_are_given_that_lead_to_where_something_older_was_stored() -> None:
    older = "HumHub stores the 6 for k as guid.9, 960 bytes: body 7, which is older than body 8"
    story = [f"a{number}" for number in range(100)] + ["bridge 1 step listed", older] + ["b"] * 100
    assert decisive(story) == [*(f"a{number}" for number in range(61, 100)), older, *("b" * 5)]


def test_of_a_story_with_another_fault_the_last_lines_are_given() -> None:
    assert decisive([f"a{number}" for number in range(100)]) == [f"a{number}" for number in range(60, 100)]
    assert decisive([]) == []
