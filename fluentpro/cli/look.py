"""An environment's configuration as it can be seen from here, valid or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from fluentpro.config.diagnostics import Diagnostic, errors
from fluentpro.config.environment import SWITCH
from fluentpro.config.errors import ConfigError
from fluentpro.config.explain import Effective, effective
from fluentpro.config.fields import Path
from fluentpro.config.layers import Sources
from fluentpro.config.overrides import none_given
from fluentpro.config.references import unresolved
from fluentpro.config.snapshot import Candidate
from fluentpro.fleet.overrides import Overrides
from fluentpro.process import VALIDATOR, Backend, sources
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


@contextmanager
def reading() -> Iterator[Sources]:
    """This process's sources; what it takes of a Vault to read them is given back in the end.

    Where the database could not be asked for overrides, that is said on standard error.
    """
    where = sources()
    try:
        yield where
    finally:
        if isinstance(where.overrides, Overrides) and where.overrides.problem:
            sys.stderr.write(f"fluentpro: overrides are left out: {where.overrides.problem}\n")
        if isinstance(where.resolve, Backend) and (known := where.resolve.secrets):
            known.commit()
            known.close()


def look() -> Look:
    """Read this process's configuration.

    Raises `ConfigError` where nothing at all could be read: no value would be true.
    """
    with reading() as where:
        return _look(where)


def look_from_afar(environment: str) -> Look:
    """Read another environment's configuration on this machine, without its secret backend and database.

    That a secret is missing which only the backend can give is no finding then.
    """
    where = sources({**os.environ, SWITCH: environment}, sources().root)
    seen = _look(replace(where, resolve=unresolved, overrides=none_given))
    unasked = {item.setting.key for item in seen.values.values() if item.unresolved}
    return replace(seen, findings=tuple(item for item in seen.findings if item.key not in unasked))


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
