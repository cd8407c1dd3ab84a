"""How the records of processes are judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.looks import lagging
from fluentpro.fleet.registry import Process, Record, State, judge

OLD = Record("host/web/1", "host", "web", 1, "aaaa", since=100.0)
NEW = replace(OLD, process="host/web/2", pid=2, digest="bbbb", since=200.0)


def states(*records: tuple[Record, float]) -> dict[str, State]:
    return {item.process: item.state for item in judge(records, stale_after=10.0)}


def test_what_changed_last_is_what_all_should_run() -> None:
    assert states((OLD, 1.0), (NEW, 1.0)) == {"host/web/1": State.STALE, "host/web/2": State.SYNCED}


def test_whoever_is_silent_does_not_say_what_all_should_run() -> None:
    assert states((OLD, 1.0), (NEW, 11.0)) == {"host/web/1": State.SYNCED, "host/web/2": State.STALE}


def test_a_canary_does_not_make_the_others_stale_nor_is_it() -> None:
    ahead = replace(NEW, canary=True)
    assert states((OLD, 1.0), (ahead, 1.0)) == {"host/web/1": State.SYNCED, "host/web/2": State.SYNCED}


def test_a_refusal_is_shown_before_the_lag_that_it_causes() -> None:
    refused = replace(OLD, error="CFG204 site.banner: too long")
    assert states((refused, 1.0), (NEW, 1.0))["host/web/1"] is State.REJECTED


def test_what_waits_for_a_restart_is_shown_where_all_else_is_well() -> None:
    waiting = replace(NEW, pending_restart=("server.workers",))
    assert states((OLD, 1.0), (waiting, 1.0))["host/web/2"] is State.RESTART


def test_the_list_is_sorted_by_process_type_and_name() -> None:
    worker = replace(OLD, process="host/worker/0", role="worker", pid=0)
    assert [item.process for item in judge([(worker, 0), (NEW, 0), (OLD, 0)], 10)] == [
        "host/web/1",
        "host/web/2",
        "host/worker/0",
    ]


@pytest.mark.parametrize(
    ("digest", "late"),
    [("bbbb", ["host/web/1"]), ("bb", ["host/web/1"]), ("cccc", ["host/web/1", "host/web/2"])],
)
def test_whoever_lags_behind_a_digest_is_told(digest: str, late: list[str]) -> None:
    processes = judge([(OLD, 1.0), (NEW, 1.0)], 10.0)
    assert [item.process for item in lagging(processes, digest)] == late


def test_whoever_is_silent_lags_whatever_it_ran() -> None:
    assert [item.process for item in lagging(judge([(NEW, 60.0)], 10.0), "bbbb")] == ["host/web/2"]


def test_a_record_survives_the_registry() -> None:
    record = replace(NEW, pending_restart=("server.workers",), secrets={"kv/x": "3"}, revision=4)
    assert Record.parse(record.text()) == record


def test_a_record_of_a_later_release_is_read_as_far_as_it_is_known() -> None:
    text = NEW.text().replace("{", '{"later": [1], ', 1)
    assert Record.parse(text) == NEW


@given(st.text() | st.recursive(st.none() | st.booleans() | st.integers(), st.lists).map(str))
def test_whatever_stands_in_the_registry_is_a_record_or_nothing(text: str) -> None:
    assert Record.parse(text) is None


@given(st.dictionaries(st.text(), st.text()))
def test_whatever_stands_in_the_stream_is_an_announcement_or_nothing(fields: dict[str, str]) -> None:
    said = Announcement.parse("1-0", fields)
    assert said is None or said.kind in Kind


def test_an_announcement_survives_the_stream() -> None:
    said = Announcement(Kind.SECRET, "host/web/1", {"place": "kv/x", "mark": "7"}, "5-0")
    assert Announcement.parse("5-0", said.fields()) == said
    assert (said.fact("mark"), said.fact("nothing")) == ("7", "")


def test_facts_are_a_public_contract() -> None:
    (process,) = judge([(NEW, 1.04)], 10.0)
    assert isinstance(process, Process)
    assert list(process.facts()) == [
        "process",
        "host",
        "role",
        "pid",
        "digest",
        "state",
        "error",
        "pending_restart",
        "age_seconds",
    ]
    assert process.facts()["age_seconds"] == 1.0
