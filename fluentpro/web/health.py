"""The checks of a Django process: its configuration's sources, its database, its Redis, its workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from fluentpro.config.runtime import Runtime
from fluentpro.fleet.overrides import Overrides
from fluentpro.fleet.ping import Answer, ping
from fluentpro.health.check import Check, Observation, Status, Verdict
from fluentpro.health.checker import Checker, Timing
from fluentpro.health.probes import Probes
from fluentpro.process import runtime, secrets
from fluentpro.schema import Config
from fluentpro.web import database as database_module
from fluentpro.web import fleet
from fluentpro.web.database import follow

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper
    from fluentpro.web.wiring import Role

ALIVE = "celery:alive"
"""The key in the cache that is there while some worker takes tasks."""
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
    if isinstance(of.sources.overrides, Overrides) and (problem := of.sources.overrides.problem):
        texts.append(f"overrides could not be read, those that are known stay: {problem}")
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


def redis() -> Observation:
    """One command over a new connection: the address and the password of now."""
    config = runtime().store.snapshot.config.redis
    if config.url is None:
        return Observation(Status.PASS, "no Redis is configured any more")
    answer = ping(config, config.cache_db)
    return Observation(Status.PASS if answer is Answer.GIVEN else Status.FAIL, f"Redis {answer.value}")


def celery() -> Observation:
    """Whether some worker takes tasks: each says so in the cache, every 2 s."""
    if cache.get(ALIVE) is None:
        return Observation(Status.WARN, "no worker takes tasks: run `fluentpro serve --process worker`")
    return Observation(Status.PASS, "a worker takes tasks")


def checks(role: Role) -> tuple[Check, ...]:
    """What a process of this type depends on, as it is configured at the start."""
    config = runtime().store.snapshot.config
    found = [Check("database", database), Check("migrations", migrations)]
    if config.redis.url:
        found.append(Check("redis", redis, required=role == "worker"))
        if config.features.celery and role == "web":
            found.append(Check("celery", celery, required=False))
    return tuple(found)


def _timing() -> Timing:
    health = runtime().store.snapshot.config.health
    return Timing(health.interval, health.timeout, health.failures_before_down)


def verdicts() -> Sequence[Verdict]:
    """Everything that is known of this process's dependencies."""
    return (config_source(runtime()), *_secret_backend(), *checker.verdicts())


def revive() -> bool:
    """Start threads of this process again that died; False if that can't be done."""
    return all(
        (
            runtime().revive(),
            checker.revive(),
            keeper is None or keeper.revive(),
            fleet.member is None or fleet.member.revive(),
        )
    )


def healthy() -> bool:
    """Whether every check ran since the last change of the configuration, and none that is needed failed."""
    since = time.time() - runtime().store.snapshot.loaded_at
    return all(item.age < since and item.ready is not Status.FAIL for item in checker.verdicts())


def _secret_backend() -> Sequence[Verdict]:
    if known := secrets():
        from fluentpro.health.secret_backend import secret_backend

        return (secret_backend(known),)
    return ()


keeper: Keeper | None = None
"""What keeps the secrets current; None where no Vault is enabled."""
checker = Checker((), _timing)
probes = Probes(verdicts, revive)
