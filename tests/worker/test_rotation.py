"""What happens to tasks while the queue's password, its server, or the connection changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fluentpro.schema.redis import Redis
from fluentpro.worker.address import ASKS, address
from tests.support.valkey import Valkey
from tests.support.waiting import eventually
from tests.worker.conftest import Queue

SENT = 40


@pytest.mark.parametrize("task", ["work", "work_safely"])
@pytest.mark.parametrize("cut", [False, True])
def test_no_task_is_lost_while_the_password_rotates(queue: Queue, task: str, *, cut: bool) -> None:
    """With `cut`, every connection is ended while the new password is not known here yet."""
    worker = queue.worker()
    names = [f"{task}-{number}" for number in range(SENT)]
    with ThreadPoolExecutor(1) as sender:
        worker.output.clear()
        send = f"for name in {names!r}: tasks.{task}.delay(name, 0.3)\ntasks.note('all sent')"
        sent = sender.submit(queue.script, send)
        eventually(lambda: queue.noted()["all sent"], within=40)
        for turn in range(2):
            eventually(lambda: worker.get("/health/ready").status_code == 200)
            known = sum(queue.noted().values())
            eventually(lambda known=known: sum(queue.noted().values()) > known, within=40)
            assert sum(queue.noted()[name] for name in names) < SENT, "else nothing is seen here"
            password = f"password number {turn}"
            queue.valkey.ask("CONFIG", "SET", "requirepass", password)
            queue.valkey.password = password
            if cut:
                assert int(queue.valkey.ask("CLIENT", "KILL", "TYPE", "normal").lstrip(":")) > 0
                eventually(lambda: [line for line in worker.lines() if "Cannot connect" in line["event"]])
            queue.password(password)
            eventually(lambda count=turn + 2: len(worker.events("config.applied", generation=count)) >= 3)
            if cut:
                eventually(lambda: [line for line in worker.lines() if "Connected to" in line["event"]])
            worker.output.clear()
        sent.result()
    # At each cut, a message and an acknowledgement may have been on their way: see docs/process-types.md.
    least = SENT - 2 if cut else SENT
    eventually(lambda: sum(queue.noted()[name] > 0 for name in names) >= least, within=40)
    assert sum(queue.noted()[name] > 1 for name in names) <= SENT - least, "none is done twice"
    assert worker.get("/health/ready").status_code == 200
    assert not any("password number" in line for line in [*worker.output, *worker.errors])


def test_tasks_are_taken_from_the_server_that_the_address_names_now(queue: Queue) -> None:
    worker = queue.worker()
    queue.script("tasks.work.delay('old')")
    eventually(lambda: queue.noted()["old"] == 1)
    other = Valkey(queue.folder / "other", password=queue.valkey.password).start()
    try:
        before = worker.agreed()
        queue.project.set("redis.url", other.url)
        eventually(lambda: worker.agreed() not in ("", before))
        queue.script("tasks.work.delay('new')")
        eventually(lambda: queue.noted()["new"] == 1)
        assert worker.get("/health/ready").status_code == 200
        queue.valkey.stop()
        queue.script("tasks.work.delay('newer')")
        eventually(lambda: queue.noted()["newer"] == 1)
    finally:
        other.stop()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache:6379", f"redis://cache:6379/1?{ASKS}"),
        ("rediss://anna@cache:6380", f"rediss://cache:6380/1?{ASKS}"),
        ("redis://[::1]:6379", f"redis://[::1]:6379/1?{ASKS}"),
        ("unix:///run/valkey.sock", f"redis+socket:///run/valkey.sock?virtual_host=1&{ASKS}"),
    ],
)
def test_the_address_is_in_kombus_words_and_has_no_password(url: str, expected: str) -> None:
    redis = Redis.model_validate({"url": url, "password": "canary"})
    assert address(redis) == expected
