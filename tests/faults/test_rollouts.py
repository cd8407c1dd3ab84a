"""A change of the overrides on its way through real processes: votes, canaries, refusals, ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.faults.crew import Crew
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
REASON = ("--reason", "a test")
KEY = {"FLUENTPRO_OPENAI__API_KEY": "a key that only the operator's shell has"}


def test_an_override_reaches_every_process_and_a_rollback_undoes_it(crew: Callable[..., Crew]) -> None:
    ship = crew()
    with traffic(ship.server):
        said = ship.fluentpro("set", "site.banner", "hello", *REASON).stdout
        assert re.fullmatch(
            r'set site.banner to "hello" \(revision \d+\); 3 of 3 processes have it after [\d.]+ s\n', said
        )
        assert ship.server.serves("hello")
        back = ship.fluentpro("rollback", *REASON).stdout
        assert "3 of 3 processes have it" in back
        assert ship.server.about()["banner"] != "hello"


def test_a_dry_run_asks_every_process_and_changes_none(crew: Callable[..., Crew]) -> None:
    ship = crew()
    before = ship.synced()
    asked = ship.fluentpro("set", "site.banner", "hello", "--dry-run", *REASON)
    assert "3 of 3 processes would accept it" in asked.stdout
    assert '-> "hello"  (live)' in asked.stdout
    refused = ship.fluentpro("set", "features.openai", "true", "--dry-run", *REASON, status=78, **KEY)
    assert "0 of 3 processes would accept it" in refused.stdout
    assert refused.stderr.count("would refuse it") == 3
    assert "openai.api_key" in refused.stderr
    assert KEY["FLUENTPRO_OPENAI__API_KEY"] not in refused.stdout + refused.stderr
    assert ship.synced() == before


def test_whoever_does_not_answer_a_dry_run_is_named(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    slow = ship.worker()
    with ship.stopped(slow):
        words = ("set", "site.banner", "hello", "--dry-run", "--timeout", "1", "--json", *REASON)
        asked = ship.fluentpro(*words, status=75)
    answer = json.loads(asked.stdout)
    assert [vote["accepts"] for vote in answer["votes"]] == [True]
    assert [name.rpartition("/")[2] for name in answer["silent"]] == [str(slow)]
    assert f"/web/{slow} did not answer" in asked.stderr


def test_what_a_process_would_refuse_is_not_written(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    before = ship.synced()
    known = ship.fluentpro("history").stdout
    done = ship.fluentpro("set", "features.openai", "true", *REASON, status=78, **KEY)
    assert "nothing was written" in done.stderr
    assert done.stderr.count("would refuse it: CFG") == 2
    assert (ship.synced(), ship.fluentpro("history").stdout) == (before, known)


def test_what_is_forced_and_refused_is_shown_and_serves_nowhere(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    before = ship.synced()
    done = ship.fluentpro("set", "features.openai", "true", "--force", *REASON, status=75, **KEY)
    assert done.stderr.count("refused it: CFG") == 2
    assert set(ship.states().values()) == {"REJECTED"}
    assert {item["digest"] for item in ship.fleet().values()} == {before}
    ship.fluentpro("unset", "features.openai", *REASON)
    assert eventually(ship.synced, every=0.2) == before


def test_a_canary_takes_it_first_and_the_others_follow(crew: Callable[..., Crew]) -> None:
    ship = crew()
    done = ship.fluentpro("set", "site.banner", "tried", "--canary", "1", *REASON)
    assert "3 of 3 processes have it" in done.stdout
    applied = [line for line in ship.server.events("config.applied") if "site.banner" in line["changed"]]
    first, *others = [line["timestamp"] for line in applied[-3:]]
    assert len(others) == 2
    assert first < min(others)
    assert ship.server.serves("tried")


def test_what_a_canary_refuses_is_taken_back_and_reaches_nobody_else(crew: Callable[..., Crew]) -> None:
    ship = crew()
    before = ship.synced()
    done = ship.fluentpro("set", "features.openai", "true", "--canary", "1", *REASON, status=78, **KEY)
    assert "taken back" in done.stderr
    assert "refused it: CFG" in done.stderr
    assert len(ship.server.refusals()) == 1
    assert eventually(ship.synced, every=0.2) == before
    assert "[taken back]" in ship.fluentpro("history").stdout.splitlines()[0]


def test_a_canary_that_stops_is_given_up(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    slow = ship.worker()
    with ship.stopped(slow):
        # The one that lives and is in step is chosen, but two are wanted.
        eventually(lambda: ship.states()[slow] == "STALE", every=0.2)
        done = ship.fluentpro("set", "site.banner", "x", "--canary", "2", *REASON, status=78)
        assert "1 processes are in step, and 2 are wanted as canaries" in done.stderr
    eventually(ship.synced, every=0.2)


def test_an_override_ends_on_time_everywhere(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    before = ship.server.about()["banner"]
    ship.fluentpro("set", "site.banner", "for a moment", "--for", "3s", *REASON)
    assert ship.server.serves("for a moment")
    eventually(lambda: ship.server.serves(before))
    assert ship.server.events("config.applied", trigger="expiry")


def test_the_fleet_can_be_watched(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    with ship.running("fleet", "--watch", "--json") as watching:
        assert watching.stdout
        first = json.loads(watching.stdout.readline())
        assert [item["state"] for item in first] == ["SYNCED", "SYNCED"]
        ship.fluentpro("set", "site.banner", "watched", *REASON)
        digest = ship.synced()
        while True:
            seen = json.loads(watching.stdout.readline())
            if {item["digest"] for item in seen} == {digest}:
                break


def test_a_reload_is_asked_of_every_process(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    done = ship.fluentpro("reload")
    assert done.stdout == f"2 processes tried their sources, and run {ship.synced()}\n"
    ship.server.project.break_off()
    broken = ship.fluentpro("reload", status=75)
    assert "2 of 2 processes did not take it up" in broken.stderr
    assert broken.stderr.count("settings/testing.toml") >= 2


def test_a_configuration_can_be_told_by_its_digest(crew: Callable[..., Crew]) -> None:
    ship = crew(2)
    ship.fluentpro("set", "site.banner", "remember me", *REASON)
    digest = ship.server.get("/api/v1/about").headers["X-Config-Digest"]
    told = eventually(lambda: ship.fluentpro("history", digest, status=None).stdout)
    assert '-> "remember me"' in told
    assert ship.safe.read("django")["secret_key"] not in told
    settings = [line.split(" = ")[0].strip() for line in told.partition("\nsettings\n")[2].splitlines()]
    assert settings.index("django.secret_key") < settings.index("site.banner")
