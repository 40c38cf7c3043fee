"""Kill the bridge a thousand times, HumHub and Docs as well, and see that no edit is lost: `python -m tests.crash`.

Delivery is at least once with the same content: HumHub may be told of a save again, and stores the same bytes again.
What must never be is that it ends without the newest body, or that an older one replaces a newer.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

from bridge.saves.steps import Step
from tests.crash.retold import decisive
from tests.crash.story import Outcome, told

_KILLS_A_STORY = 20


def main() -> int:
    """Tell stories until the bridge was killed often enough; say what came of them."""
    wanted = _arguments()
    began = time.monotonic()
    outcomes: list[Outcome] = []
    for outcome in _outcomes(wanted):
        outcomes.append(outcome)
        print(_line(outcome), flush=True)  # noqa: T201 - a command prints
        if outcome.faults:
            print("\n".join(outcome.story))  # noqa: T201
    print(_table(outcomes, time.monotonic() - began))  # noqa: T201
    # At the very end: often nothing else is kept of what a command says.
    faulty = [outcome for outcome in outcomes if outcome.faults]
    for outcome in faulty:
        print(_case(outcome))  # noqa: T201
    return 1 if faulty else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="how often the bridge is killed")
    parser.add_argument("--seed", type=int, help="tell only the story of this seed")
    parser.add_argument("--from", dest="first", type=int, help="the first seed; any where it isn't given")
    parser.add_argument("--workers", type=int, default=3, help="how many stories are told at once")
    return parser.parse_args()


def _outcomes(wanted: argparse.Namespace) -> Iterator[Outcome]:
    """Give outcomes as they come; after a story with a fault no new one begins."""
    if wanted.seed is not None:
        yield told(wanted.seed, _KILLS_A_STORY)
        return
    first = wanted.first if wanted.first is not None else random.SystemRandom().randrange(1_000_000)
    number = -(-wanted.kills // _KILLS_A_STORY)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(wanted.workers, mp_context=context) as pool:
        pending = {pool.submit(told, first + index, _KILLS_A_STORY) for index in range(number)}
        while pending:
            done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if future.result().faults:
                    pending = {one for one in pending if not one.cancel()}


def _line(outcome: Outcome) -> str:
    said = "; ".join(outcome.faults) if outcome.faults else "all edits are there"
    kills = sum(outcome.kills.values())
    return (
        f"seed {outcome.seed}: {kills} kills, {outcome.counts['unique bodies']} bodies, {outcome.seconds:.1f} s: {said}"
    )


def _case(outcome: Outcome) -> str:
    """Say what is wrong with a story, and what led to it."""
    said = "\n  ".join([f"\nIn the story of seed {outcome.seed}:", *outcome.faults])
    led = "\n".join(decisive(outcome.story))
    return f"{said}\n\n{led}\n\nMuch like it again: python -m tests.crash --seed {outcome.seed}"


def _table(outcomes: list[Outcome], seconds: float) -> str:
    kills: Counter[Step | None] = Counter()
    steps: Counter[Step] = Counter()
    counts: Counter[str] = Counter({"lost": 0, "older over newer": 0})
    for outcome in outcomes:
        kills.update(outcome.kills)
        steps.update(outcome.steps)
        counts.update(outcome.counts)
    lines = ["", f"{sum(kills.values())} kills of the bridge in {len(outcomes)} stories, {seconds:.0f} s", ""]
    lines += [f"{number:>7}  killed at the step {step}" for step in Step if (number := kills[step])]
    lines += [f"{kills[None]:>7}  killed at any moment", ""]
    lines += [
        f"      0  killed at the step {step}: it was passed {steps[step]} times" for step in Step if not kills[step]
    ]
    lines += [f"{number:>7}  {what}" for what, number in sorted(counts.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
