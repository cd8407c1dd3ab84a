"""An environment's configuration as it can be seen from here, valid or not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from fluentpro.config.diagnostics import Diagnostic, errors
from fluentpro.config.environment import SWITCH
from fluentpro.config.errors import ConfigError
from fluentpro.config.explain import Effective, effective
from fluentpro.config.fields import Path
from fluentpro.config.layers import Sources
from fluentpro.config.references import unresolved
from fluentpro.config.snapshot import Candidate
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config


@dataclass(frozen=True, slots=True)
class Look:
    """What was read, what each setting is, and what is wrong."""

    candidate: Candidate
    values: Mapping[Path, Effective]
    findings: tuple[Diagnostic, ...]
    digest: str | None
    """The snapshot's; None where the configuration is not valid."""

    @property
    def environment(self) -> str:
        """The environment that was looked at."""
        return self.candidate.environment

    @property
    def valid(self) -> bool:
        """Whether a process could start with it."""
        return not errors(self.findings)


def look() -> Look:
    """Read this process's configuration.

    Raises `ConfigError` where nothing at all could be read: no value would be true.
    """
    return _look(sources())


def look_from_afar(environment: str) -> Look:
    """Read another environment's configuration on this machine, without asking its secret backend."""
    where = sources({**os.environ, SWITCH: environment}, sources().root)
    return _look(replace(where, resolve=unresolved))


def _look(where: Sources) -> Look:
    candidate = where.load()
    if not candidate.layers and errors(candidate.findings):
        raise ConfigError(candidate.environment, candidate.findings)
    findings, digest = _judge(candidate)
    return Look(candidate, effective(candidate, Config), findings, digest)


def _judge(candidate: Candidate) -> tuple[tuple[Diagnostic, ...], str | None]:
    try:
        snapshot = VALIDATOR.validate(candidate)
    except ConfigError as error:
        return error.findings, None
    return snapshot.warnings, snapshot.digest
