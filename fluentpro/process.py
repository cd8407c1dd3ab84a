"""This process's configuration: FluentPro's schema and rules, wired to the engine once."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from fluentpro.config.environment import ROOT
from fluentpro.config.layers import SETTINGS, Sources
from fluentpro.config.pin import pinned
from fluentpro.config.runtime import Runtime
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Store
from fluentpro.config.validate import Validator
from fluentpro.config.watch import Pace
from fluentpro.schema import ENVIRONMENTS, Config
from fluentpro.schema.rules import RULES

GUARDED = frozenset({"staging", "production"})
"""The environments that take their secrets from Vault and refuse `.local` files."""

VALIDATOR = Validator(Config, RULES, digest_key=("django", "secret_key"))

_runtime: Runtime[Config] | None = None
_making = threading.Lock()


def find_root(environ: Mapping[str, str], start: Path) -> Path:
    """The folder of `settings.toml`: `FLUENTPRO_ROOT`, else the nearest one at or above `start`."""
    if named := environ.get(ROOT):
        return Path(named).absolute()
    start = start.absolute()
    return next((folder for folder in (start, *start.parents) if (folder / SETTINGS).is_file()), start)


def sources(environ: Mapping[str, str] | None = None, root: Path | None = None) -> Sources:
    """Where FluentPro's configuration is read from; this process's environment unless told otherwise."""
    environ = os.environ if environ is None else environ
    return Sources(root or find_root(environ, Path.cwd()), environ, Config, ENVIRONMENTS, GUARDED)


def make_runtime(where: Sources) -> Runtime[Config]:
    """A runtime of its own over the sources; tests and tools use it, the service uses `runtime`."""
    return Runtime(where, Store(where.load, VALIDATOR.validate), _pace)


def runtime() -> Runtime[Config]:
    """The one runtime of this process."""
    global _runtime  # noqa: PLW0603 # one configuration per process is what this module is for
    if _runtime is None:
        with _making:
            if _runtime is None:
                _runtime = make_runtime(sources())
    return _runtime


def boot() -> Snapshot[Config]:
    """The first snapshot of this process, or a `ConfigError` with everything that is wrong."""
    return runtime().store.start()


def current() -> Config:
    """The configuration this request, task or message is pinned to; elsewhere the newest."""
    snapshot = pinned.get()
    if snapshot is None:
        snapshot = runtime().store.snapshot
    config: Config = snapshot.config
    return config


def _pace(config: Config) -> Pace:
    return Pace(config.reload.settle, config.reload.debounce, config.reload.poll_interval)


def _after_fork() -> None:
    """A child has none of its parent's threads, and starts from the snapshot it inherited."""
    global _making  # noqa: PLW0603 # held or not at the fork, nobody in the child will release it
    _making = threading.Lock()
    if _runtime is not None:
        _runtime.store.rebase()


os.register_at_fork(after_in_child=_after_fork)
