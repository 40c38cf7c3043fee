"""A certificate authority for tests, made with the openssl command."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Pair"]

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate, its key, and both in one file."""

    cert: Path
    key: Path
    both: Path

    def serving(self, *, clients: Path | None = None) -> ssl.SSLContext:
        """Give a server's context; with ``clients``, only who has a certificate of that authority is served."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Authority:
    """Signs certificates; ``ca`` is its own."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.ca = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        subject = ("-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign")
        self._run("req", "-x509", *_KEY, "-keyout", self._key, "-out", self.ca, "-days", "2", *subject)

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=self._directory)

    def sign(self, file: str, *names: str, expired: bool = False) -> Pair:
        """Make a key and a certificate for names such as ``DNS:hub.test`` or ``IP:127.0.0.1``."""
        cert, key, both = (self._directory / f"{file}.{kind}" for kind in ("pem", "key", "both"))
        request, extensions = self._directory / f"{file}.csr", self._directory / f"{file}.ext"
        self._run("req", "-new", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={file}")
        extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else "basicConstraints=CA:FALSE\n")
        if expired:
            self._expired(request, cert, extensions)
        else:
            by = ("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial")
            self._run("x509", "-req", "-in", request, *by, "-days", "1", "-extfile", extensions, "-out", cert)
        both.write_text(cert.read_text() + key.read_text())
        return Pair(cert, key, both)

    def _expired(self, request: Path, cert: Path, extensions: Path) -> None:
        (self._directory / "index").write_text("")
        (self._directory / "ca.cnf").write_text(
            "[ca]\ndefault_ca=it\n[it]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=any\n[any]\ncommonName=supplied\n"
        )
        dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        by = ("-cert", self.ca, "-keyfile", self._key, "-extfile", extensions)
        self._run("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", request, "-out", cert, *by, *dates)

    def trusting(self, *, client: Pair | None = None) -> ssl.SSLContext:
        """Give a client's context that trusts this authority, and shows ``client``."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if client is not None:
            context.load_cert_chain(client.cert, client.key)
        return context
