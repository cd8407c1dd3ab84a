"""FluentPro's settings files in a folder of their own, and the ways in which files change."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from fluentpro.schema import ENVIRONMENTS

ROOT = Path(__file__).parents[2]
FILES = ("settings.toml", ".secrets.toml", *(f"settings/{name}.toml" for name in ENVIRONMENTS))
SETTINGS = "settings/testing.toml"
LOCAL = """\
[logging]
level = "INFO"
format = "json"

[health]
interval = 1.0
timeout = 0.9

# Nothing is found by asking now and then: an event that is missed fails a test.
[reload]
poll_interval = 600.0
"""


@dataclass
class Project:
    """A project whose environment is testing, with secrets of its own."""

    root: Path
    local: str = LOCAL
    """What `settings.local.toml` says at first."""
    secret_key: str = field(default_factory=lambda: token_hex(32))
    token: str = field(default_factory=lambda: token_hex(32))

    @classmethod
    def make(cls, root: Path, database: Path | None = None, local: str = LOCAL) -> Project:
        """Copy the settings files into a folder; the database, if there is one, beside them."""
        project = cls(root, local)
        (root / "settings").mkdir(parents=True)
        project.restore()
        if database:
            shutil.copy(database, root / "testing.sqlite3")
        return project

    def original(self, name: str) -> str:
        """What a file says before anybody changes it."""
        if name == "settings.local.toml":
            return self.local
        if name == ".secrets.local.toml":
            return f'[django]\nsecret_key = "{self.secret_key}"\n\n[operations]\ntoken = "{self.token}"\n'
        return (ROOT / name).read_text()

    def restore(self) -> None:
        """Put every file back to what it said at first."""
        for name in (*FILES, "settings.local.toml", ".secrets.local.toml"):
            path, text = self.root / name, self.original(name)
            if not path.is_file() or path.read_bytes() != text.encode():
                path.unlink(missing_ok=True)
                self.replace(name, text)
        (self.root / ".secrets.local.toml").chmod(0o600)

    def read(self, name: str = SETTINGS) -> str:
        """What a file says."""
        return (self.root / name).read_text()

    def replace(self, name: str, content: str | bytes) -> None:
        """Write a file beside, and move it into its place: nobody sees half of it."""
        path = self.root / name
        beside = path.with_name(f".{path.name}.{token_hex(4)}")
        beside.write_bytes(content.encode() if isinstance(content, str) else content)
        beside.replace(path)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file where it is, as an editor may that truncates it first."""
        (self.root / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def set(self, key: str, value: object, name: str = SETTINGS) -> None:
        """Give a setting a value, in one step."""
        self.replace(name, changed(self.read(name), key, value))

    def set_in_place(self, key: str, value: object, name: str = SETTINGS) -> None:
        """Give a setting a value in the file as it stands."""
        self.write(name, changed(self.read(name), key, value))

    def break_off(self, name: str = SETTINGS) -> None:
        """Leave a file that is not TOML."""
        self.replace(name, self.read(name) + "\n[site\n")

    def remove(self, name: str = SETTINGS) -> None:
        """Delete a file."""
        (self.root / name).unlink()

    def touch(self, name: str = SETTINGS) -> None:
        """Give a file a new time and no new content."""
        os.utime(self.root / name)


def changed(text: str, key: str, value: object) -> str:
    """A TOML text in which a setting of a table has a value."""
    table, name = key.split(".")
    line = f"{name} = {toml(value)}\n"
    header = re.search(rf"^\[{table}\]\n", text, re.MULTILINE)
    if header is None:
        return f"{text}\n[{table}]\n{line}"
    rest = text[header.end() :]
    end = following.start() if (following := re.search(r"^\[", rest, re.MULTILINE)) else len(rest)
    body, count = re.subn(rf"^{name} = .*\n", lambda _: line, rest[:end], count=1, flags=re.MULTILINE)
    return text[: header.end()] + ("" if count else line) + body + rest[end:]


def toml(value: object) -> str:
    """A value as TOML writes it; JSON does, for what settings are made of."""
    return json.dumps(value, ensure_ascii=False)
