"""Each benchmark runs, with tiny counts, and finds what does not depend on the machine's speed."""

import pytest

from benchmarks import __main__ as command
from benchmarks import credentials, fleet, probes, propagation, reads, reloads, secrets, start
from benchmarks.support import crowd, people
from benchmarks.support.table import Row


def assert_shown(rows: list[Row]) -> None:
    assert rows
    for row in rows:
        assert row.what
        assert row.ours
        assert (row.met is None) == (row.target == "")


def test_reads_compares_every_way_to_read_a_setting():
    rows = list(reads.measure(reads.Counts(rounds=1, reads=1000)))
    assert_shown(rows)
    assert all(row.ratio and row.ratio.pairs == 1 for row in rows)


def test_start_compares_two_processes():
    rows = list(start.measure(start.Counts(starts=1)))
    assert_shown(rows)
    assert all(row.ratio for row in rows)


def test_propagation_sees_every_worker_follow():
    rows = list(propagation.measure(propagation.Counts(workers=2, rounds=1, saves=2, rate=40)))
    assert_shown(rows)
    assert len(rows) == 4


def test_secrets_sees_every_worker_follow_the_vault():
    rows = list(secrets.measure(secrets.Counts(workers=2, rounds=1, writes=1, usual=1, rest=1)))
    assert_shown(rows)
    assert len(rows) == 3


def test_credentials_finds_no_failed_request_and_no_user_that_stays():
    counts = credentials.Counts(rotations=2, clients=2, rate=10, lease=6, drain=0.5)
    rows = list(credentials.measure(counts))
    assert_shown(rows)
    failed, slow, left, most = rows
    assert (failed.ours, failed.met, left.met, most.met) == ("0", True, True, True)
    assert "agent and SIGHUP" in failed.rival
    assert slow.rival


def test_reloads_finds_no_failed_request_and_no_mixed_read():
    rows = list(reloads.measure(reloads.Counts(stretches={2: 1}, reloads=2, period=0.4, rate=40)))
    assert_shown(rows)
    assert [(row.ours, row.met) for row in rows[:2]] == [("0", True), ("0", True)]


@pytest.mark.timeout(180)
def test_fleet_loses_no_session_and_no_request_and_asks_the_vault_no_more():
    counts = fleet.Counts(
        workers=2,
        overrides=2,
        rotations=1,
        secrets=1,
        rate=40,
        pairs=1,
        changes=3,
        period=0.5,
        crowd=crowd.Counts(few=2, many=4, each=2, changes=1, rest=4),
        people=people.Counts(rotations=1, before=8, delays=(0.0, 0.3)),
    )
    rows = list(fleet.measure(counts))
    assert_shown(rows)
    *_, failed, torn, _, _, sessions, arrival, _, _, requests = rows
    assert (failed.ours, torn.ours) == ("0", "0")
    assert sessions.met
    assert not sessions.rival.startswith("0 of")
    assert arrival.rival.endswith("(2 processes)")
    assert float(requests.ours) > 0


def test_probes_asks_every_server():
    assert_shown(list(probes.measure(probes.Counts(rounds=1, requests=3))))


def test_the_command_names_what_it_does_not_know(capsys):
    with pytest.raises(SystemExit):
        command.main(["raeds"])
    assert "no benchmark is named raeds" in capsys.readouterr().err


def test_results_name_the_versions_and_how_each_benchmark_works():
    page = command.as_page([Row("a | b", "1 ns")], command.machine.describe())
    assert "gunicorn" in page
    assert "| a / b | 1 ns |" in page
    for name in command.BENCHMARKS:
        assert f"## {name}" in page


def test_a_benchmark_that_breaks_leaves_the_others_and_no_results(monkeypatch, capsys, tmp_path):
    class Broken:
        Counts = QUICK = dict

        @staticmethod
        def measure(counts):
            raise RuntimeError("no")

    monkeypatch.setattr(command, "BENCHMARKS", {"broken": Broken})
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.md")
    with pytest.raises(SystemExit, match="could not be measured: broken"):
        command.main([])
    assert not command.RESULTS.exists()
