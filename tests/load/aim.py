"""Where a load run aims, and what it may use there: locust's own options, so from the environment, a file or the command line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from locust.argument_parser import LocustArgumentParser

Message = dict[str, Any]


class AimError(Exception):
    """The options don't fit; `faults` names each with what to do."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))


@dataclass(frozen=True, slots=True)
class Leg:
    """One of the bridge's legs that servers call, and what its caller has: address, secret, header, source address."""

    name: str
    base: str
    secret: str = field(repr=False)
    header: str
    source: str | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What a run was told."""

    base: str
    """HumHub as browsers have it, without a slash at the end."""
    accounts: tuple[tuple[str, str], ...] = field(repr=False)
    verify: str | bool
    """The file with the authority of the certificates, or True for the usual ones."""
    docs: Leg
    humhub: Leg
    pretty: bool
    open_within: float
    """Seconds until Docs must answer an editor, with the document above all."""
    saved_within: float
    """Seconds from the last one's leaving until HumHub must have the edit."""
    rounds: int
    """After so many a user stops, and after its last user the run; 0: not before the time is over."""
    keep: bool
    replay: tuple[Message, ...]
    """Recorded `saveChanges` messages of a real editor; without them the small Docs' own changes are sent."""
    replay_shows: str


def add_options(parser: LocustArgumentParser) -> None:
    """Add what only this run has; each can be set in the environment too."""

    def option(name: str, variable: str, about: str, **more: Any) -> None:
        parser.add_argument(name, env_var=variable, help=about, include_in_web_ui=False, **more)

    option("--accounts", "LOAD_ACCOUNTS", "file with the users of HumHub, name:password, one a line", default="")
    option("--ca", "LOAD_CA", "file with the authority of the certificates, where it is one of your own", default="")
    option("--plain-urls", "LOAD_PLAIN_URLS", "HumHub has index.php?r=… addresses", action="store_true")
    for who, leg in (("Docs", "docs"), ("HumHub", "humhub")):
        variable = f"LOAD_{leg.upper()}"
        option(
            f"--{leg}-leg", f"{variable}_LEG", f"the bridge as {who} calls it; with several sites …/s/SITE", default=""
        )
        option(f"--{leg}-secret", f"{variable}_SECRET", f"the secret that {who} signs with", default="", is_secret=True)
        option(f"--{leg}-header", f"{variable}_HEADER", f"the header that {who} sends it in", default="Authorization")
        option(f"--{leg}-source", f"{variable}_SOURCE", "the local address to call that leg from", default="")
    option("--open-within", "LOAD_OPEN_WITHIN", "seconds until a document must be open", type=float, default=60.0)
    option("--saved-within", "LOAD_SAVED_WITHIN", "seconds until a save must be in HumHub", type=float, default=60.0)
    option("--rounds", "LOAD_ROUNDS", "stop after so many rounds of each user", type=int, default=0)
    option("--keep-documents", "LOAD_KEEP", "leave the created documents in HumHub", action="store_true")
    option("--replay", "LOAD_REPLAY", "a real editor's saveChanges messages, JSON, one a line", default="")
    option("--replay-shows", "LOAD_REPLAY_SHOWS", "the text that they write", default="")


def take_aim(options: argparse.Namespace, needs: Iterable[str]) -> Aim:
    """Read the options; `needs` are the legs (`docs`, `humhub`) that the chosen users call.

    Raises:
        AimError: something is missing or wrong; all of it at once.
    """
    faults: list[str] = []
    base = (options.host or "").rstrip("/")
    if not base.startswith(("http://", "https://")):
        faults.append(
            "--host (LOCUST_HOST) must be HumHub's address as browsers have it, such as https://office.example.com."
        )
    accounts = _accounts(options.accounts, faults)
    for leg in sorted(set(needs)):
        for what in ("leg", "secret"):
            if not getattr(options, f"{leg}_{what}"):
                remedy = "name the users to run without it (locust … Writer), or set it"
                faults.append(f"--{leg}-{what} (LOAD_{leg.upper()}_{what.upper()}) is missing: {remedy}.")
    replay = _replay(options.replay, faults)
    if replay and not options.replay_shows:
        faults.append("--replay-shows (LOAD_REPLAY_SHOWS) must say which text the recorded changes write.")
    if options.ca and not Path(options.ca).is_file():
        faults.append(f"--ca (LOAD_CA): {options.ca} is no file.")
    if faults:
        raise AimError(faults)
    return Aim(
        base,
        accounts,
        options.ca or True,
        _leg("docs", options),
        _leg("humhub", options),
        pretty=not options.plain_urls,
        open_within=options.open_within,
        saved_within=options.saved_within,
        rounds=options.rounds,
        keep=options.keep_documents,
        replay=replay,
        replay_shows=options.replay_shows,
    )


def _leg(name: str, options: argparse.Namespace) -> Leg:
    base, secret, header, source = (
        getattr(options, f"{name}_{what}") for what in ("leg", "secret", "header", "source")
    )
    return Leg(name, base.rstrip("/"), secret, header, source or None)


def _accounts(path: str, faults: list[str]) -> tuple[tuple[str, str], ...]:
    option = "--accounts (LOAD_ACCOUNTS)"
    if not path:
        faults.append(f"{option} must be a file with HumHub's users, name:password, one a line.")
        return ()
    lines = _lines(path, option, faults)
    pairs = [line.partition(":") for line in lines or []]
    faults += [f"{path}: “{name}” has no password: write name:password." for name, _, password in pairs if not password]
    if lines == []:
        faults.append(f"{path} names no user.")
    return tuple((name, password) for name, _, password in pairs)


def _replay(path: str, faults: list[str]) -> tuple[Message, ...]:
    found: list[Message] = []
    lines = _lines(path, "--replay (LOAD_REPLAY)", faults) if path else []
    for number, line in enumerate(lines or [], 1):
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if isinstance(message, dict) and message.get("type") == "saveChanges":
            found.append(message)
        else:
            faults.append(f"{path}, message {number}: this is no saveChanges message.")
    return tuple(found)


def _lines(path: str, option: str, faults: list[str]) -> list[str] | None:
    """Read a file's lines; None where it can't be read."""
    try:
        return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        faults.append(f"{option}: {path} can't be read ({error}).")
        return None
