"""Celery workers from outside: what tasks see, how they start and end, and what they answer to probes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.project import Project
from tests.support.server import COMMAND
from tests.support.waiting import eventually
from tests.worker.conftest import CHILDREN, Queue


def test_a_task_is_pinned_and_its_lines_name_both_digests(queue: Queue) -> None:
    worker = queue.worker()
    go = queue.folder / "go"
    with ThreadPoolExecutor(1) as sender:
        said = sender.submit(
            queue.script,
            f"import json; print(json.dumps(tasks.say_twice.delay({str(go)!r}).get(timeout=60)))",
            FLUENTPRO_SITE__BANNER="Another banner",  # the sender's configuration is another one
        )
        eventually(lambda: queue.noted()["began"], within=30)
        before = worker.agreed()
        queue.project.set("site.banner", "Meanwhile")
        eventually(lambda: worker.agreed() not in ("", before))
        go.touch()
        assert json.loads(said.result()) == ["Welcome to FluentPro (testing)"] * 2
    [line] = [line for line in worker.lines() if "succeeded in" in line["event"]]
    assert line["task"] == "tasks_of_tests.say_twice"
    assert line["config"] == before
    assert line["sent_config"] not in (before, worker.agreed(), None)
    after = json.loads(queue.script("import json; print(json.dumps(tasks.say.delay().get(timeout=60)))"))
    assert after[1] == "Meanwhile"
    assert worker.output
    assert not [line for line in worker.errors if "Traceback" in line]


def test_a_child_that_starts_later_starts_current(queue: Queue) -> None:
    worker = queue.worker()
    before = worker.agreed()
    queue.project.set("site.banner", "Newer")
    eventually(lambda: worker.agreed() not in ("", before))
    children = worker.children()
    assert len(children) == CHILDREN
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(worker.children() - children) == CHILDREN and worker.agreed())
    asked = "import json; print(json.dumps([tasks.say.delay().get(timeout=60) for _ in range(6)]))"
    said = json.loads(queue.script(asked))
    assert {banner for _, banner in said} == {"Newer"}
    assert {pid for pid, _ in said} <= worker.children()
    queue.project.set("site.banner", "Newest")
    eventually(lambda: len(worker.events("config.applied", generation=3)) >= CHILDREN + 1)
    assert {banner for _, banner in json.loads(queue.script(asked))} == {"Newest"}, "it follows, too"


def test_it_answers_what_every_process_type_answers(queue: Queue) -> None:
    worker = queue.worker()
    for probe in ("live", "ready", "startup"):
        answer = worker.get(f"/health/{probe}")
        assert (answer.status_code, answer.json()) == (200, {"status": "pass"})
        assert answer.headers["X-Config-Digest"] == worker.agreed()
    assert worker.get("/health").status_code == 401
    assert set(worker.health()["checks"]) == {"config-source", "database", "migrations", "redis"}
    assert worker.get("/api/v1/about").status_code == 404
    assert worker.request("POST", "/health/live").status_code == 405
    with ThreadPoolExecutor(16) as flood:
        assert {answer.status_code for answer in flood.map(worker.get, ["/health/ready"] * 200)} == {200}
    queue.valkey.stop()
    eventually(lambda: worker.get("/health/ready").status_code == 503)
    assert worker.check("redis")["observation"] == "Redis does not answer"
    assert worker.get("/health/live").status_code == 200
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, "it does not wait for a Redis that is gone"


def test_web_warns_where_no_worker_takes_tasks(queue: Queue) -> None:
    web = queue.web()
    assert web.check("celery")["status"] == "warn"
    assert "fluentpro serve --process worker" in web.check("celery")["observation"]
    assert web.check("redis")["status"] == "pass"
    assert web.get("/health/ready").json() == {"status": "warn"}
    worker = queue.worker()
    assert worker.agreed() == web.agreed() != "", "one release, one digest"
    eventually(lambda: web.check("celery")["status"] == "pass")
    eventually(lambda: web.get("/health/ready").json() == {"status": "pass"})
    queue.valkey.stop()
    eventually(lambda: web.check("redis")["status"] == "fail")
    ready = web.get("/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "warn"}), "the web does without"


def test_a_running_task_ends_before_the_worker_does(queue: Queue) -> None:
    worker = queue.worker()
    queue.script("tasks.work.delay('short', 1.5)")
    eventually(lambda: queue.noted()["begin-short"])
    worker.signal(signal.SIGTERM)
    eventually(lambda: worker.get("/health/ready").status_code == 503)
    assert worker.wait() == 0
    assert queue.noted()["short"] == 1


def test_a_task_that_runs_beyond_the_grace_goes_to_another_worker(queue: Queue) -> None:
    worker = queue.worker()
    queue.script("tasks.work_safely.delay('long', 8)")
    eventually(lambda: queue.noted()["begin-long"])
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert time.monotonic() - began < 7.5, "the grace is 3 s"
    assert queue.noted()["long"] == 0
    queue.worker()
    eventually(lambda: queue.noted()["long"] == 1, within=30)
    assert queue.noted()["begin-long"] == 2


def test_housekeeping_removes_the_sessions_that_have_ended(queue: Queue) -> None:
    queue.worker()
    store = "from django.contrib.sessions.backends.db import SessionStore as S\n"
    count = "from django.contrib.sessions.models import Session\n"
    left = queue.script(
        store
        + count
        + "from fluentpro.web.tasks import clear_sessions\nimport time\n"
        + "old, new = S(), S()\n"
        + "old.set_expiry(-60); old.save(); new['a'] = 1; new.save()\n"
        + "assert Session.objects.count() == 2\n"
        + "clear_sessions.delay()\n"
        + "until = time.monotonic() + 30\n"
        + "while Session.objects.count() > 1 and time.monotonic() < until: time.sleep(0.05)\n"
        + "print(Session.objects.count())"
    )
    assert left == "1"


def test_of_two_workers_one_sends_what_is_due(queue: Queue) -> None:
    sent = queue.script(
        """
        from fluentpro.web.tasks import clear_sessions
        from fluentpro.worker.queue import app
        from fluentpro.worker.schedule import Schedule, Shared
        first, second = Shared(app), Shared(app)
        assert list(first.schedule) == ["clear-sessions"]
        for each in (first, second, first):
            each.apply_entry(each.schedule["clear-sessions"])
        thread = Schedule(app)
        thread.start()
        thread.stop()
        assert not thread._thread.is_alive()
        with app.connection_for_read() as connection:
            waiting = connection.SimpleQueue("celery")
            waiting.get(timeout=10).ack()
            try:
                waiting.get(timeout=1)
                print("two")
            except waiting.Empty:
                print("one")
        """
    )
    assert sent == "one"


def test_without_a_redis_there_is_no_worker(project: Project) -> None:
    done = _serve(project)
    assert done.returncode == 78
    assert "redis.url is not set" in done.stderr
    assert "fix: " in done.stderr


def test_a_wrong_password_is_a_matter_of_permission(queue: Queue) -> None:
    queue.password("a wrong one")
    done = _serve(queue.project)
    assert done.returncode == 77
    assert f"the Redis at 127.0.0.1:{queue.valkey.port} denies the password" in done.stderr
    assert "a wrong one" not in done.stderr


@pytest.mark.parametrize("frozen", [True, False])
def test_a_redis_that_is_not_there_is_waited_for_and_named(
    queue: Queue, frozen: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    from fluentpro.cli.worker import reach
    from fluentpro.schema.redis import Redis

    queue.valkey.freeze() if frozen else queue.valkey.stop()
    redis = Redis(url=queue.valkey.url, connect_timeout=0.2, socket_timeout=0.2)
    with pytest.raises(SystemExit) as ended:
        reach(redis, wait=0.5)
    assert ended.value.code == 69
    assert f"no answer from the Redis at 127.0.0.1:{queue.valkey.port} for 0.5 s" in capsys.readouterr().err


def _serve(project: Project) -> subprocess.CompletedProcess[str]:
    from tests.support.process import Process

    environ = Process(project, "worker").environ
    command = [str(COMMAND), "serve", "--process", "worker"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
