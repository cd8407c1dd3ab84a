"""Signed tokens (RFC 7519) as a platform gives them to its services; `openssl` makes keys and signs."""

from __future__ import annotations

import json
import subprocess
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = {
    "RS256": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ES256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
}
SIZE = 32
"""Bytes of each of the two numbers of a signature on the curve P-256."""


@dataclass(frozen=True)
class Signer:
    """A key pair of its own."""

    kind: str
    path: Path

    @classmethod
    def make(cls, kind: str, folder: Path) -> Signer:
        made = cls(kind, folder / f"{kind}.pem")
        _openssl("genpkey", *KINDS[kind], "-out", str(made.path))
        return made

    @property
    def public(self) -> str:
        """The public key, as PEM."""
        return _openssl("pkey", "-in", str(self.path), "-pubout").decode()

    def sign(self, life: float = 60, **claims: Any) -> str:
        """A token that says this, and ends after so many s."""
        now = int(time.time())
        times = {"iat": now - 1, "nbf": now - 1, "exp": now + int(life)}
        parts = ({"alg": self.kind, "typ": "JWT"}, times | claims)
        text = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
        signature = _openssl("dgst", "-sha256", "-sign", str(self.path), given=text.encode())
        return f"{text}.{_encoded(signature if self.kind == 'RS256' else _raw(signature))}"


def certify(folder: Path, address: str) -> tuple[Path, Path]:
    """A certificate for an address that vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ("-subj", "/CN=cluster", "-addext", f"subjectAltName=IP:{address}")
    files = ("-keyout", str(key), "-out", str(certificate))
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files)
    return certificate, key


def _raw(signature: bytes) -> bytes:
    """The two numbers of an ECDSA signature side by side (RFC 7518), from the DER that openssl writes."""
    first = signature[4 : 4 + signature[3]]
    second = signature[6 + len(first) :]
    return b"".join(number.lstrip(b"\0").rjust(SIZE, b"\0") for number in (first, second))


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True).stdout
