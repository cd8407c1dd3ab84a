"""Which configuration a task was sent under, and under which it runs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

import structlog
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.core.signals import request_finished, request_started

from fluentpro.config.pin import pin, pinned
from fluentpro.process import runtime

HEADER: Final = "config_digest"
"""The message's header that says under which configuration it was sent."""

_running: dict[str, ExitStack] = {}


def connect() -> None:
    """Have every message and every task of this process marked."""
    before_task_publish.connect(mark, weak=False)
    task_prerun.connect(begin, weak=False)
    task_postrun.connect(end, weak=False)


def mark(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Say in a message's headers which configuration sends it."""
    if headers is not None:
        headers[HEADER] = (pinned.get() or runtime().store.snapshot).digest


def begin(task_id: str, task: Any, **_: Any) -> None:
    """Pin the snapshot that a task sees from its first to its last line, and name it in its log lines."""
    with ExitStack() as stack:
        stack.enter_context(pin(runtime().store.snapshot))
        sent = sent_under(task.request)
        stack.enter_context(
            structlog.contextvars.bound_contextvars(task=task.name, task_id=task_id, sent_config=sent)
        )
        if not task.request.is_eager:
            request_started.send(sender=type(task))  # as a request: no old connection is used
            stack.callback(request_finished.send, sender=type(task))
        _running[task_id] = stack.pop_all()


def end(task_id: str, **_: Any) -> None:
    """Let the snapshot go."""
    if stack := _running.pop(task_id, None):
        stack.close()


def sent_under(request: Any) -> str | None:
    """The digest in a message's headers; None where another program sent it."""
    digest = request.get(HEADER) or (request.headers or {}).get(HEADER)
    return str(digest) if digest else None
