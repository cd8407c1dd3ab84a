"""Projects to measure, each in a folder of its own: FluentPro, and what one would have without it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluentpro.cli.init import write as write_secrets

CHECKOUT = Path(__file__).parents[2]
ENVIRONMENT = "testing"
MARK = "@@banner@@"
OURS = ("FLUENTPRO_", "DYNACONF_", "DJANGO_", "PROMETHEUS_", "GUNICORN_", "VAULT_", "BAO_", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Project:
    """A project in a folder, and how to change its banner."""

    folder: Path
    environ: Mapping[str, str]
    edited: Path
    """The file that holds the banner."""
    text: str
    """Its content, with a mark in the banner's place."""

    def save(self, banner: str) -> float:
        """Save another banner as an editor does, by a rename; the moment of the rename (monotonic, s)."""
        new = self.edited.with_name(f".{self.edited.name}.new")
        new.write_text(self.text.replace(MARK, banner), encoding="utf-8")
        began = time.monotonic()
        new.replace(self.edited)
        return began

    def run(self, *arguments: str) -> None:
        """Run a Python command in the project; raises if it fails."""
        subprocess.run([sys.executable, *arguments], cwd=self.folder, env=self.environ, check=True)

    def answer(self, program: str) -> str:
        """What a Python program prints in the project; raises if it fails."""
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.strip()


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fluentpro-benchmark-") as name:
        yield Path(name)


def fluentpro(where: Path, **variables: str) -> Project:
    """FluentPro as it is shipped: its settings files, secrets of its own, a migrated database.

    The database is SQLite and the secrets are a file, unless the variables say otherwise.
    """
    where.mkdir()
    for name in ("settings", "staticfiles"):
        (where / name).mkdir()
    for name in ("settings.toml", ".secrets.toml", *(f"settings/{path.name}" for path in _environments())):
        (where / name).write_text((CHECKOUT / name).read_text(encoding="utf-8"), encoding="utf-8")
    write_secrets(where / ".secrets.local.toml")
    edited = where / "settings" / f"{ENVIRONMENT}.toml"
    lines = edited.read_text(encoding="utf-8").splitlines(keepends=True)
    text = "".join(f'banner = "{MARK}"\n' if line.startswith("banner") else line for line in lines)
    environ = _environ(
        FLUENTPRO_ROOT=str(where),
        ENV_FOR_DYNACONF=ENVIRONMENT,
        DJANGO_SETTINGS_MODULE="fluentpro.web.settings",
        # As in production: every request and every change is a line of the log.
        FLUENTPRO_LOGGING__FORMAT="json",
        FLUENTPRO_LOGGING__LEVEL="INFO",
        FLUENTPRO_HEALTH__INTERVAL="5",
        FLUENTPRO_HEALTH__TIMEOUT="2",
        **variables,
    )
    project = Project(where, environ, edited, text)
    project.save("first")
    project.run("-m", "django", "migrate", "--verbosity", "0")
    return project


def plain(where: Path, like: Project) -> Project:
    """The same Django project with a plain settings module: the values of FluentPro's, written out."""
    where.mkdir()
    like.run("-m", "benchmarks.support.plain", str(where))
    environ = _environ(DJANGO_SETTINGS_MODULE="plain.settings")
    project = Project(where, environ | {"PYTHONPATH": str(where)}, where / "plain" / "banner.txt", MARK)
    project.save("first")
    return project


def dynaconf(where: Path) -> Project:
    """A Django project whose settings are dynaconf's Django extension, as its documents show it."""
    where.mkdir()
    (where / "settings.toml").write_text('[default]\nALLOWED_HOSTS = ["localhost"]\n', encoding="utf-8")
    (where / "extended.py").write_text(
        "from pathlib import Path\n"
        "import dynaconf\n"
        'SECRET_KEY = "only for a benchmark"\n'
        'INSTALLED_APPS = ["django.contrib.contenttypes"]\n'
        "settings = dynaconf.DjangoDynaconf(\n"
        '    __name__, settings_files=[str(Path(__file__).with_name("settings.toml"))]\n'
        ")\n",
        encoding="utf-8",
    )
    environ = _environ(DJANGO_SETTINGS_MODULE="extended")
    environ["PYTHONPATH"] = f"{where}{os.pathsep}{environ['PYTHONPATH']}"
    return Project(where, environ, where / "settings.toml", "")


def _environments() -> list[Path]:
    return sorted((CHECKOUT / "settings").glob("*.toml"))


def _environ(**variables: str) -> dict[str, str]:
    """This process's environment without what would steer the projects, and with what shall."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OURS) and not name.endswith("_FOR_DYNACONF")
    }
    return kept | {"PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": "0"} | variables
