"""The certificate files that bridge.yaml names: that they can be read, and that certificate and key belong together."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo

from bridge.config.scalars import parse_file, refuse

__all__ = ["check_pair", "parse_authorities", "parse_readable"]


def parse_readable(value: Any, info: ValidationInfo) -> Path:
    """Read the path of a file that must be there."""
    path = parse_file(value, info)
    try:
        path.open("rb").close()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        refuse(f"{path} can't be read: {why}", "Correct the path, or let the user of the bridge read it.")
    return path


def parse_authorities(value: Any, info: ValidationInfo) -> Path:
    """Read the path of a file that holds the certificates of authorities."""
    path = parse_readable(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        refuse(f"{path} holds no certificate", "Name a PEM file; it begins with -----BEGIN CERTIFICATE-----.")
    return path


def check_pair(cert: Path, key: Path | None) -> None:
    """Refuse a certificate and key that don't belong together, or that can't be used unattended."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=_no_password)
    except _EncryptedKeyError:
        refuse(f"the key in {key or cert} needs a password", "Use a key without one; the bridge starts unattended.")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            refuse(
                f"the key in {key or cert} is not that of the certificate in {cert}", "Name the two that go together."
            )
        files = f"{cert} and {key}" if key else f"{cert}"
        refuse(
            f"{files} hold no certificate with its key", "Name PEM files: the certificate with its chain, and its key."
        )


class _EncryptedKeyError(Exception):
    """A key asked for its password."""


def _no_password() -> str:
    raise _EncryptedKeyError
