"""`/metrics`: whichever worker answers, it answers for all."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import Project
from tests.support.server import Server
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[Server]:
    """Three workers, so that one alone can't be right by chance."""
    project = Project.make(tmp_path_factory.mktemp("three") / "project", database)
    server = Server(project, workers=3).start()
    yield server
    server.end()


def files(server: Server) -> set[str]:
    """The files in which the workers count."""
    targets = [entry.readlink() for pid in server.children() for entry in Path(f"/proc/{pid}/fd").iterdir()]
    (folder,) = {target.parent for target in targets if target.suffix == ".db"}
    return {path.name for path in folder.iterdir()}


def missing(server: Server) -> float:
    return server.metrics()["fluentpro_requests_total"].get(
        frozenset({("method", "GET"), ("status", "404")}), 0
    )


def test_counts_of_all_workers_add_up(three: Server) -> None:
    before = missing(three)
    seconds = three.metric("fluentpro_request_seconds_count")
    for _ in range(45):
        assert three.get("/api/nothing").status_code == 404
    for _ in range(5):
        assert missing(three) == before + 45
    assert three.metric("fluentpro_request_seconds_count") >= seconds + 45
    answered = {line["pid"] for line in three.events("request", path="/api/nothing")}
    assert len(answered) > 1, "more than one worker counted"


def test_every_name_of_the_contract_is_there(three: Server) -> None:
    samples = three.metrics()
    assert {
        "fluentpro_config_last_reload_successful",
        "fluentpro_config_last_reload_success_timestamp_seconds",
        "fluentpro_config_reloads_total",
        "fluentpro_config_reload_seconds_count",
        "fluentpro_config_generation",
        "fluentpro_config_info",
        "fluentpro_health_status",
        "fluentpro_requests_total",
    } <= samples.keys()
    outcomes = {dict(labels)["outcome"] for labels in samples["fluentpro_config_reloads_total"]}
    assert outcomes == {"applied", "unchanged", "refused"}, "an alert needs the zeros, too"
    checks = {dict(labels)["check"] for labels in samples["fluentpro_health_status"]}
    assert {"config-source", "database", "migrations"} <= checks


def test_only_configurations_in_use_are_shown(three: Server) -> None:
    three.project.restore()
    first = eventually(three.agreed)
    three.project.set("site.banner", "measured")
    eventually(lambda: three.serves("measured"))
    assert list(three.digests().values()) == [3]
    assert first not in three.digests()
    three.project.restore()
    eventually(lambda: three.agreed() == first)


def test_a_worker_that_died_is_counted_no_more_and_what_it_counted_stays(three: Server) -> None:
    three.project.restore()
    eventually(lambda: three.agreed() and three.successful())
    eventually(lambda: len(three.metrics()["fluentpro_health_status"]) >= 3)
    for _ in range(9):
        three.get("/api/nothing")
    before, kept, kinds = missing(three), three.agreed(), files(three)
    for _ in range(3):
        victim = max(three.children())
        os.kill(victim, signal.SIGKILL)
        eventually(lambda gone=victim: gone not in three.children() and len(three.children()) == 3)
        eventually(lambda: three.digests() == {kept: 3})
        assert missing(three) == before
    assert files(three) == kinds, "a successor counts on in the same files: they don't pile up"


def test_the_gauges_of_a_refusal_are_the_worst_of_all_workers(three: Server) -> None:
    three.project.restore()
    eventually(lambda: three.agreed() and three.successful())
    refused = three.reloads("refused")
    three.project.break_off()
    eventually(lambda: three.reloads("refused") >= refused + 3)
    succeeded = three.metric("fluentpro_config_last_reload_success_timestamp_seconds")
    three.project.touch()
    eventually(lambda: three.reloads("refused") >= refused + 6)
    assert three.metric("fluentpro_config_last_reload_successful") == 0
    assert three.metric("fluentpro_health_status", check="config-source") == 0.5
    assert three.metric("fluentpro_config_last_reload_success_timestamp_seconds") == succeeded
    three.project.restore()
    eventually(three.successful)
    eventually(lambda: three.metric("fluentpro_health_status", check="config-source") == 1)
    assert three.metric("fluentpro_config_last_reload_success_timestamp_seconds") > succeeded
