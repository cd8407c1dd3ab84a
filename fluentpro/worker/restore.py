"""After a lost connection to the queue: what was begun is done once, and what was not goes back at once.

Redis keeps what a worker took until it is acknowledged, or for `visibility_timeout`. Kombu acknowledges
over the connection that brought it, and gives everything back when it closes that one: of a task that is
running, too, and nothing at all where the password was changed meanwhile.
"""

from __future__ import annotations

from typing import Any, Final

from celery.bootsteps import StartStopStep
from celery.signals import task_received
from celery.worker.consumer import Consumer

LOOK: Final = 1.0
"""Seconds between two looks for acknowledgements that failed."""

taken: dict[str, Any] = {}
"""Requests that Redis may still keep for this process, by their delivery tag."""
strays: set[str] = set()
"""What came and was no request yet when the connection was lost."""


def take(request: Any, **_: Any) -> None:
    """Remember a task that was taken; forget those that Redis knows to be done."""
    for tag in [tag for tag, known in taken.items() if known.message.acknowledged]:
        del taken[tag]
    taken[request.message.delivery_tag] = request


class Taker(Consumer):
    """Celery's consumer, which leaves running tasks out of what kombu gives back."""

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Close the connection that is lost."""
        held: Any = getattr(self, "task_consumer", None)  # there once it was connected
        if held is not None:
            delivered = held.channel.qos._delivered
            strays.update(set(delivered) - taken.keys() - held.channel.qos._dirty)
            for tag, request in taken.items():
                if request.time_start:
                    delivered.pop(tag, None)
        super().on_connection_error_after_connected(exc)


class GiveBack(StartStopStep):
    """A step of the consumer, taken with each connection that is made."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.looks: Any = None
        self.unheard: set[str] = set()
        """What Redis was told to be done, and had not heard at the last look."""
        task_received.connect(take, weak=False)

    def start(self, parent: Any) -> None:
        """Say of each task, over the new connection, what the old one could not."""
        channel = parent.task_consumer.channel
        for tag, request in list(taken.items()):
            if not request.acknowledged and request.time_start:
                request.message.channel = channel  # it runs on, and will say so itself
                continue
            if not request.acknowledged:
                channel.qos.restore_by_tag(tag)  # which does nothing if kombu gave it back already
            elif not request.message.acknowledged:
                channel.qos._remove_from_indices(tag).execute()
            del taken[tag]
        while strays:
            tag = next(iter(strays))
            channel.qos.restore_by_tag(tag)
            strays.discard(tag)
        self.unheard = set()
        self.looks = parent.timer.call_repeatedly(LOOK, self.look, (parent,))

    def stop(self, parent: Any) -> None:
        """The connection is gone."""
        if self.looks:
            parent.timer.cancel(self.looks)
            self.looks = None

    def look(self, parent: Any) -> None:
        """Connect anew where an acknowledgement failed: Celery logs that, and would wait for it for ever."""
        unheard = {
            tag for tag, request in taken.items() if request.acknowledged and not request.message.acknowledged
        }
        if unheard & self.unheard:
            parent.call_soon(connect_anew)
        self.unheard = unheard


def connect_anew() -> None:
    """Let the consumer's loop fail as it does when a connection breaks: it knows how to go on."""
    raise ConnectionError("the connection to the queue is given up")
