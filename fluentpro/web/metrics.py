"""Prometheus metrics, right under several gunicorn processes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
    multiprocess,
)
from prometheus_client import REGISTRY as PROCESS
from prometheus_client.registry import Collector

from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Outcome, Result
from fluentpro.health.check import Status, Verdict
from fluentpro.schema import Config

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper

CONTENT_TYPE = CONTENT_TYPE_LATEST

SUCCESSFUL = Gauge(
    "fluentpro_config_last_reload_successful",
    "Whether the last try of the sources was good (1) or refused (0); 0 if any process refused.",
    multiprocess_mode="livemin",
)
SUCCEEDED_AT = Gauge(
    "fluentpro_config_last_reload_success_timestamp_seconds",
    "Unix time of the last good try of the sources; the oldest of all processes.",
    multiprocess_mode="livemin",
)
RELOADS = Counter("fluentpro_config_reloads", "Tries of the sources by what became of them.", ["outcome"])
SECONDS = Histogram(
    "fluentpro_config_reload_seconds",
    "How long a try of the sources took.",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
GENERATION = Gauge(
    "fluentpro_config_generation",
    "Swaps since the start; the highest of all processes.",
    multiprocess_mode="livemax",
)
INFO = Gauge(
    "fluentpro_config_info",
    "How many processes run the configuration with this digest.",
    ["digest", "environment"],
    multiprocess_mode="livesum",
)
HEALTH = Gauge(
    "fluentpro_health_status",
    "A check's status: 1 pass, 0.5 warn, 0 fail; the worst of all processes.",
    ["check"],
    multiprocess_mode="livemin",
)
REQUESTS = Counter("fluentpro_requests", "Requests by method and status.", ["method", "status"])
REQUEST_SECONDS = Histogram("fluentpro_request_seconds", "How long requests took.")
FALLBACKS = Counter(
    "fluentpro_secret_key_fallback_uses",
    "Signatures that only an earlier secret key, or the next one, could check.",
    ["key"],
)
WEBSOCKETS = Gauge(
    "fluentpro_websockets", "WebSockets that are open; of all processes.", multiprocess_mode="livesum"
)

VAULT_TOKEN = Gauge(
    "fluentpro_vault_token_ttl_seconds",
    "Seconds that the Vault token still lives; the least of all processes.",
    multiprocess_mode="livemin",
)
VAULT_REQUESTS = Counter("fluentpro_vault_requests", "Requests sent to the Vault.")
LEASE = Gauge(
    "fluentpro_lease_remaining_seconds",
    "Seconds that a credential still lives; the least of all processes.",
    ["lease"],
    multiprocess_mode="livemin",
)

_VALUES = {Status.PASS: 1.0, Status.WARN: 0.5, Status.FAIL: 0.0}


def started(snapshot: Snapshot[Config]) -> None:
    """Count the first snapshot of this process; every outcome has its line from the start."""
    for outcome in Result:
        RELOADS.labels(outcome.value)
    SUCCESSFUL.set(1)
    SUCCEEDED_AT.set(snapshot.loaded_at)
    GENERATION.set(snapshot.generation)
    INFO.labels(snapshot.digest, snapshot.environment).set(1)


def rebind(old: Snapshot[Config], new: Snapshot[Config]) -> None:
    """Move this process from one digest to the other."""
    GENERATION.set(new.generation)
    INFO.labels(old.digest, old.environment).set(0)
    INFO.labels(new.digest, new.environment).set(1)


def acknowledge(outcome: Outcome[Config]) -> None:
    """Count what became of a try."""
    RELOADS.labels(outcome.result.value).inc()
    SECONDS.observe(outcome.seconds)
    refused = outcome.result is Result.REFUSED
    SUCCESSFUL.set(0 if refused else 1)
    if not refused:
        SUCCEEDED_AT.set_to_current_time()


def judge(verdicts: Iterable[Verdict]) -> None:
    """Publish the checks' statuses."""
    for verdict in verdicts:
        HEALTH.labels(verdict.name).set(_VALUES[verdict.status])


def vault(keeper: Keeper) -> None:
    """Publish what is known of the Vault, the token and the leases."""
    from fluentpro.health.secret_backend import secret_backend  # takes hvac, which few environments need

    now, secrets = keeper.clock(), keeper.secrets
    VAULT_REQUESTS.inc(secrets.count_requests())
    if secrets.token:
        VAULT_TOKEN.set(secrets.token.remaining(now))
    for place, document in secrets.documents.items():
        if loan := document.loan:
            LEASE.labels(str(place)).set(loan.remaining(now))
    judge([secret_backend(secrets)])


def page() -> bytes:
    """All processes' metrics in Prometheus' text format."""
    registry = PROCESS
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # fluentpro.web.server names it
        registry = CollectorRegistry()
        _Everyone(registry)
    return generate_latest(registry)


class _Everyone(Collector):
    """All processes' metrics, without the digests that no process runs any more."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._all = multiprocess.MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        for metric in self._all.collect():  # type: ignore[no-untyped-call]
            if metric.name == "fluentpro_config_info":
                metric.samples = [sample for sample in metric.samples if sample.value]
            yield metric
