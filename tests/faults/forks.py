"""A process that forks while its watch reloads; says as JSON what parent and children saw."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Listener, Result
from fluentpro.process import boot, current, runtime
from fluentpro.schema import Config
from tests.support.project import SETTINGS, Project, changed

CHILDREN = 20
HALVES = ["", ""]
"""What a listener makes of each swap, one half after the other."""


def make_halves(_: object, new: Snapshot[Config]) -> None:
    """Take as long as a listener may that makes things anew."""
    HALVES[0] = new.config.site.name
    time.sleep(0.01)
    HALVES[1] = new.config.site.name


def child(project: Project, number: int) -> dict[str, object]:
    """Nothing of the parent's threads is there, no lock is held, and an own watch works."""
    process = runtime()
    answer: dict[str, object] = {
        "threads": threading.active_count(),
        "started": process.started,
        "whole": current().site.name == current().site.banner and HALVES[0] == HALVES[1],
        "reloaded": process.store.reload("child").result is not Result.REFUSED,
    }
    process.stop()  # the parent's watch is not this process's to end
    if number == 0:  # one is enough to see that it can
        process.start()
        heard = threading.Event()
        process.store.acknowledge = [lambda _: current().email.host == "child.example" and heard.set()]
        other = changed(project.read("settings.toml"), "email.host", "child.example")
        project.replace("settings.toml", other)
        answer["followed"] = heard.wait(10)
        process.stop()
        answer["left"] = threading.active_count()
    return answer


def fork(project: Project, number: int) -> dict[str, object]:
    """What one child says; `None` for its answer if it hangs."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a lock that nobody will release
        os.write(writer, json.dumps(child(project, number)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    return {"status": status, **json.loads(text or "{}")}


def main(root: Path) -> None:
    """Fork again and again, while another thread writes and the watch reloads."""
    project, stop, count = Project(root), threading.Event(), 0
    boot()
    process = runtime()
    process.store.listeners = [Listener("halves", make_halves)]
    process.start()

    def write() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            text = changed(project.read(), "site.name", f"word {count}")
            project.replace(SETTINGS, changed(text, "site.banner", f"word {count}"))
            stop.wait(0.003)

    writer = threading.Thread(target=write)
    writer.start()
    while process.store.snapshot.generation < 3:
        time.sleep(0.01)
    children = [fork(project, number) for number in range(CHILDREN)]
    generation = process.store.snapshot.generation
    while process.store.snapshot.generation == generation:
        time.sleep(0.01)
    stop.set()
    writer.join()
    process.stop()
    sys.stdout.write(json.dumps({"children": children, "threads": threading.active_count()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
