"""What the engine raises: always with every finding, never with a value that must not be shown."""

from __future__ import annotations

from collections.abc import Sequence

from fluentpro.config.diagnostics import Diagnostic, exit_status, headline, render


class ConfigError(Exception):
    """A configuration that can't be used, with everything that is wrong with it."""

    def __init__(self, environment: str, findings: Sequence[Diagnostic]) -> None:
        super().__init__(environment, findings)
        self.environment = environment
        self.findings = tuple(findings)

    @property
    def exit_status(self) -> int:
        """The process's exit status (sysexits.h): 78, or 77 where only permissions are wrong."""
        return exit_status(self.findings)

    def __str__(self) -> str:
        return f"{headline(self.environment, self.findings)}\n\n{render(self.findings)}"


class RejectedError(ConfigError):
    """A configuration that is valid in itself and that a check refused: tomorrow it may be good."""
