"""A project in a folder of its own, and the real command at work in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from fluentpro.config.environment import variable
from fluentpro.config.fields import settings_of
from fluentpro.schema import ENVIRONMENTS, Config

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("fluentpro")
FILES = ("settings.toml", ".secrets.toml", *(f"settings/{name}.toml" for name in ENVIRONMENTS))
SECRETS = {variable(path): token_hex(32) for path, item in settings_of(Config).items() if item.secret}
"""A value of its own for every secret, as variables."""
KEPT = ("PATH", "LANG", "COVERAGE_PROCESS_CONFIG")
"""What a command needs of our own environment, so that it runs and is measured."""


@dataclass(frozen=True)
class Project:
    root: Path

    def environ(self, variables: Mapping[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(self.root), **variables}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The real command, in a process of its own."""
        return self.execute(str(COMMAND), *arguments, **variables)

    def manage(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.execute(sys.executable, str(ROOT / "manage.py"), *arguments, **variables)

    def execute(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = self.environ(variables)
        return subprocess.run(
            command, cwd=self.root, env=environ, capture_output=True, text=True, check=False, timeout=60
        )

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.write_text(text)
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new, 1))


def clone(root: Path) -> Project:
    """The committed settings files in a folder, as after a clone."""
    (root / "settings").mkdir()
    for name in FILES:
        (root / name).write_bytes((ROOT / name).read_bytes())
    return Project(root)


def with_secrets(project: Project) -> Project:
    """The project with this machine's secrets: valid in development and testing."""
    text = f'[django]\nsecret_key = "{token_hex(32)}"\n\n[operations]\ntoken = "{token_hex(32)}"\n'
    project.write(".secrets.local.toml", text).chmod(0o600)
    return project
