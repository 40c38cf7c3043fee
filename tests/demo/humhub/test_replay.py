"""Recorded requests to the real HumHub are sent to the small one, and its answers compared with the recorded ones.

Where `BRIDGE_RECORDINGS` names the complete set, the data that stands for it is checked against it too.
"""

from __future__ import annotations

import collections
import difflib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.demo.humhub import SmallHumHub
from tests.demo.humhub.condensed import Exchange, exchanges, read_complete, reason_not
from tests.demo.humhub.replaying import Player, condensed_reply, dress_up, settle, who
from tests.demo.humhub.rig import Browser, Upstream

COMPLETE = Path(os.environ.get("BRIDGE_RECORDINGS", "/nowhere")) / "humhub"
REPLAYED = [exchange for exchange in exchanges() if "request" in exchange]


def diff(got: Any, want: Any, path: str = "") -> list[str]:
    """List where two answers differ, shortly."""
    if isinstance(got, dict) and isinstance(want, dict):
        names = sorted(set(got) | set(want))
        return [line for name in names for line in diff(got.get(name), want.get(name), f"{path}/{name}")]
    if path.endswith("/hooks") and isinstance(got, list) and isinstance(want, list):
        wanted, shown = ([json.dumps(row, sort_keys=True) for row in rows] for rows in (want, got))
        lines = difflib.ndiff(wanted, shown)
        return [f"{path}: {line}" for line in lines if line[0] in "+-"]
    if path.endswith("headers") and isinstance(got, list):
        extra = [f"{path}: has {row}" for row in _more(got, want)]
        return extra + [f"{path}: lacks {row}" for row in _more(want, got)]
    if isinstance(got, list) and isinstance(want, list) and len(got) == len(want) and got != want:
        pairs = enumerate(zip(got, want, strict=True))
        return [line for number, (one, other) in pairs for line in diff(one, other, f"{path}/{number}")]
    return [] if got == want else [f"{path}: {got!r} for {want!r}"]


def _more(rows: list[Any], than: list[Any]) -> list[Any]:
    counted = collections.Counter(map(tuple, rows))
    counted.subtract(map(tuple, than))
    return [row for row, times in counted.items() for _ in range(times)]


@pytest.mark.parametrize("exchange", REPLAYED, ids=lambda exchange: str(exchange["name"]))
async def test_answer_agrees_with_the_recorded_one(
    exchange: Exchange,
    hub: SmallHumHub,
    upstream: Upstream,
    browser: Callable[[str | None], Browser],
) -> None:
    dress_up(hub, upstream, exchange)
    client = browser(who(exchange))
    if not exchange["name"].startswith("12-idx"):
        client.session.nonce = "bm9uY2U="
    if "followed" in exchange["name"]:
        client.session.open_after = exchange["response"]["body"]["opens"][0]
    reply = await Player(hub, upstream, client, exchange).play()
    got = settle(condensed_reply(reply, exchange, upstream), exchange)
    want = settle(exchange["response"], exchange)
    differences = diff(got, want)
    assert not differences, "\n".join(differences)


def test_each_recording_is_replayed_or_has_a_reason() -> None:
    found = exchanges()
    counted = collections.Counter("replayed" if "request" in one else reason_not(one["name"]) for one in found)
    print(*(f"{count:4} {what}" for what, count in counted.most_common()), sep="\n")  # noqa: T201  # shown by -rA
    assert None not in counted
    assert counted["replayed"] == len(REPLAYED)
    assert counted.total() == len(found) == 231


@pytest.mark.skipif(not COMPLETE.exists(), reason="BRIDGE_RECORDINGS names no recordings")
def test_data_is_what_was_recorded() -> None:
    assert json.loads(json.dumps(read_complete(COMPLETE))) == exchanges()
