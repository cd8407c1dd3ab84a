"""The checks of a Django process: its configuration's sources, its database, its migrations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from fluentpro.config.runtime import Runtime
from fluentpro.health.check import Check, Observation, Status, Verdict
from fluentpro.health.checker import Checker, Timing
from fluentpro.health.probes import Probes
from fluentpro.process import runtime, secrets
from fluentpro.schema import Config
from fluentpro.web import database as database_module
from fluentpro.web.database import follow

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper

ALL_APPLIED = Observation(Status.PASS, "all applied")
_migrated: object = None
"""The settings of the database that was found to have all its tables."""
STUCK = 10.0
"""Seconds beyond `reload.poll_interval` without a look at the files, after which the watch is stuck."""


def config_source(of: Runtime[Config]) -> Verdict:
    """What there is to say of the configuration: a refused change or a deaf watch is a warning."""
    status, config = of.store.status, of.store.boot.config
    looked = of.looked_at if of.started else None
    age = time.time() - status.tried_at if looked is None else time.monotonic() - looked
    facts = {
        "digest": status.snapshot.digest,
        "generation": status.snapshot.generation,
        "loaded_at": status.snapshot.loaded_at,
        "pending_restart": list(status.pending_restart),
        "errors": [item.as_dict() for item in status.error.findings] if status.error else [],
        "failed_listeners": [failure.listener for failure in status.failures],
    }
    texts = []
    if status.error:
        texts.append("the last change was refused, the one before it serves on")
    if status.failures:
        texts.append("not everything took up the last change")
    if of.polling:
        texts.append("no file watches: changes are found by polling")
    if of.trouble:
        texts.append(f"the files can't be looked at: {of.trouble}")
    elif of.started and age > STUCK + config.reload.poll_interval:
        texts.append(f"the files were not looked at for {age:.0f} s")
    good = "in step with its sources" if config.reload.enabled else "changes wait for SIGHUP or a restart"
    verdict = Status.WARN if texts else Status.PASS
    return Verdict("config-source", verdict, False, "; ".join(texts) or good, facts, age=age)


def database() -> Observation:
    """One query over a connection of the check's own thread."""
    follow()
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        database_module.doubt()
        raise
    finally:
        connection.close()
    return Observation(Status.PASS, f"{connection.vendor} answers")


def migrations() -> Observation:
    """Whether the database has the tables that this code expects; once it has, it is not asked again."""
    global _migrated  # noqa: PLW0603 # belongs to the process's database, as its connections do
    follow()
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.settings_dict is _migrated:
        return ALL_APPLIED
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connection.close()
    if plan:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
        return Observation(
            Status.FAIL, f"{len(plan)} not applied: run `manage.py migrate`", {"missing": names}
        )
    _migrated = connection.settings_dict
    return ALL_APPLIED


def _timing() -> Timing:
    health = runtime().store.snapshot.config.health
    return Timing(health.interval, health.timeout, health.failures_before_down)


def verdicts() -> Sequence[Verdict]:
    """Everything that is known of this process's dependencies."""
    return (config_source(runtime()), *_secret_backend(), *checker.verdicts())


def _revive() -> bool:
    return runtime().revive() and checker.revive() and (keeper is None or keeper.revive())


def _secret_backend() -> Sequence[Verdict]:
    if known := secrets():
        from fluentpro.health.secret_backend import secret_backend

        return (secret_backend(known),)
    return ()


keeper: Keeper | None = None
"""What keeps the secrets current; None where no Vault is enabled."""
checker = Checker((Check("database", database), Check("migrations", migrations)), _timing)
probes = Probes(verdicts, _revive)
