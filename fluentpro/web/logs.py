"""One log format for our lines, Django's and gunicorn's; each line with request id and config digest."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from fluentpro.config.pin import pinned
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Outcome, Result
from fluentpro.schema import Config

log = structlog.stdlib.get_logger("fluentpro")


def configure(config: Config, digest: Callable[[], str]) -> None:
    """Set form and level of every line of this process; `digest` tells the newest snapshot's."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _digest_adder(digest),
        _add_pid,
    ]
    # A traceback shows code, never a local variable: one could be a secret.
    render: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    if config.logging.format == "console":
        plain = structlog.dev.plain_traceback
        render = [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    root = logging.getLogger()
    handler = next((item for item in root.handlers if isinstance(item, _Stdout)), None)
    if handler is None:
        handler = _Stdout()
        root.addHandler(handler)
    handler.setFormatter(formatter)
    set_level(config.logging.level)


class _Stdout(logging.StreamHandler[Any]):
    """Our one handler: a twelve-factor process logs to its standard output, whichever that is now."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        """Where lines go."""
        return sys.stdout


def set_level(level: str) -> None:
    """The least serious kind of line that is logged, for us, Django and gunicorn."""
    logging.getLogger().setLevel(level)
    for name in ("django", "gunicorn.error", "fluentpro"):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = True
    # Our middleware logs each request with its status; what Django adds is the traceback, if there is one.
    requests = logging.getLogger("django.request")
    requests.setLevel(max(logging.getLevelName(level), logging.ERROR))
    requests.filters = [_has_traceback]
    logging.getLogger("django.server").propagate = True
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    # At DEBUG it writes out what each template is filled with: the page for errors has local variables.
    logging.getLogger("django.template").setLevel(max(logging.getLevelName(level), logging.INFO))


def _has_traceback(record: logging.LogRecord) -> bool:
    return bool(record.exc_info)


def rebind(old: Snapshot[Config], new: Snapshot[Config]) -> None:
    """Take up a changed level or form."""
    if old.config.logging != new.config.logging:
        from fluentpro.process import runtime

        configure(new.config, lambda: runtime().store.snapshot.digest)


def acknowledge(outcome: Outcome[Config]) -> None:
    """One event for each reload that did something or was refused; a refusal is told once."""
    facts = {"trigger": outcome.trigger, "seconds": round(outcome.seconds, 4)}
    if outcome.result is Result.APPLIED:
        changed = {change.key: f"{change.old} -> {change.new}" for change in outcome.changes}
        log.info("config.applied", generation=outcome.snapshot.generation, changed=changed, **facts)
        for failure in outcome.failures:
            log.error("config.listener_failed", listener=failure.listener, error=failure.error)
    elif outcome.error and not outcome.repeated:
        findings = [
            f"{item.code} {item.key} {item.message} ({item.origin})" for item in outcome.error.findings
        ]
        log.error("config.refused", errors=findings, kept=outcome.snapshot.digest, **facts)
    elif outcome.restored:
        log.info("config.restored", **facts)
    else:
        log.debug("config.unchanged", repeated=outcome.repeated, **facts)


def warn(event: str, detail: str) -> None:
    """A degraded or restarted watch."""
    log.warning(event, cause=detail)


def _add_pid(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["pid"] = os.getpid()
    return event


def _digest_adder(digest: Callable[[], str]) -> Processor:
    def add(_logger: Any, _method: str, event: EventDict) -> EventDict:
        snapshot = pinned.get()
        event["config"] = snapshot.digest if snapshot else digest()
        return event

    return add
