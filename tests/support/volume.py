"""A project whose files are mounted as Kubernetes mounts a ConfigMap."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

from tests.support.project import FILES, Project, changed


class Volume:
    """Every file is a link into `..data`, and `..data` is a link to the folder that holds this version."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._version = self._folder()
        for name in FILES:
            (project.root / name).rename(self._version / name)
        (project.root / "settings").rmdir()
        (project.root / "..data").symlink_to(self._version.name)
        for name in ("settings.toml", ".secrets.toml", "settings"):
            (project.root / name).symlink_to(f"..data/{name}")

    def swap(self, settings: Mapping[str, tuple[str, object]]) -> None:
        """Give some files another value each, and bring all in by the rename of one link."""
        old, new = self._version, self._folder()
        for name in FILES:
            text = (old / name).read_text()
            (new / name).write_text(changed(text, *settings[name]) if name in settings else text)
        link = self.project.root / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.project.root / "..data")
        shutil.rmtree(old)
        self._version = new

    def _folder(self) -> Path:
        folder = self.project.root / f"..{token_hex(4)}"
        (folder / "settings").mkdir(parents=True)
        return folder
