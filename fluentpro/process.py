"""This process's configuration: FluentPro's schema and rules, wired to the engine once."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from fluentpro.config.environment import ROOT
from fluentpro.config.fields import settings_of
from fluentpro.config.layers import SETTINGS, Sources
from fluentpro.config.overrides import overlaid, parse
from fluentpro.config.pin import pinned
from fluentpro.config.references import Reference, Resolution, unresolved
from fluentpro.config.runtime import Runtime
from fluentpro.config.snapshot import Candidate, Snapshot
from fluentpro.config.store import Store
from fluentpro.config.validate import Validator
from fluentpro.config.watch import Pace
from fluentpro.fleet.changes import Desk
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.overrides import Overrides
from fluentpro.schema import ENVIRONMENTS, Config
from fluentpro.schema.database import Database
from fluentpro.schema.rules import RULES

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper
    from fluentpro.vault.secrets import Secrets

GUARDED = frozenset({"staging", "production"})
"""The environments that take their secrets from Vault and refuse `.local` files."""

VALIDATOR = Validator(Config, RULES, digest_key=("django", "secret_key"))

INHERITED = ("server", "vault")
"""The tables that are read before the fork: a child that comes later has them as its parent started."""

_runtime: Runtime[Config] | None = None
_making = threading.Lock()


@dataclass(slots=True)
class Backend:
    """Resolves references to secrets; what it takes is loaded when a Vault is enabled, and not before."""

    environ: Mapping[str, str] = field(repr=False)
    secrets: Secrets | None = None
    used: bool | None = None
    """Whether a Vault is enabled, for as long as this process and its children live; None before a load."""

    def settle(self, wanted: bool) -> bool:
        """Whether a Vault is used: what the first load wanted. A change waits for the restart."""
        if self.used is None:
            self.used = wanted
        return self.used

    def __call__(
        self, references: Sequence[Reference], raw: Mapping[str, Any], environment: str
    ) -> Resolution:
        """Resolve them at the Vault; without one, leave them unset with a warning."""
        table = raw.get("vault")
        if not self.settle(isinstance(table, dict) and table.get("enabled") is True):
            return unresolved(references, raw, environment)
        if self.secrets is None:
            from fluentpro.vault.secrets import Secrets  # hvac and requests take 0.1 s to import

            self.secrets = Secrets(self.environ, remember=_session_age)
        return self.secrets(references, raw, environment)


def _session_age(raw: Mapping[str, Any]) -> float:
    """Seconds for which a replaced secret key still has to be accepted: the life of a session."""
    path = ("django", "session_cookie_age")
    given = (raw.get("django") or {}).get(path[-1])
    return float(given if isinstance(given, int) else settings_of(Config)[path].default)


def find_root(environ: Mapping[str, str], start: Path) -> Path:
    """The folder of `settings.toml`: `FLUENTPRO_ROOT`, else the nearest one at or above `start`."""
    if named := environ.get(ROOT):
        return Path(named).absolute()
    start = start.absolute()
    return next((folder for folder in (start, *start.parents) if (folder / SETTINGS).is_file()), start)


def sources(environ: Mapping[str, str] | None = None, root: Path | None = None) -> Sources:
    """Where FluentPro's configuration is read from; this process's environment unless told otherwise."""
    environ = os.environ if environ is None else environ
    root = root or find_root(environ, Path.cwd())
    overrides = Overrides(lambda database: Ledger(database, root))
    backend, switch = Backend(environ), ("vault", "enabled")
    return Sources(root, environ, Config, ENVIRONMENTS, GUARDED, backend, switch, overrides, backend.settle)


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


def install(made: Runtime[Config]) -> None:
    """Make a runtime the one of this process, for a world other than its own; before anybody reads it."""
    global _runtime  # noqa: PLW0603 # see `runtime`
    _runtime = made


def secrets() -> Secrets | None:
    """This process's secrets; None where no Vault is enabled."""
    backend = runtime().sources.resolve
    return backend.secrets if isinstance(backend, Backend) else None


def overrides() -> Overrides | None:
    """What this process knows of the operators' overrides; None where its sources know of none."""
    known = runtime().sources.overrides
    return known if isinstance(known, Overrides) else None


def follow_overrides(*, read: bool = True) -> bool:
    """Take up what operators changed, or what ended meanwhile; whether that was a reload. Never raises."""
    known, store = overrides(), runtime().store
    if known is None:
        return False
    if read:
        known.refresh(store.snapshot.config.database)
    if changed := known.stale:
        store.reload("override")
    return changed


def rehearse(entries: Mapping[str, Any]) -> Snapshot[Config]:
    """What this process's configuration would be with these overrides, as they are stored.

    Raises a `ConfigError` where it would be refused, by this process's checks as well.
    """
    return runtime().store.rehearse(lambda candidate: overlaid(candidate, parse(entries), Config))


def desk(where: Sources, candidate: Candidate) -> Desk[Config]:
    """Where changes of the overrides are planned, over a candidate of these sources.

    Raises `ConfigError` where it does not even say which database keeps them.
    """
    try:
        database = Database.model_validate(candidate.values.get("database", {}))
    except ValidationError:
        database = VALIDATOR.validate(candidate).config.database  # tells what is wrong
    return Desk(candidate, Ledger(database, where.root), Config, VALIDATOR.validate)


def keeper(warn: Callable[[str, str], None]) -> Keeper | None:
    """What keeps this process's secrets current, told of every outcome; None where no Vault is enabled."""
    known, store = secrets(), runtime().store
    if known is None:
        return None
    from fluentpro.vault.keeper import Keeper

    made = Keeper(known, lambda: store.reload("secret"), lambda: known.vault.drain_delay, warn)
    store.acknowledge.append(made.acknowledge)
    return made


def boot() -> Snapshot[Config]:
    """The first snapshot of this process, or a `ConfigError` with everything that is wrong."""
    snapshot = runtime().store.start()
    if known := secrets():
        known.commit()
        atexit.register(known.close)  # a child has none of what its parent took, and gives none of it back
    if (given := overrides()) and given.inherited and follow_overrides():
        runtime().store.rebase(*INHERITED)  # nothing of this child has read it yet
        snapshot = runtime().store.snapshot
    return snapshot


def current() -> Config:
    """The configuration this request, task or message is pinned to; elsewhere the newest."""
    snapshot = pinned.get()
    if snapshot is None:
        # Past the properties: this is read wherever a setting is.
        snapshot = (_runtime and _runtime.store._snapshot) or runtime().store.snapshot
    config: Config = snapshot.config
    return config


def _pace(config: Config) -> Pace:
    return Pace(config.reload.settle, config.reload.debounce, config.reload.poll_interval)


def _before_fork() -> None:
    """No child shall start from half a reload."""
    if _runtime is not None:
        _runtime.store.hold()


def _after_fork() -> None:
    if _runtime is not None:
        _runtime.store.release()


def _in_child() -> None:
    """A child has none of its parent's threads, and starts from the snapshot it inherited."""
    global _making  # noqa: PLW0603 # held or not at the fork, nobody in the child will release it
    _making = threading.Lock()
    if _runtime is not None:
        _runtime.store.rebase(*INHERITED)
        if known := secrets():
            known.after_fork()
        if given := overrides():
            given.after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
