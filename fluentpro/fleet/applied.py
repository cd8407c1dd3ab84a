"""Which configuration produced this? Each one that served is written down once, without its secrets."""

from __future__ import annotations

from fluentpro import __version__
from fluentpro.config.explain import effective
from fluentpro.config.snapshot import C, Snapshot, diff
from fluentpro.fleet.changes import as_dict
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.revision import Applied


def record(ledger: Ledger, snapshot: Snapshot[C], previous: Snapshot[C] | None, trigger: str) -> None:
    """Write down what a digest stands for, unless that is known; raises `LedgerError`."""
    ledger.record(applied(snapshot, previous, trigger))


def applied(snapshot: Snapshot[C], previous: Snapshot[C] | None, trigger: str) -> Applied:
    """What there is to say of a snapshot that serves: `previous` served before it, if any did."""
    values = effective(snapshot.candidate, type(snapshot.config)).values()
    return Applied(
        snapshot.digest,
        snapshot.environment,
        __version__,
        previous.digest if previous else "",
        trigger,
        snapshot.loaded_at,
        [as_dict(change) for change in diff(previous.config, snapshot.config)] if previous else [],
        {item.setting.key: {"value": item.data, "origin": item.source} for item in values},
    )
