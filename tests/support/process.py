"""A process type beside the web: `fluentpro serve --process ... --port ...`, over a shared project."""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.project import Project
from tests.support.server import Server


class Process(Server):
    """One process type at a port of its own, of which the settings know nothing."""

    def __init__(
        self, project: Project, process: str, processes: int = 2, launcher: Sequence[str] = ()
    ) -> None:
        super().__init__(project, processes, launcher)
        self.type = process

    @property
    def words(self) -> tuple[str, ...]:
        return ("serve", "--process", self.type, "--port", str(self.port))

    def move(self, port: int) -> None:
        """Take a port; the settings stay as they are."""
        self.port = port
