"""The checks of a Django process: its configuration's sources, its database, its migrations."""

from __future__ import annotations

import time
from collections.abc import Sequence

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from fluentpro.config.runtime import Runtime
from fluentpro.health.check import Check, Observation, Status, Verdict
from fluentpro.health.checker import Checker, Timing
from fluentpro.health.probes import Probes
from fluentpro.process import runtime
from fluentpro.schema import Config


def config_source(of: Runtime[Config]) -> Verdict:
    """What there is to say of the configuration: a refused change or a deaf watch is a warning."""
    status = of.store.status
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
    text = "; ".join(texts) or "in step with its sources"
    verdict = Status.WARN if texts else Status.PASS
    return Verdict("config-source", verdict, False, text, facts, age=time.time() - status.tried_at)


def database() -> Observation:
    """One query over a connection of the check's own thread."""
    connection = connections[DEFAULT_DB_ALIAS]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    finally:
        connection.close()
    return Observation(Status.PASS, f"{connection.vendor} answers")


def migrations() -> Observation:
    """Whether the database has the tables that this code expects."""
    connection = connections[DEFAULT_DB_ALIAS]
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
    return Observation(Status.PASS, "all applied")


def _timing() -> Timing:
    health = runtime().store.snapshot.config.health
    return Timing(health.interval, health.timeout, health.failures_before_down)


def verdicts() -> Sequence[Verdict]:
    """Everything that is known of this process's dependencies."""
    return (config_source(runtime()), *checker.verdicts())


checker = Checker((Check("database", database), Check("migrations", migrations)), _timing)
probes = Probes(verdicts, lambda: runtime().alive and checker.alive)
