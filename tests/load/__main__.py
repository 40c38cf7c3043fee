"""Run a load scenario against the demo's house: `python -m tests.load [small|middle|large] [locust's own options]`.

Exit code 1 where a request failed, an edit wasn't found in HumHub, or one still waits at the bridge in the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_PATIENCE = 90.0


@dataclass(slots=True)
class House:
    """The demo in a process of its own; `environment` is what locust needs to know of it."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    def close(self) -> dict[str, Any]:
        """End it, and return what it saw."""
        said, _ = self.process.communicate(timeout=_PATIENCE)
        return dict(json.loads(said or "{}"))


@contextlib.contextmanager
def house(directory: Path) -> Iterator[House]:
    """Have the demo run; what it leaves is in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.load.house", str(directory.resolve())]
    # In a session of its own, where no Ctrl-C comes.
    process = subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"The demo did not start; see {directory / 'bridge.log'}.")
        yield House(process, json.loads(line))
    finally:
        # The end of its input is what ends it, and its bridge with it.
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        process.stdout.close()
        process.wait(_PATIENCE)


def locust(environment: dict[str, str], *arguments: str) -> int:
    """Run locust without its web page; return its exit code. At Ctrl-C it looks at every edit, writes its report and ends."""
    command = [sys.executable, "-m", "locust", "-f", str(_HERE / "locustfile.py"), *arguments]
    process = subprocess.Popen(command, cwd=_ROOT, env={**os.environ, **environment})
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def main(arguments: list[str]) -> int:
    """Run it, and say where the report is."""
    scenarios = sorted(path.stem for path in _HERE.glob("*.conf"))
    named = [one for one in arguments if one in scenarios]
    scenario = named[0] if named else "small"
    more = [one for one in arguments if one not in scenarios]
    directory = _ROOT / "artifacts" / "load"
    with house(directory) as stood:
        # The console shows what failed; the figures are in the report.
        report = directory / "report.html"
        options = ("--config", str(_HERE / f"{scenario}.conf"), "--html", str(report))
        code = locust(stood.environment, *options, *more)
        seen = stood.close()
    lost = not seen.get("alive") or seen.get("undelivered") != 0
    print(f"At the end {seen.get('undelivered')} edits wait at the bridge; it used {seen.get('peak_mib')} MiB at most.")  # noqa: T201
    print(f"The report: {report}\nThe bridge's log and metrics: {directory}")  # noqa: T201
    return 1 if code or lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
