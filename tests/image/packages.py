"""What the proof takes from Debian: packages, unpacked into a cache and never installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ASKED: Final = "FLUENTPRO_IMAGE_TEST"
"""Names the cache's folder, and asks for the proof; set by `python -m tests.image`."""
SUITE: Final = "bookworm"
"""The Debian that this is known to work on."""
NEWER: Final = "trixie"
"""Whose compose and buildx run there, too; its own compose is of the first generation."""
TOOLS: Final = ("docker.io", "iptables", "mmdebstrap")
PLUGINS: Final = ("docker-buildx", "docker-compose")
PROXY: Final = ("nginx", "nginx-common")
IN_BASE: Final = ("ca-certificates", "python3", "python3-venv")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class CannotRunError(Exception):
    """This machine can't run the proof, and why."""


@dataclass(frozen=True)
class Packages:
    """Debian's packages in a folder of the cache."""

    cache: Path

    @property
    def tools(self) -> Path:
        """The unpacked programs: the engine, its plugins, mmdebstrap."""
        return self.cache / "tools"

    @property
    def proxy(self) -> Path:
        """nginx, unpacked."""
        return self.cache / "nginx"

    @property
    def base(self) -> Path:
        """A small Debian with Python, as a tar file."""
        return self.cache / f"base-{SUITE}.tar"

    def environ(self) -> dict[str, str]:
        """The variables with which programs and libraries are found."""
        usr = self.tools / "usr"
        libraries = next(iter(usr.glob("lib/*-linux-gnu")), usr / "lib")
        programs = [str(usr / "sbin"), str(usr / "bin"), "/usr/sbin", "/sbin"]
        found = {
            "PATH": ":".join([*programs, os.environ["PATH"]]),
            "LD_LIBRARY_PATH": str(libraries),
        }
        if (libraries / "xtables").is_dir():  # the engine answers for names with rules of iptables
            found["XTABLES_LIBDIR"] = str(libraries / "xtables")
        return found

    def fetch(self) -> None:
        """Have all of them; nothing to do where an earlier run left them."""
        self.cache.mkdir(parents=True, exist_ok=True)
        if not self.tools.is_dir():
            self._fetch_tools()
        if not self.proxy.is_dir():
            self._unpacked(self.proxy, self._download(SUITE, *PROXY))
        if not self.base.is_file():
            part = self.base.with_suffix(".part.tar")
            included = f"--include={','.join(IN_BASE)}"
            command = ["mmdebstrap", "--quiet", "--variant=minbase", included, SUITE, str(part), mirror()]
            run(command, os.environ | self.environ())
            part.replace(self.base)

    def _fetch_tools(self) -> None:
        debs = [*self._download(SUITE, *TOOLS, needed=True), *self._download(NEWER, *PLUGINS)]
        part = self._unpacked(self.tools.with_suffix(".part"), debs)
        for name in ("iptables", "ip6tables"):
            (part / f"usr/sbin/{name}").symlink_to(f"{name}-nft")
        part.rename(self.tools)

    def _download(self, suite: str, *names: str, needed: bool = False) -> list[Path]:
        """The packages' files; with `needed`, also those of what they need and this machine has not."""
        folder = self.cache / "apt" / suite
        for each in ("lists/partial", "archives/partial"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        sources = folder / "sources.list"
        sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        settings = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": folder / "lists",
            "Dir::Cache": folder,
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "--quiet=2", *(f"--option={name}={value}" for name, value in settings.items())]
        run([*apt, "update"])
        for left in folder.glob("**/*.deb"):  # by a run that was ended
            left.unlink()
        if needed:
            run([*apt, "--yes", "--no-install-recommends", "--download-only", "install", *names])
        else:
            run([*apt, "download", *names], folder=folder)
        return sorted(folder.glob("**/*.deb"))

    def _unpacked(self, into: Path, debs: list[Path]) -> Path:
        part = into.with_suffix(".unpacking")
        shutil.rmtree(part, ignore_errors=True)
        for deb in debs:
            run(["dpkg", "--extract", str(deb), str(part)])
            deb.unlink()
        shutil.rmtree(into, ignore_errors=True)
        part.rename(into)
        return into


def why_not(release: Path = Path("/etc/os-release"), user: int | None = None) -> str:
    """Why this machine can't run the proof; nothing where it can. It is told by its release and our user."""
    try:
        lines = release.read_text().splitlines()
    except OSError:
        lines = []
    facts = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    if facts.get("ID") != "debian" or facts.get("VERSION_CODENAME") != SUITE:
        known = facts.get("PRETTY_NAME", "an unknown system")
        return f"it takes its Docker engine from the packages of Debian 12 ({SUITE}), and this is {known}"
    if (os.geteuid() if user is None else user) != 0:
        return "a Docker engine takes root"
    for name in ("apt-get", "dpkg", "openssl", "git"):
        if not shutil.which(name):
            return f"there is no {name}"
    try:
        mirror()
    except CannotRunError as error:
        return str(error)
    return ""


def mirror() -> str:
    """The address from which this machine's apt gets Debian."""
    known = run(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(REPO_URI)"])
    for line in known.splitlines():
        release, component, uri = line.split(" ", 2)
        if release == SUITE and component == "main":
            return uri
    raise CannotRunError(f"apt knows no source of {SUITE}")


def run(command: list[str], environ: dict[str, str] | None = None, folder: Path | None = None) -> str:
    """What a command prints; its whole output is shown if it fails."""
    done = subprocess.run(
        command,
        env=environ,
        cwd=folder,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout
